/**
 * The kernel's Worker: builds the host, boots the machine, runs it to its end.
 */
import { parentPort, workerData } from "node:worker_threads";
import { boot } from "../../boot/boot.ts";
import { FileDisk } from "./disk.ts";
import { tuneEngine } from "./engine.ts";
import type { MachineSpec } from "./machinespec.ts";
import { NodeHost } from "./nodehost.ts";
import { ProfileFile } from "./profilefile.ts";
import { Channel } from "./ring.ts";
import type { WorkerMessage } from "./workermessage.ts";

interface WorkerData {
  readonly shared: SharedArrayBuffer;
  readonly spec: MachineSpec;
}

function post(message: WorkerMessage): void {
  parentPort!.postMessage(message);
}

function main({ shared, spec }: WorkerData): void {
  tuneEngine();
  const host = new NodeHost(new Channel(shared), spec.stdio, spec.consoleFd);
  const outcome = boot(host, {
    ...spec,
    disks: spec.disks.map((d) => ({
      store: new FileDisk(d.path, d.isCopyOnWrite),
      isCopyOnWrite: d.isCopyOnWrite,
      serial: d.serial,
    })),
    profile: spec.profileFd === null ? null : new ProfileFile(spec.profileFd, post),
    counts: { take: (counts) => post({ kind: "counts", counts }) },
  });
  host.finish();
  post({ kind: "ended", outcome });
}

main(workerData as WorkerData);
