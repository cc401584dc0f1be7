/**
 * The directories of the host that a machine was given: each has a tag,
 * share0, share1, …, and is mounted where its maker wants it.
 */
import { ENODEV, ENOENT, ENOTDIR, EROFS, type Errno, failed } from "../abi/errno.ts";
import type { SharedDirectory } from "../fs/hostfs/hostfs.ts";
import { type KernelLog, LOG_INFO } from "../kern/log.ts";
import type { Thread } from "../kern/thread.ts";
import { utf8 } from "../lib/bytes.ts";
import { mkdir } from "../vfs/create.ts";
import type { FsContext } from "../vfs/fscontext.ts";
import { MS_NODEV, MS_NOSUID, MS_RDONLY } from "../vfs/mount.ts";
import { namei, WALK_FOLLOW } from "../vfs/namei.ts";
import type { Path } from "../vfs/path.ts";
import type { ShareConfig } from "./config.ts";
import { mountCovering, mountpoint } from "./mounts.ts";

export function sharedDirectories(
  shares: readonly ShareConfig[],
): ReadonlyMap<string, SharedDirectory> {
  return new Map(
    shares.map(({ share, uid = 0, gid = 0 }, i) => [`share${i}`, { share, uid, gid }]),
  );
}

/** Null, or which one could not be mounted and why. */
export function mountShares(
  ctx: FsContext,
  td: Thread,
  shares: readonly ShareConfig[],
  log: KernelLog,
): { readonly at: string; readonly errno: Errno } | null {
  for (const [i, config] of shares.entries()) {
    const r = mountShare(ctx, td, config, `share${i}`);
    if (failed(r)) return { at: config.at, errno: r };
    const how = config.share.isReadOnly ? "read-only" : "read-write";
    log.log(LOG_INFO, `mounted hostfs:share${i} on ${config.at}, ${how}`);
  }
  return null;
}

function mountShare(ctx: FsContext, td: Thread, config: ShareConfig, tag: string): number {
  const { isReadOnly } = config.share;
  const fs = ctx.vfs.types
    .get("hostfs")
    ?.mount({ source: tag, rdev: 0, data: "", isReadOnly, cred: td.cred });
  if (fs === undefined || failed(fs)) return fs ?? ENODEV;
  const at = makeMountpoint(ctx, td, utf8(config.at));
  if (failed(at)) return at;
  const flags = MS_NOSUID | MS_NODEV | (isReadOnly ? MS_RDONLY : 0);
  const mount = ctx.vfs.mounts.mount(fs, at, flags, tag);
  return failed(mount) ? mount : 0;
}

/**
 * The directory at `path`, made if need be with all above it. Where the root cannot be written a
 * tmpfs covers the first name that is missing, for the others to be made in.
 */
function makeMountpoint(ctx: FsContext, td: Thread, path: string): Path | Errno {
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  let at = "";
  for (const [i, name] of names.entries()) {
    at += `/${name}`;
    const there = namei(ctx, td, at, WALK_FOLLOW);
    if (!failed(there)) {
      if (there.entry.vnode?.isDir) continue;
      return ENOTDIR;
    }
    if (there !== ENOENT) return there;
    const r = mkdir(td, ctx, at, 0o755, null);
    if (r === EROFS && i < names.length - 1) {
      const covered = mountCovering(ctx, td, at);
      if (covered < 0) return covered as Errno;
    } else if (r === EROFS) return mountpoint(ctx, td, at);
    else if (failed(r)) return r;
  }
  return namei(ctx, td, path, WALK_FOLLOW);
}
