/**
 * The kernel's Worker: builds the host, boots the machine, runs it to its end.
 */
import { parentPort, workerData } from "node:worker_threads";
import { boot } from "../../boot/boot.ts";
import type { ShareConfig } from "../../boot/config.ts";
import { FileDisk } from "./disk.ts";
import { tuneEngine } from "./engine.ts";
import type { MachineSpec, ShareSpec } from "./machinespec.ts";
import { NodeHost } from "./nodehost.ts";
import { ProfileFile } from "./profilefile.ts";
import { Channel } from "./ring.ts";
import { openShare } from "./share/share.ts";
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
  const shares = openShares(spec.shares);
  if (typeof shares === "string") {
    post({ kind: "ended", outcome: { kind: "nomachine", message: shares } });
    return;
  }
  const outcome = boot(host, {
    ...spec,
    shares,
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

/** The directories to share; or which cannot be and why. */
function openShares(specs: readonly ShareSpec[]): ShareConfig[] | string {
  const shares: ShareConfig[] = [];
  for (const { path, at, isReadOnly, uid, gid } of specs) {
    const share = openShare(path, isReadOnly);
    if (typeof share === "string") return `${path}: ${share}`;
    shares.push({ share, at, uid, gid });
  }
  return shares;
}

main(workerData as WorkerData);
