/**
 * A machine in the kernel's Worker: builds the host, boots the machine, runs it to its end.
 */
import { boot } from "../../boot/boot.ts";
import type { DiskConfig, Outcome, ShareConfig } from "../../boot/config.ts";
import { diskConfig } from "./disk/opendisk.ts";
import type { DiskSpec, MachineSpec, ShareSpec } from "./machinespec.ts";
import { NodeHost } from "./nodehost.ts";
import { ProfileFile } from "./profilefile.ts";
import { Channel } from "./ring.ts";
import { openShare } from "./share/share.ts";
import { openTranslations } from "./translations.ts";
import type { WorkerMessage } from "./workermessage.ts";

/** What a Worker is told to run. */
export interface WorkerTask {
  readonly shared: SharedArrayBuffer;
  readonly spec: MachineSpec;
}

/** `file` has this program, if one file does; `post` reaches who started the Worker. */
export function runMachine(
  { shared, spec }: WorkerTask,
  file: string | null,
  post: (message: WorkerMessage) => void,
): Outcome {
  const host = new NodeHost(new Channel(shared), spec.stdio, spec.consoleFd);
  const disks = openDisks(spec.disks);
  const shares = openShares(spec.shares ?? []);
  if (typeof disks === "string" || typeof shares === "string") {
    return { kind: "nomachine", message: typeof disks === "string" ? disks : `${shares}` };
  }
  const outcome = boot(host, {
    ...spec,
    shares,
    disks,
    profile: spec.profileFd === null ? null : new ProfileFile(spec.profileFd, post),
    translations: openTranslations(file, process.env),
    counts: { take: (counts) => post({ kind: "counts", counts }) },
  });
  // What an image's format keeps in memory reaches its file here.
  for (const { store } of disks) store.close();
  host.finish();
  return outcome;
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

/** The disks, or why there are none: the command has tried them before, but files change. */
function openDisks(specs: readonly DiskSpec[]): readonly DiskConfig[] | string {
  const disks: DiskConfig[] = [];
  for (const d of specs) {
    try {
      disks.push(diskConfig(d));
    } catch (e) {
      return `${d.path}: ${(e as Error).message}`;
    }
  }
  return disks;
}
