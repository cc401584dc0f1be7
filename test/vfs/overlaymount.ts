/** Mounts an overlay of ours in a context without a machine around it. */
import assert from "node:assert/strict";
import { failed } from "../../src/abi/errno.ts";
import { OverlayType } from "../../src/fs/overlayfs/mount.ts";
import type { Mount } from "../../src/vfs/mount.ts";
import { namei, WALK_FOLLOW } from "../../src/vfs/namei.ts";
import type { Path } from "../../src/vfs/path.ts";
import type { World } from "./harness.ts";

export function pathOf(w: World, path: string): Path {
  const at = namei(w.ctx, w.td, path, WALK_FOLLOW);
  assert(!failed(at), path);
  return at;
}

/** On `at`, with paths in `data` as seen from the working directory. */
export function mountOverlay(w: World, data: string, at: string): Mount {
  const { vfs, td, ctx } = w;
  const lookup = (path: string): Path | ReturnType<typeof namei> =>
    namei(ctx, td, path, WALK_FOLLOW);
  const request = { source: "overlay", rdev: 0, data, isReadOnly: false, cred: td.cred };
  const fs = new OverlayType({ log() {} }).mount({ ...request, td, vfs, lookup });
  assert(!failed(fs), `overlay: ${fs}`);
  const mount = vfs.mounts.mount(fs, pathOf(w, at), 0, "overlay");
  assert(!failed(mount));
  return mount;
}
