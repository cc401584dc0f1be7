/**
 * File handles: a file by its number, whatever it is called. See open_by_handle_at(2); fs/exportfs of Linux.
 *
 * A directory that is found by its handle has its place in the tree, for ".." and getcwd(2) need one: its names are
 * looked for upwards, and looked up downwards. Any other file has a name that is known already, or else an entry that
 * no lookup finds.
 * Handles come from programs: any bytes are a file's or ESTALE.
 */
import { type Errno, ESTALE, failed } from "../abi/errno.ts";
import type { Mount } from "./mount.ts";
import type { NameEntry } from "./namecache.ts";
import { lookupEntry } from "./namei.ts";
import type { Path } from "./path.ts";
import type { Vfs } from "./vfs.ts";
import type { Vnode } from "./vnode.ts";

export interface FileHandle {
  /** How `bytes` are to be understood: FILEID_* of Linux. */
  readonly type: number;
  readonly bytes: Uint8Array;
}

/** A file system whose files can be found by handles. */
export interface HandleSource {
  handleOf(vp: Vnode): FileHandle;
  /** ESTALE if there is no file of that handle (any more); EIO and the like. Not held. */
  fileOf(handle: FileHandle): Vnode | Errno;
  /** What ".." of a directory is. Not held. */
  parentOf(dir: Vnode): Vnode | Errno;
}

const FILEID_INO64_GEN = 0x81;
const TWO32 = 2 ** 32;

/** What tells a file apart from the others of its file system, be it that it can be found by it or not. */
export function fidOf(vp: Vnode): FileHandle {
  const { fileHandles } = vp.fs;
  if (fileHandles) return fileHandles.handleOf(vp);
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, vp.ino % TWO32, true);
  view.setUint32(4, Math.floor(vp.ino / TWO32), true);
  view.setUint32(8, vp.generation, true);
  return { type: FILEID_INO64_GEN, bytes };
}

/** As fdinfo of who watches it shows it. */
export function showFid(vp: Vnode): string {
  const { type, bytes } = fidOf(vp);
  const hex = [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
  return `fhandle-bytes:${bytes.length.toString(16)} fhandle-type:${type.toString(16)} f_handle:${hex}`;
}

/** Directories are no deeper than a path is long; a damaged tree has no end. */
const MAX_DEPTH = 2048;

/** The place of a file on `mount`, held; ESTALE and the errors of the file system. */
export function findHandle(vfs: Vfs, mount: Mount, handle: FileHandle): Path | Errno {
  const { fileHandles: handles } = mount.fs;
  if (!handles) return ESTALE;
  const vp = handles.fileOf(handle);
  if (failed(vp)) return vp;
  vp.hold();
  const entry = vp.isDir
    ? connected(vfs, mount, vp, handles)
    : (vp.entry ?? vfs.names.makeLoose("/", vp));
  const path = failed(entry) ? entry : vfs.hold({ mount, entry });
  vp.release();
  return path;
}

/** The entry of a directory, with those of all directories above it. */
function connected(vfs: Vfs, mount: Mount, dir: Vnode, source: HandleSource): NameEntry | Errno {
  const root = vfs.mounts.fileSystems.rootEntry(mount.fs);
  if (!root) return ESTALE;
  const above: { readonly dir: Vnode; readonly name: string }[] = [];
  let result: NameEntry | Errno = ESTALE;
  for (let at = dir; ; ) {
    if (at === root.vnode) {
      result = descend(vfs, root, above.toReversed(), dir);
      break;
    }
    const up = above.length < MAX_DEPTH ? source.parentOf(at) : ESTALE;
    if (failed(up)) {
      result = up;
      break;
    }
    up.hold();
    const name = nameIn(up, at);
    above.push({ dir: up, name: failed(name) ? "" : name });
    if (failed(name)) {
      result = name;
      break;
    }
    at = up;
  }
  for (const { dir: held } of above) held.release();
  return result;
}

function descend(
  vfs: Vfs,
  root: NameEntry,
  steps: readonly { readonly name: string }[],
  target: Vnode,
): NameEntry | Errno {
  let at = root;
  for (const { name } of steps) {
    const next = lookupEntry(vfs, at, name);
    if (failed(next)) return next;
    if (!next.vnode) return ESTALE;
    at = next;
  }
  return at.vnode === target ? at : ESTALE;
}

/** What `vp` is called in `dir`. */
function nameIn(dir: Vnode, vp: Vnode): string | Errno {
  let found = "";
  const r = dir.readdir(0, {
    entry(name, ino) {
      if (ino === vp.ino && name !== "." && name !== "..") found = name;
      return found === "";
    },
  });
  if (r < 0) return r as Errno;
  return found === "" ? ESTALE : found;
}
