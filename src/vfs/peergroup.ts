/**
 * Peer groups: mounts that share what is mounted below them. See "Shared
 * subtrees" in mount_namespaces(7).
 *
 * A mount in a group sends mounts and unmounts to its peers and to the group's
 * slaves; a slave (`master`) receives and does not send, unless it is in a
 * group of its own. A group without members is gone: its slaves then follow
 * the group that it followed itself.
 */
import { type Mount, MS_PRIVATE, MS_SHARED, MS_SLAVE, MS_UNBINDABLE } from "./mount.ts";

export class PeerGroup {
  /** As "shared:N" and "master:N" in mountinfo. */
  readonly id: number;
  readonly members = new Set<Mount>();
  readonly slaves = new Set<Mount>();

  constructor(id: number) {
    this.id = id;
  }
}

export function joinGroup(m: Mount, group: PeerGroup): void {
  m.group = group;
  group.members.add(m);
}

export function follow(m: Mount, master: PeerGroup | null): void {
  m.master?.slaves.delete(m);
  m.master = master;
  master?.slaves.add(m);
}

/** Shares with nobody and follows nobody: a mount that is taken away, or MS_PRIVATE. */
export function leaveGroups(m: Mount): void {
  leaveGroup(m);
  follow(m, null);
}

/** Leaves its peers; what followed it follows them, or whom it followed if there are none. */
export function leaveGroup(m: Mount): void {
  const { group } = m;
  if (!group) return;
  m.group = null;
  group.members.delete(m);
  if (group.members.size > 0) return;
  for (const slave of [...group.slaves]) follow(slave, m.master);
  m.table.freeGroupId(group.id);
}

/** MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE for one mount. */
export function changePropagation(m: Mount, type: number): void {
  if (type === MS_SHARED) {
    m.isUnbindable = false;
    if (!m.group) joinGroup(m, m.table.newGroup());
    return;
  }
  const { group } = m;
  if (group && group.members.size > 1 && type === MS_SLAVE) {
    leaveGroup(m);
    follow(m, group);
  } else leaveGroup(m);
  if (type === MS_PRIVATE || type === MS_UNBINDABLE) {
    follow(m, null);
    m.isUnbindable = type === MS_UNBINDABLE;
  }
}

/** The nearest group above a slave that has a member among the mounts for which `isSeen` holds. */
export function dominatingGroup(m: Mount, isSeen: (peer: Mount) => boolean): PeerGroup | null {
  let group = m.master;
  for (let steps = 0; group && steps < MAX_CHAIN; steps++) {
    let next: PeerGroup | null = null;
    for (const peer of group.members) {
      if (isSeen(peer)) return group;
      next = peer.master;
    }
    group = next;
  }
  return null;
}

const MAX_CHAIN = 4096;
