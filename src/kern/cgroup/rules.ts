/**
 * What may be done to control groups: which can hold processes, which can hand controllers down.
 *
 * A group with processes does not hand on controllers that cannot tell threads
 * apart; below a "domain threaded" group all are threaded, or invalid until
 * they are. The root is exempt. See cgroups(7) and cgroup-v2.rst, "Threads",
 * "No Internal Process Constraint"; the questions are those of Linux's cgroup.c.
 */
import { EBUSY, ENOENT, EOPNOTSUPP } from "../../abi/errno.ts";
import type { Cgroup } from "./cgroup.ts";
import { THREADED_CONTROLLERS } from "./controllers.ts";

/** cgroup.type. */
export function typeOf(group: Cgroup): string {
  if (group.isThreaded) return "threaded";
  if (!isValidDomain(group)) return "domain invalid";
  return isThreadRoot(group) ? "domain threaded" : "domain";
}

/** Whether "threaded" may be written to cgroup.type: 0 or EOPNOTSUPP. */
export function mayBecomeThreaded(group: Cgroup): number {
  const domain = group.parent!.domain;
  if (group.isPopulated || (group.subtreeControl & ~THREADED_CONTROLLERS) !== 0) return EOPNOTSUPP;
  return isValidDomain(domain) && canBeThreadRoot(domain) ? 0 : EOPNOTSUPP;
}

/** Whether processes or threads may move to `group`: 0, EBUSY, EOPNOTSUPP. */
export function mayHold(group: Cgroup): number {
  if (!isValidDomain(group.domain)) return EOPNOTSUPP;
  if (canBeThreadRoot(group) || group.isThreaded) return 0;
  return group.subtreeControl === 0 ? 0 : EBUSY;
}

/** Whether `group` may hand on `added` and take back `taken`: 0, ENOENT, EBUSY, EOPNOTSUPP. */
export function mayControl(group: Cgroup, added: number, taken: number): number {
  if ((added & ~group.controllers) !== 0) return ENOENT;
  for (const child of group.children.values()) {
    if ((child.subtreeControl & taken) !== 0) return EBUSY;
  }
  if (added === 0) return 0;
  if (!isValidDomain(group.domain)) return EOPNOTSUPP;
  if (!group.parent) return 0;
  if ((added & ~THREADED_CONTROLLERS) !== 0) {
    if (isThreadRoot(group) || group.isThreaded) return EOPNOTSUPP;
  } else if (canBeThreadRoot(group) || group.isThreaded) return 0;
  return group.threads.size > 0 ? EBUSY : 0;
}

function canBeThreadRoot(group: Cgroup): boolean {
  if (!group.parent) return true;
  if (group.isThreaded) return false;
  for (const child of group.children.values()) {
    if (!child.isThreaded && child.isPopulated) return false;
  }
  return (group.subtreeControl & ~THREADED_CONTROLLERS) === 0;
}

function isThreadRoot(group: Cgroup): boolean {
  if (group.isThreaded) return false;
  for (const child of group.children.values()) if (child.isThreaded) return true;
  return group.threads.size > 0 && (group.subtreeControl & THREADED_CONTROLLERS) !== 0;
}

/** A domain below one that cannot be its parent is of no use. */
function isValidDomain(group: Cgroup): boolean {
  if (group.isThreaded) return false;
  for (let at = group.parent; at; at = at.parent) {
    if (at.isThreaded || (at.parent && isThreadRoot(at))) return false;
  }
  return true;
}
