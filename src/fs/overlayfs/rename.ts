/**
 * Renaming in an overlay.
 *
 * What is moved is copied up first. Where a lower layer has the old name, a
 * whiteout takes its place in the same rename. A directory that is partly
 * below cannot be moved (EXDEV, and mv(1) copies), unless redirect_dir=on:
 * then it gets a note on where it was. One that is not is marked opaque, so
 * that it does not merge with what is below its new name.
 */
import { EINVAL, ENOENT, EXDEV, failed } from "../../abi/errno.ts";
import { RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT } from "../../abi/fcntl.ts";
import { bytesOf } from "../../lib/bytes.ts";
import type { NameEntry } from "../../vfs/namecache.ts";
import { YES } from "./attrnames.ts";
import { OvlDir } from "./dir.ts";
import { hasBelow } from "./lookup.ts";
import type { OvlNode } from "./node.ts";
import { isWhiteout, lookupReal, removeReal, renameReal } from "./real.ts";

export interface Place {
  readonly dir: OvlDir;
  readonly name: string;
}

const MAX_REDIRECT = 256;

export function renameOverlay(
  from: Place,
  node: OvlNode,
  to: Place,
  over: OvlNode | null,
  flags: number,
): number {
  if ((flags & ~(RENAME_EXCHANGE | RENAME_NOREPLACE)) !== 0) return EINVAL;
  const isExchange = (flags & RENAME_EXCHANGE) !== 0;
  if (!mayMove(node) || (isExchange && over && !mayMove(over))) return EXDEV;
  if (!isExchange && over instanceof OvlDir) {
    const r = over.checkEmpty();
    if (r < 0) return r;
  }
  const moved = node.writable();
  if (failed(moved)) return moved;
  if (isExchange && over) {
    const other = over.writable();
    if (failed(other)) return other;
  }
  const fromDir = from.dir.prepare();
  if (failed(fromDir)) return fromDir;
  const toDir = to.dir.prepare();
  if (failed(toDir)) return toDir;
  const below = isExchange ? 0 : hasBelow(from.dir, from.name);
  if (below < 0) return below;
  const isSameDir = from.dir === to.dir;
  let r = mark(node, to.dir, isSameDir);
  if (r >= 0 && isExchange && over) r = mark(over, from.dir, isSameDir);
  if (r >= 0 && !isExchange && over instanceof OvlDir) r = clear(over, to);
  // By its name here, for it may have others.
  const e = r < 0 ? null : lookupReal(node.fs.vfs, fromDir, from.name);
  if (e === null || failed(e)) return r < 0 ? r : (e ?? ENOENT);
  r = isExchange
    ? renameReal(node.fs.vfs, e, toDir, to.name, RENAME_EXCHANGE)
    : move(node, e, toDir, to.name, below === 1);
  if (r < 0) return r;
  settle(from, node, to, over, isExchange);
  return 0;
}

function mayMove(node: OvlNode): boolean {
  return !(node instanceof OvlDir) || !node.isBelow || node.fs.options.redirect === "on";
}

/** The note that a directory needs before it goes to `toDir`. */
function mark(node: OvlNode, toDir: OvlDir, isSameDir: boolean): number {
  if (!(node instanceof OvlDir)) return 0;
  const { attrNames } = node.fs;
  const vp = node.upper!.vnode!;
  if (!node.isBelow) {
    if (!toDir.isMerged || attrNames.hasYes(vp, "opaque")) return 0;
    return attrNames.setNote(vp, "opaque", YES) < 0 ? EXDEV : 0;
  }
  if (node.redirect.startsWith("/") || (node.redirect !== "" && isSameDir)) return 0;
  const redirect = isSameDir ? node.name : pathBelow(node);
  if (redirect.length > MAX_REDIRECT) return EXDEV;
  if (attrNames.setNote(vp, "redirect", bytesOf(redirect)) < 0) return EXDEV;
  node.redirect = redirect;
  return 0;
}

/** Where the lower part of a directory is, from the root of its layer. */
function pathBelow(node: OvlDir): string {
  let path = "";
  for (let at: OvlNode | null = node; at?.parent && path.length <= MAX_REDIRECT; at = at.parent) {
    path = `/${at.redirect === "" ? at.name : at.redirect.replace(/^\//, "")}${path}`;
    if (at.redirect.startsWith("/")) break;
  }
  return path;
}

/** Makes the upper part of an empty directory really empty: a fresh one takes the place of its whiteouts. */
function clear(over: OvlDir, to: Place): number {
  const { fs } = over;
  const old = over.upper;
  if (!old) return 0;
  const a = old.vnode!.getattr();
  if (failed(a)) return a;
  const cred = fs.cred.with({ fsuid: a.uid, fsgid: a.gid });
  const fresh = fs.work!.make({ mode: a.mode, rdev: 0, target: "" }, cred);
  if (failed(fresh)) return fresh;
  let r = fs.attrNames.setNote(fresh.vnode!, "opaque", YES);
  if (r >= 0) r = renameReal(fs.vfs, fresh, to.dir.upper!, to.name, RENAME_EXCHANGE);
  fs.work!.discard(r < 0 ? fresh : old);
  return r;
}

/** Moves `node` in the upper layer, over what is there, with a whiteout in its old place if `leavesWhiteout`. */
function move(
  node: OvlNode,
  e: NameEntry,
  toDir: NameEntry,
  toName: string,
  leavesWhiteout: boolean,
): number {
  const { fs } = node;
  const { vfs } = fs;
  const fromDir = e.parent!;
  const fromName = e.name;
  const there = lookupReal(vfs, toDir, toName);
  if (failed(there)) return there;
  if (there && node.isDir && isWhiteout(there.vnode!)) {
    // A directory cannot be renamed over it: the two trade places.
    const r = renameReal(vfs, e, toDir, toName, RENAME_EXCHANGE);
    if (r >= 0 && !leavesWhiteout) removeReal(vfs, there);
    return r;
  }
  if (!leavesWhiteout) return renameReal(vfs, e, toDir, toName, 0);
  const r = renameReal(vfs, e, toDir, toName, RENAME_WHITEOUT);
  if (r !== EINVAL) return r;
  // The upper file system knows no whiteouts: in two steps then.
  const whiteout = fs.work!.whiteout();
  if (failed(whiteout)) return whiteout;
  const moved = renameReal(vfs, e, toDir, toName, 0);
  if (moved >= 0) return renameReal(vfs, whiteout, fromDir, fromName, 0);
  fs.work!.discard(whiteout);
  return moved;
}

function settle(
  from: Place,
  node: OvlNode,
  to: Place,
  over: OvlNode | null,
  isExchange: boolean,
): void {
  from.dir.listed(from.name, isExchange ? over : null);
  to.dir.listed(to.name, node);
  node.moveTo(to.dir, to.name);
  node.fs.markImpure(to.dir, node);
  if (!over) return;
  if (isExchange) {
    over.moveTo(from.dir, from.name);
    over.fs.markImpure(from.dir, over);
    return;
  }
  const a = over.upper?.vnode?.getattr();
  if (!over.upper || (a && !failed(a) && (a.nlink === 0 || over.isDir))) over.isUnlinked = true;
}
