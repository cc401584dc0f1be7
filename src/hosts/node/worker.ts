/**
 * The kernel's Worker: builds the host, boots the machine, runs it to its end.
 */
import { parentPort, workerData } from "node:worker_threads";
import { boot } from "../../boot/boot.ts";
import type { Outcome } from "../../boot/config.ts";
import { FileDisk } from "./disk.ts";
import type { MachineSpec } from "./machinespec.ts";
import { NodeHost } from "./nodehost.ts";
import { Channel } from "./ring.ts";

interface WorkerData {
  readonly shared: SharedArrayBuffer;
  readonly spec: MachineSpec;
}

function main({ shared, spec }: WorkerData): Outcome {
  const host = new NodeHost(new Channel(shared), spec.stdio, spec.consoleFd);
  const outcome = boot(host, {
    ...spec,
    disks: spec.disks.map((d) => ({
      store: new FileDisk(d.path, d.isCopyOnWrite),
      isCopyOnWrite: d.isCopyOnWrite,
      serial: d.serial,
    })),
  });
  host.finish();
  return outcome;
}

parentPort!.postMessage(main(workerData as WorkerData));
