/** What is in a directory of an overlay. */
import { type Errno, failed } from "../../abi/errno.ts";
import { S_IFCHR, S_IFDIR } from "../../abi/stat.ts";
import type { NameEntry } from "../../vfs/namecache.ts";
import type { DirSink } from "../../vfs/vnode.ts";
import type { OvlDir } from "./dir.ts";
import { findName } from "./lookup.ts";
import { isWhiteout, listReal, lookupReal, type RealName } from "./real.ts";

/** The names of all layers of `dir`, without what whiteouts hide. */
export function mergedNames(dir: OvlDir): RealName[] | Errno {
  const names = new Map<string, RealName | null>();
  const layers = dir.upper ? [dir.upper] : [];
  for (const l of dir.lower) layers.push(l.entry);
  for (const [i, layer] of layers.entries()) {
    const listed = listReal(layer.vnode!);
    if (failed(listed)) return listed;
    for (const found of listed) {
      if (names.has(found.name)) continue;
      if (isGone(dir, layer, found)) names.set(found.name, null);
      else names.set(found.name, numbered(dir, found, i));
    }
  }
  return [...names.values()].filter((n) => n !== null);
}

/** What a layer says of a number holds but for what was copied up, or is merged. */
function numbered(dir: OvlDir, found: RealName, layer: number): RealName {
  if (!dir.upper || layer > 0) return found;
  return { ...found, ino: inoOf(dir, found) };
}

function inoOf(dir: OvlDir, found: RealName): number {
  const all = findName(dir, found.name);
  return all === null || failed(all) ? found.ino : dir.fs.listedInoOf(all);
}

function isGone(dir: OvlDir, layer: NameEntry, found: RealName): boolean {
  if (found.type !== S_IFCHR) return false;
  const e = lookupReal(dir.fs.vfs, layer, found.name);
  return e !== null && !failed(e) && isWhiteout(e.vnode!);
}

/** Lists a directory that one layer alone has, with that layer's offsets. */
export function passThrough(dir: OvlDir, upIno: number, offset: number, sink: DirSink): number {
  const layer = dir.upper ?? dir.lower[0]!.entry;
  const isImpure = dir.upper !== null && dir.fs.attrNames.hasYes(layer.vnode!, "impure");
  return layer.vnode!.readdir(offset, {
    entry(name, ino, type, next) {
      if (type === S_IFDIR && name === ".") return sink.entry(name, dir.ino, type, next);
      if (type === S_IFDIR && name === "..") return sink.entry(name, upIno, type, next);
      const found = { name, ino, type };
      if (isGone(dir, layer, found)) return true;
      return sink.entry(name, isImpure ? inoOf(dir, found) : ino, type, next);
    },
  });
}
