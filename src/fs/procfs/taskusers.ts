/**
 * /proc/PID/uid_map, gid_map, projid_map and setgroups: the ids of the user
 * name space that a process is in. Each map is written once. See
 * user_namespaces(7); Linux kernel/user_namespace.c map_write, new_idmap_permitted.
 */
import { EACCES, EINVAL, ENOMEM, EPERM } from "../../abi/errno.ts";
import { CAP_SETFCAP, CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN, type Cred } from "../../kern/cred.ts";
import { type IdExtent, IdMap, NO_ID, parseIdMap } from "../../kern/idmap.ts";
import type { UserNamespace } from "../../kern/userns.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { Task } from "./task.ts";

export type MapKind = "uid" | "gid" | "projid";

const FIELDS = { uid: "uidMap", gid: "gidMap", projid: "projidMap" } as const;
/** The capability to map any ids; projects are nobody's. */
const CAPABILITIES = { uid: CAP_SETUID, gid: CAP_SETGID, projid: null } as const;
const NO_ID_SHOWN = 0xffffffff;
/** One page, less one byte. */
const MAP_BYTES_MAX = 4095;
/** What a line of a map takes, about. */
const EXTENT_BYTES = 160;

function usernsOf(t: Task): UserNamespace {
  return (t.td?.cred ?? t.proc.cred).userns;
}

/** Outer ids are shown as the reader knows them; to who is inside, as the parent does. */
export function mapText(kind: MapKind): (t: Task, caller: Lwp) => string {
  return (t, caller) => {
    const ns = usernsOf(t);
    const reader = caller.cred.userns;
    const outer = (reader === ns && ns.parent ? ns.parent : reader)[FIELDS[kind]];
    let s = "";
    for (const { first, lower, count } of ns[FIELDS[kind]].extents) {
      const id = outer.up(lower);
      const shown = id === NO_ID ? NO_ID_SHOWN : id;
      s += `${[first, shown, count].map((n) => String(n).padStart(10)).join(" ")}\n`;
    }
    return s;
  };
}

export function writeMap(
  kind: MapKind,
): (t: Task, text: string, caller: Lwp, opener: Cred) => number {
  return (t, text, caller, opener) => {
    const ns = usernsOf(t);
    const { parent } = ns;
    if (!parent) return EPERM;
    if (opener.userns !== ns && opener.userns !== parent) return EPERM;
    if (text.length > MAP_BYTES_MAX) return EINVAL;
    if (!ns[FIELDS[kind]].isEmpty) return EPERM;
    const capability = CAPABILITIES[kind];
    if (capability !== null && !opener.hasCapIn(ns, CAP_SYS_ADMIN)) return EPERM;
    const extents = parseIdMap(text);
    if (!extents) return EINVAL;
    if (!isPermitted(ns, parent, kind, extents, caller.cred, opener)) return EPERM;
    const below: IdExtent[] = [];
    for (const { first, lower, count } of extents) {
      const kernel = parent[FIELDS[kind]].downRange(lower, count);
      if (kernel === NO_ID) return EPERM;
      below.push({ first, lower: kernel, count });
    }
    if (!ns.chargeMore(extents.length * EXTENT_BYTES)) return ENOMEM;
    ns[FIELDS[kind]] = new IdMap(below);
    return 0;
  };
}

function isPermitted(
  ns: UserNamespace,
  parent: UserNamespace,
  kind: MapKind,
  extents: readonly IdExtent[],
  writer: Cred,
  opener: Cred,
): boolean {
  if (kind === "uid" && !mayMapRoot(ns, parent, extents, opener)) return false;
  const only = extents.length === 1 && extents[0]!.count === 1 ? extents[0]! : null;
  if (only && ns.ownerUid === opener.euid) {
    if (kind === "uid" && parent.kuid(only.lower) === opener.euid) return true;
    // Who could drop a group would gain where that group is denied something.
    const isOwnGid = kind === "gid" && parent.kgid(only.lower) === opener.egid;
    if (isOwnGid && !ns.mayUseSetgroups) return true;
  }
  const capability = CAPABILITIES[kind];
  if (capability === null) return true;
  return writer.hasCapIn(parent, capability) && opener.hasCapIn(parent, capability);
}

/** The parent's root inside could give files capabilities there. */
function mayMapRoot(
  ns: UserNamespace,
  parent: UserNamespace,
  extents: readonly IdExtent[],
  opener: Cred,
): boolean {
  if (!extents.some(({ lower }) => lower === 0)) return true;
  return opener.userns === ns ? ns.couldSetFileCaps : opener.hasCapIn(parent, CAP_SETFCAP);
}

export function setgroupsText(t: Task): string {
  return usernsOf(t).mayUseSetgroups ? "allow\n" : "deny\n";
}

export function mayWriteSetgroups(t: Task, caller: Lwp): number {
  return caller.cred.hasCapIn(usernsOf(t), CAP_SYS_ADMIN) ? 0 : EACCES;
}

/** "deny" is for good, and only before gid_map is written. */
export function writeSetgroups(t: Task, text: string): number {
  const ns = usernsOf(t);
  const m = /^(allow|deny)\s*$/.exec(text);
  if (!m || text.length > SETGROUPS_BYTES_MAX) return EINVAL;
  if (m[1] === "allow") return ns.mayUseSetgroups ? 0 : EPERM;
  if (!ns.gidMap.isEmpty) return EPERM;
  ns.mayUseSetgroups = false;
  return 0;
}

const SETGROUPS_BYTES_MAX = 7;
