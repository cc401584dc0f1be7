/** Finding a name in an overlay: layer by layer, from the top. */
import { ENAMETOOLONG, EPERM, type Errno, failed } from "../../abi/errno.ts";
import { byteString } from "../../lib/bytes.ts";
import { MAY_EXEC } from "../../vfs/access.ts";
import type { NameEntry } from "../../vfs/namecache.ts";
import type { Vnode } from "../../vfs/vnode.ts";
import type { OvlDir } from "./dir.ts";
import type { Found, LowerEntry } from "./node.ts";
import type { OverlayFs } from "./overlayfs.ts";
import { isWhiteout, lookupReal } from "./real.ts";

/** What `name` in `dir` means; null if there is nothing, or a whiteout in the topmost layer that says so. */
export function findName(dir: OvlDir, name: string): Found | null | Errno {
  const { fs } = dir;
  let upper: NameEntry | null = null;
  let redirect = "";
  let isDone = false;
  if (dir.upper) {
    const e = lookupIn(fs, dir.upper, name);
    if (failed(e)) return e;
    if (e) {
      if (isWhiteout(e.vnode!)) return null;
      upper = e;
      isDone = !e.vnode!.isDir || fs.isOpaque(e.vnode!);
      if (!isDone) {
        const noted = redirectOf(fs, e.vnode!);
        if (failed(noted)) return noted;
        redirect = noted;
      }
    }
  }
  const lower = isDone ? [] : findLower(fs, dir.lower, name, redirect, upper !== null);
  if (failed(lower)) return lower;
  return upper || lower.length > 0 ? { upper, lower, redirect } : null;
}

/** The layers below that have it; `isMerging`: there is a directory above, so only directories count. */
function findLower(
  fs: OverlayFs,
  stack: readonly LowerEntry[],
  name: string,
  redirect: string,
  isMerging: boolean,
): LowerEntry[] | Errno {
  const found: LowerEntry[] = [];
  let at = redirected(fs, stack, name, redirect, -1);
  for (let i = 0; i < at.stack.length; i++) {
    const { entry, layer } = at.stack[i]!;
    const e = at.isPath ? lookupPath(fs, entry, at.name) : lookupIn(fs, entry, at.name);
    if (failed(e)) return e;
    if (!e) continue;
    const vp = e.vnode!;
    if (isWhiteout(vp)) break;
    if (!vp.isDir) {
      if (found.length === 0 && !isMerging) found.push({ entry: e, layer });
      break;
    }
    found.push({ entry: e, layer });
    if (fs.isOpaque(vp)) break;
    const noted = redirectOf(fs, vp);
    if (failed(noted)) return noted;
    if (noted !== "") {
      at = redirected(fs, at.stack, at.name, noted, layer);
      i = -1;
    }
  }
  return found;
}

interface Search {
  readonly stack: readonly LowerEntry[];
  readonly name: string;
  /** `name` is a path from the root of the layer. */
  readonly isPath: boolean;
}

/** Where to go on below layer `above`: under another name, or another path from the roots of the layers. */
function redirected(
  fs: OverlayFs,
  stack: readonly LowerEntry[],
  name: string,
  redirect: string,
  above: number,
): Search {
  if (redirect.startsWith("/")) {
    const roots = fs.rootLower.filter((l) => l.layer > above);
    return { stack: roots, name: redirect, isPath: true };
  }
  const rest = stack.filter((l) => l.layer > above);
  return { stack: rest, name: redirect === "" ? name : redirect, isPath: name.startsWith("/") };
}

/** A path from the root of a layer, through directories; null where one of them is missing. */
function lookupPath(fs: OverlayFs, root: NameEntry, path: string): NameEntry | null | Errno {
  let at = root;
  for (const part of path.split("/")) {
    if (part === "") continue;
    if (!at.vnode!.isDir) return null;
    const next = lookupIn(fs, at, part);
    if (next === null || failed(next)) return next;
    at = next;
  }
  return at;
}

function lookupIn(fs: OverlayFs, dir: NameEntry, name: string): NameEntry | null | Errno {
  const denied = fs.mayAsMounter(dir.vnode!, MAY_EXEC);
  if (denied < 0) return denied as Errno;
  const e = lookupReal(fs.vfs, dir, name);
  return e === ENAMETOOLONG && dir.vnode!.fs !== fs.upper?.mount.fs ? null : e;
}

/** The redirect note of a directory, "" if it has none; EPERM if such are not followed. */
function redirectOf(fs: OverlayFs, vp: Vnode): string | Errno {
  const note = fs.attrNames.note(vp, "redirect");
  if (!note || note.length === 0) return "";
  if (fs.options.redirect === "nofollow") return EPERM;
  const path = byteString(note);
  const parts = path.startsWith("/") ? path.slice(1).split("/") : [path];
  const isSound = parts.every((p) => p !== "" && p !== "." && p !== ".." && !p.includes("/"));
  return isSound ? path : EPERM;
}

/** 1 if `name` is in the layers below `dir`'s upper one, 0 if not, or an error. */
export function hasBelow(dir: OvlDir, name: string): number {
  for (const l of dir.lower) {
    const e = lookupReal(dir.fs.vfs, l.entry, name);
    if (failed(e)) return e;
    if (e) return isWhiteout(e.vnode!) ? 0 : 1;
  }
  return 0;
}
