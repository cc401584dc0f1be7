/**
 * Changing user and group ids, and what that does to capabilities.
 *
 * Source: capabilities(7), "Effect of user ID changes on capabilities";
 * setuid(2), setresuid(2), setfsuid(2), setgroups(2). Errors change nothing.
 */
import { EPERM } from "../abi/errno.ts";
import {
  CAP_CHOWN,
  CAP_DAC_OVERRIDE,
  CAP_DAC_READ_SEARCH,
  CAP_FOWNER,
  CAP_FSETID,
  CAP_MKNOD,
  CAP_SETGID,
  CAP_SETUID,
  type Cred,
} from "../kern/cred.ts";
import { SECBIT_KEEP_CAPS, SECBIT_NO_SETUID_FIXUP } from "./execcred.ts";
import type { Lwp } from "./lwp.ts";

/** Leave an id as it is: (uid_t)-1. */
export const KEEP = 0xffffffff;
/** Capabilities about files, which follow the file system uid. */
const FILE_CAPS = [
  CAP_CHOWN,
  CAP_DAC_OVERRIDE,
  CAP_DAC_READ_SEARCH,
  CAP_FOWNER,
  CAP_FSETID,
  9, // CAP_LINUX_IMMUTABLE
  CAP_MKNOD,
  32, // CAP_MAC_OVERRIDE
].reduce((bits, cap) => bits | (1n << BigInt(cap)), 0n);

/** Puts `next` in force for the thread: the count of its user's threads follows. */
export function commitCred(td: Lwp, next: Cred): void {
  const old = td.cred;
  td.cred = next;
  if (td.threadKeyring && next.fsuid !== old.fsuid) td.threadKeyring.uid = next.fsuid;
  td.proc.table.moveThread(old.uid, next.uid);
  if (old.userns !== next.userns) {
    next.userns.hold();
    old.userns.release();
  }
  const isChanged =
    old.euid !== next.euid ||
    old.egid !== next.egid ||
    old.fsuid !== next.fsuid ||
    old.fsgid !== next.fsgid ||
    gainsFrom(old, next);
  if (!isChanged) return;
  td.proc.dumpable = td.proc.table.settings.suidDumpable;
  td.parentDeathSignal = 0;
}

/** Whether `next` may do what `old` could not: but for who goes to a user name space of its own making. */
function gainsFrom(old: Cred, next: Cred): boolean {
  if (old.userns === next.userns) return (next.capPermitted & ~old.capPermitted) !== 0n;
  for (let ns = next.userns; ns.parent; ns = ns.parent) {
    if (ns.parent === old.userns && ns.ownerUid === old.euid) return false;
  }
  return true;
}

export function setuid(td: Lwp, uid: number): number {
  const old = td.cred;
  if (old.hasOwnCap(CAP_SETUID)) return toUids(td, uid, uid, uid);
  if (uid !== old.uid && uid !== old.suid) return EPERM;
  return toUids(td, old.uid, uid, old.suid);
}

export function setreuid(td: Lwp, ruid: number, euid: number): number {
  const old = td.cred;
  const isFree = old.hasOwnCap(CAP_SETUID);
  if (ruid !== KEEP && ruid !== old.uid && ruid !== old.euid && !isFree) return EPERM;
  const mayE = euid === old.uid || euid === old.euid || euid === old.suid;
  if (euid !== KEEP && !mayE && !isFree) return EPERM;
  const uid = ruid === KEEP ? old.uid : ruid;
  const effective = euid === KEEP ? old.euid : euid;
  const savesE = ruid !== KEEP || (euid !== KEEP && euid !== old.uid);
  return toUids(td, uid, effective, savesE ? effective : old.suid);
}

export function setresuid(td: Lwp, ruid: number, euid: number, suid: number): number {
  const old = td.cred;
  if (!old.hasOwnCap(CAP_SETUID)) {
    const isOwn = (id: number): boolean =>
      id === KEEP || id === old.uid || id === old.euid || id === old.suid;
    if (!isOwn(ruid) || !isOwn(euid) || !isOwn(suid)) return EPERM;
  }
  const pick = (id: number, was: number): number => (id === KEEP ? was : id);
  return toUids(td, pick(ruid, old.uid), pick(euid, old.euid), pick(suid, old.suid));
}

export function setgid(td: Lwp, gid: number): number {
  const old = td.cred;
  if (old.hasOwnCap(CAP_SETGID)) return toGids(td, gid, gid, gid);
  if (gid !== old.gid && gid !== old.sgid) return EPERM;
  return toGids(td, old.gid, gid, old.sgid);
}

export function setregid(td: Lwp, rgid: number, egid: number): number {
  const old = td.cred;
  const isFree = old.hasOwnCap(CAP_SETGID);
  if (rgid !== KEEP && rgid !== old.gid && rgid !== old.egid && !isFree) return EPERM;
  const mayE = egid === old.gid || egid === old.egid || egid === old.sgid;
  if (egid !== KEEP && !mayE && !isFree) return EPERM;
  const gid = rgid === KEEP ? old.gid : rgid;
  const effective = egid === KEEP ? old.egid : egid;
  const savesE = rgid !== KEEP || (egid !== KEEP && egid !== old.gid);
  return toGids(td, gid, effective, savesE ? effective : old.sgid);
}

export function setresgid(td: Lwp, rgid: number, egid: number, sgid: number): number {
  const old = td.cred;
  if (!old.hasOwnCap(CAP_SETGID)) {
    const isOwn = (id: number): boolean =>
      id === KEEP || id === old.gid || id === old.egid || id === old.sgid;
    if (!isOwn(rgid) || !isOwn(egid) || !isOwn(sgid)) return EPERM;
  }
  const pick = (id: number, was: number): number => (id === KEEP ? was : id);
  return toGids(td, pick(rgid, old.gid), pick(egid, old.egid), pick(sgid, old.sgid));
}

/** Always answers the old id, even when it changed nothing. */
export function setfsuid(td: Lwp, uid: number): number {
  const old = td.cred;
  const isOwn = uid === old.uid || uid === old.euid || uid === old.suid || uid === old.fsuid;
  if ((!isOwn && !old.hasOwnCap(CAP_SETUID)) || uid === KEEP || uid === old.fsuid) return old.fsuid;
  let effective = old.capEffective;
  if ((old.securebits & SECBIT_NO_SETUID_FIXUP) === 0) {
    const root = old.userns.rootUid;
    if (old.fsuid === root && uid !== root) effective &= ~FILE_CAPS;
    if (old.fsuid !== root && uid === root) effective |= old.capPermitted & FILE_CAPS;
  }
  commitCred(td, old.with({ fsuid: uid, capEffective: effective }));
  return old.fsuid;
}

export function setfsgid(td: Lwp, gid: number): number {
  const old = td.cred;
  const isOwn = gid === old.gid || gid === old.egid || gid === old.sgid || gid === old.fsgid;
  if ((isOwn || old.hasOwnCap(CAP_SETGID)) && gid !== KEEP && gid !== old.fsgid) {
    commitCred(td, old.with({ fsgid: gid }));
  }
  return old.fsgid;
}

function toUids(td: Lwp, uid: number, euid: number, suid: number): number {
  const old = td.cred;
  const next = old.with({ uid, euid, suid, fsuid: euid, ...capsAfter(old, uid, euid, suid) });
  commitCred(td, next);
  return 0;
}

function toGids(td: Lwp, gid: number, egid: number, sgid: number): number {
  commitCred(td, td.cred.with({ gid, egid, sgid, fsgid: egid }));
  return 0;
}

/** cap_emulate_setxuid of Linux: giving up the last uid 0 gives up the capabilities. */
function capsAfter(old: Cred, uid: number, euid: number, suid: number) {
  let { capPermitted, capEffective, capAmbient } = old;
  if ((old.securebits & SECBIT_NO_SETUID_FIXUP) === 0) {
    const root = old.userns.rootUid;
    const hadRoot = old.uid === root || old.euid === root || old.suid === root;
    const hasRoot = uid === root || euid === root || suid === root;
    if (hadRoot && !hasRoot) {
      if ((old.securebits & SECBIT_KEEP_CAPS) === 0) capPermitted = capEffective = 0n;
      capAmbient = 0n;
    }
    if (old.euid === root && euid !== root) capEffective = 0n;
    if (old.euid !== root && euid === root) capEffective = capPermitted;
  }
  return { capPermitted, capEffective, capAmbient };
}
