/**
 * Where mounts and unmounts go besides the place they were made for: to the
 * peers of the mount there and to the slaves of those. See peergroup.ts.
 */
import { type Errno, failed } from "../abi/errno.ts";
import type { Mount } from "./mount.ts";
import type { NameEntry } from "./namecache.ts";
import { isWithin } from "./namei.ts";
import type { PeerGroup } from "./peergroup.ts";

/** How a copy stands to its original: of the same group, following it, or following it with peers of its own. */
export type CopyKind = "peer" | "slave" | "sharedSlave";

export type CopyTree = (top: Mount, kind: CopyKind) => Mount | Errno;

export interface Copied {
  readonly top: Mount;
  readonly parent: Mount;
}

/**
 * Copies of the tree `source`, which is about to be mounted on `entry` in
 * `dest`, for everybody who is to receive it. `fresh` are the groups that the
 * tree got for this, and does not share in yet where it receives itself. On an
 * error the copies made so far are in `out` all the same: the caller takes them back.
 */
export function propagateMount(
  dest: Mount,
  entry: NameEntry,
  source: Mount,
  copyTree: CopyTree,
  fresh: ReadonlySet<PeerGroup>,
  out: Copied[],
): number {
  const group = dest.group;
  if (!group) return 0;
  for (const peer of [...group.members]) {
    if (peer === dest || !receives(peer, entry)) continue;
    const top = copyTree(source, "peer");
    if (failed(top)) return top;
    out.push({ top, parent: peer });
  }
  // A slave's copy follows the nearest copy above it.
  const work: { readonly group: PeerGroup; readonly source: Mount }[] = [{ group, source }];
  for (let next = work.pop(); next; next = work.pop()) {
    const seen = new Set<PeerGroup>();
    for (const slave of [...next.group.slaves]) {
      const own = slave.group;
      if (!own || fresh.has(own)) {
        if (!receives(slave, entry)) continue;
        const top = copyTree(next.source, "slave");
        if (failed(top)) return top;
        out.push({ top, parent: slave });
      } else if (!seen.has(own)) {
        seen.add(own);
        const first = copyToGroup(own, entry, next.source, copyTree, out);
        if (failed(first)) return first;
        work.push({ group: own, source: first ?? next.source });
      }
    }
  }
  return 0;
}

function copyToGroup(
  group: PeerGroup,
  entry: NameEntry,
  source: Mount,
  copyTree: CopyTree,
  out: Copied[],
): Mount | Errno | null {
  let first: Mount | null = null;
  for (const m of [...group.members]) {
    if (!receives(m, entry)) continue;
    const top: Mount | Errno = first ? copyTree(first, "peer") : copyTree(source, "sharedSlave");
    if (failed(top)) return top;
    first ??= top;
    out.push({ top, parent: m });
  }
  return first;
}

/** In a tree (not about to come into one), and showing the place. */
function receives(m: Mount, entry: NameEntry): boolean {
  return m.ns !== null && isWithin(entry, m.root);
}

/** Everybody who receives what happens below `m`, but `m` itself. */
function receivers(m: Mount): Mount[] {
  if (!m.group) return [];
  const found: Mount[] = [];
  const seen = new Set<PeerGroup>([m.group]);
  for (const group of seen) {
    for (const peer of group.members) if (peer !== m) found.push(peer);
    for (const slave of group.slaves) {
      if (slave.group) seen.add(slave.group);
      else found.push(slave);
    }
  }
  return found;
}

/**
 * The mounts that go as well when those of `going` do: what covers the same
 * places for the receivers, unless something that stays is mounted on it.
 */
export function propagateUnmount(going: ReadonlySet<Mount>): Set<Mount> {
  const also = new Set<Mount>();
  for (const m of going) {
    const { parent, mountpoint } = m;
    if (!parent || !mountpoint) continue;
    for (const r of receivers(parent)) {
      const there = r.children.get(mountpoint);
      if (there && !going.has(there)) also.add(there);
    }
  }
  // Children stand behind their parents in no particular order: until nothing changes.
  for (let isChanged = true; isChanged; ) {
    isChanged = false;
    for (const m of also) {
      for (const [at, child] of m.children) {
        if (at === m.root || going.has(child) || also.has(child)) continue;
        also.delete(m);
        isChanged = true;
        break;
      }
    }
  }
  return also;
}
