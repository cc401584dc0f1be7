/** Copies of mounts, alone or with all below them, in no tree: for bind mounts, propagation and new name spaces. */
import { type Errno, failed } from "../abi/errno.ts";
import type { Mount } from "./mount.ts";
import type { MountTable } from "./mounttable.ts";
import type { NameEntry } from "./namecache.ts";
import { isWithin } from "./namei.ts";
import type { Path } from "./path.ts";
import { follow, joinGroup } from "./peergroup.ts";
import type { CopyKind } from "./propagate.ts";

/** `map` gets the copy of each. */
export function copyMounts(
  table: MountTable,
  from: Path,
  isRecursive: boolean,
  kind: CopyKind,
  takesUnbindable: boolean,
  map: Map<Mount, Mount> | null,
): Mount | Errno {
  const top = clone(table, from.mount, from.entry, kind);
  if (failed(top)) return top;
  map?.set(from.mount, top);
  const pairs: [Mount, Mount][] = isRecursive ? [[from.mount, top]] : [];
  for (let i = 0; i < pairs.length; i++) {
    const [original, twin] = pairs[i]!;
    for (const [place, child] of original.children) {
      if (child.isUnbindable && !takesUnbindable) continue;
      if (original === from.mount && !isWithin(place, from.entry)) continue;
      const copy = clone(table, child, child.root, kind);
      if (failed(copy)) {
        table.dissolve(top);
        return copy;
      }
      map?.set(child, copy);
      table.place(copy, { mount: twin, entry: place });
      pairs.push([child, copy]);
    }
  }
  return top;
}

function clone(table: MountTable, m: Mount, root: NameEntry, kind: CopyKind): Mount | Errno {
  const copy = table.fileSystems.mountAt(m.fs, root, m.flags, m.source);
  if (failed(copy)) return copy;
  copy.lockedFlags = m.lockedFlags;
  if (root === m.root) copy.isLocked = m.isLocked;
  copy.isUnbindable = m.isUnbindable;
  if (kind === "peer") {
    if (m.group) joinGroup(copy, m.group);
    follow(copy, m.master);
  } else {
    follow(copy, m.group ?? m.master);
    if (kind === "sharedSlave") joinGroup(copy, table.newGroup());
  }
  return copy;
}
