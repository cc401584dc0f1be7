/**
 * Copy-up: a file that is only in a lower layer comes to be in the upper one,
 * whole, with owner, mode, times and attributes.
 *
 * The copy is made in the work directory and renamed to its place when it is
 * complete, so that a crash leaves either no copy or all of it. Directories
 * above come first, without their contents.
 */
import { ENXIO, EOPNOTSUPP, EROFS, type Errno, failed } from "../../abi/errno.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../../abi/stat.ts";
import type { Attr } from "../../vfs/attr.ts";
import type { NameEntry } from "../../vfs/namecache.ts";
import { ReadAhead } from "../../vfs/readahead.ts";
import type { Vnode } from "../../vfs/vnode.ts";
import { Uio } from "../../vm/uio.ts";
import type { OvlNode } from "./node.ts";
import { encodeOrigin } from "./origin.ts";
import type { OverlayFs } from "./overlayfs.ts";
import { type NewFile, removeReal, renameReal } from "./real.ts";

const CHUNK = 256 * 1024;

/** Copies `node` up, after all directories above it; of a file's contents no more than `sizeBytes`. */
export function copyUp(node: OvlNode, sizeBytes = Number.POSITIVE_INFINITY): number {
  if (!node.fs.upper || node.fs.isReadOnly) return EROFS;
  const missing: OvlNode[] = [];
  for (let at: OvlNode | null = node; at && !at.upper; at = at.isUnlinked ? null : at.parent) {
    missing.push(at);
  }
  for (let at = missing.pop(); at; at = missing.pop()) {
    const r = copyOne(at, sizeBytes);
    if (r < 0) return r;
  }
  return 0;
}

function copyOne(node: OvlNode, sizeBytes: number): number {
  const { fs } = node;
  const from = node.real;
  const attr = from.getattr();
  if (failed(attr)) return attr;
  const what = newFile(from, attr);
  if (failed(what)) return what;
  const temp = fs.work!.make(what, fs.cred.with({ fsuid: attr.uid, fsgid: attr.gid }));
  if (failed(temp)) return temp;
  const r = fill(fs, from, attr, temp, sizeBytes);
  const placed = r < 0 ? r : place(node, temp);
  if (placed < 0) removeReal(fs.vfs, temp);
  return placed;
}

function newFile(from: Vnode, attr: Attr): NewFile | Errno {
  const type = attr.mode & S_IFMT;
  const target = type === S_IFLNK ? from.readlink() : "";
  if (failed(target)) return target;
  // Nobody else is to open it before it is complete.
  const mode = type === S_IFDIR ? type | 0o700 : type === S_IFREG ? type | 0o600 : attr.mode;
  return { mode, rdev: attr.rdev, target };
}

function fill(fs: OverlayFs, from: Vnode, attr: Attr, temp: NameEntry, sizeBytes: number): number {
  const to = temp.vnode!;
  let r = 0;
  if (to.type === S_IFREG) r = copyData(fs, from, to, Math.min(attr.sizeBytes, sizeBytes));
  if (r >= 0) r = copyXattrs(fs, from, to);
  if (r >= 0 && !to.isDir && attr.nlink === 1) {
    r = fs.attrNames.tryNote(to, "origin", encodeOrigin(attr.ino));
  }
  if (r < 0) return r;
  const { uid, gid, atime, mtime } = attr;
  // A symlink has no mode of its own.
  const mode = to.type === S_IFLNK ? {} : { mode: attr.mode & 0o7777 };
  r = to.setattr({ uid, gid, ...mode, atime, mtime });
  if (r < 0 || to.type !== S_IFREG || fs.options.isVolatile) return r;
  return to.fsync(false);
}

/** Puts the complete copy where the file is seen; the directory it comes to does not look changed. */
function place(node: OvlNode, temp: NameEntry): number {
  const { fs } = node;
  const dir = node.isUnlinked ? null : node.parent?.upper;
  let r = 0;
  fs.vfs.names.hold(temp);
  if (dir) {
    const before = dir.vnode!.getattr();
    r = renameReal(fs.vfs, temp, dir, node.name, 0);
    if (r >= 0 && !failed(before)) {
      dir.vnode!.setattr({ atime: before.atime, mtime: before.mtime });
    }
  } else r = removeReal(fs.vfs, temp);
  if (r >= 0) node.copiedTo(temp);
  fs.vfs.names.release(temp);
  return r;
}

/** Holes stay holes. */
function copyData(fs: OverlayFs, from: Vnode, to: Vnode, sizeBytes: number): number {
  const buffer = new Uint8Array(Math.min(CHUNK, sizeBytes));
  const ahead = new ReadAhead();
  let at = 0;
  while (at < sizeBytes) {
    const start = from.seekData(at, false, sizeBytes);
    if (start === ENXIO) break;
    if (start < 0) return start;
    const end = Math.min(sizeBytes, from.seekData(start, true, sizeBytes));
    if (end <= start) break;
    for (at = start; at < end; ) {
      const part = buffer.subarray(0, Math.min(buffer.length, end - at));
      const n = from.read(fs.thread, Uio.kernel(part), at, ahead);
      if (n < 0) return n;
      // Shorter than its size says: somebody cut it below us.
      if (n === 0) return 0;
      const r = writeAll(fs, to, part.subarray(0, n), at);
      if (r < 0) return r;
      at += n;
    }
  }
  const a = to.getattr();
  if (failed(a)) return a;
  return a.sizeBytes < sizeBytes ? to.setattr({ sizeBytes }) : 0;
}

function writeAll(fs: OverlayFs, to: Vnode, bytes: Uint8Array, offset: number): number {
  for (let done = 0; done < bytes.length; ) {
    const n = to.write(fs.thread, Uio.kernel(bytes.subarray(done)), offset + done);
    if (n <= 0) return n < 0 ? n : ENXIO;
    done += n;
  }
  return 0;
}

/** All but the overlay's own; what the upper layer does not take is left behind, security excepted. */
export function copyXattrs(fs: OverlayFs, from: Vnode, to: Vnode): number {
  const names = from.listxattr();
  if (failed(names)) return names === EOPNOTSUPP ? 0 : names;
  for (const name of names) {
    if (fs.attrNames.isPrivate(name)) continue;
    const value = from.getxattr(name);
    if (failed(value)) return value;
    const r = to.setxattr(name, value, 0);
    if (r < 0 && (r !== EOPNOTSUPP || name.startsWith("security."))) return r;
  }
  return 0;
}
