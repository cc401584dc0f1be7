/** Who a thread acts as: setuid(2) and family, setgroups(2), capset(2), prctl(2), personality(2). */
import { EFAULT, EINVAL, EPERM, ESRCH, failed } from "../abi/errno.ts";
import {
  CAP_VERSION_1,
  CAP_VERSION_2,
  CAP_VERSION_3,
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAP_AMBIENT_IS_SET,
  PR_CAP_AMBIENT_LOWER,
  PR_CAP_AMBIENT_RAISE,
  PR_CAPBSET_DROP,
  PR_CAPBSET_READ,
  PR_GET_CHILD_SUBREAPER,
  PR_GET_DUMPABLE,
  PR_GET_KEEPCAPS,
  PR_GET_NAME,
  PR_GET_NO_NEW_PRIVS,
  PR_GET_PDEATHSIG,
  PR_GET_SECCOMP,
  PR_GET_SECUREBITS,
  PR_GET_THP_DISABLE,
  PR_GET_TID_ADDRESS,
  PR_GET_TIMERSLACK,
  PR_GET_TIMING,
  PR_SET_CHILD_SUBREAPER,
  PR_SET_DUMPABLE,
  PR_SET_KEEPCAPS,
  PR_SET_NAME,
  PR_SET_NO_NEW_PRIVS,
  PR_SET_PDEATHSIG,
  PR_SET_PTRACER,
  PR_SET_SECCOMP,
  PR_SET_SECUREBITS,
  PR_SET_THP_DISABLE,
  PR_SET_TIMERSLACK,
  PR_SET_TIMING,
} from "../abi/prctl.ts";
import { NSIG } from "../abi/signal.ts";
import { CAP_FULL_SET, CAP_SETGID, CAP_SETPCAP } from "../kern/cred.ts";
import { NO_ID } from "../kern/idmap.ts";
import { byteString, bytesOf } from "../lib/bytes.ts";
import { SECBIT_KEEP_CAPS, SECBIT_NO_CAP_AMBIENT_RAISE } from "../proc/execcred.ts";
import type { Lwp } from "../proc/lwp.ts";
import {
  commitCred,
  KEEP,
  setfsgid,
  setfsuid,
  setgid,
  setregid,
  setresgid,
  setresuid,
  setreuid,
  setuid,
} from "../proc/setid.ts";
import { int, uaddr, uint } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { prctlSeccomp } from "./seccomp.ts";

const NGROUPS_MAX = 65536;
const COMM_BYTES = 16;
const LAST_CAP = 40;
/** SECBIT_*: each with its lock bit above it. */
const SECUREBITS_ALL = 0xff;
const SECUREBIT_LOCKS = 0xaa;
const ALL_BITS = 0xffffffff;
const DEFAULT_TIMER_SLACK_NS = 50_000;

export const sys_getuid = syscall("getuid", [], (td) => td.cred.userns.shownUid(td.cred.uid));
export const sys_geteuid = syscall("geteuid", [], (td) => td.cred.userns.shownUid(td.cred.euid));
export const sys_getgid = syscall("getgid", [], (td) => td.cred.userns.shownGid(td.cred.gid));
export const sys_getegid = syscall("getegid", [], (td) => td.cred.userns.shownGid(td.cred.egid));

export const sys_getresuid = syscall("getresuid", [uaddr, uaddr, uaddr], (td, r, e, s) =>
  storeThree(
    td,
    [r, e, s],
    [td.cred.uid, td.cred.euid, td.cred.suid].map((id) => td.cred.userns.shownUid(id)),
  ),
);
export const sys_getresgid = syscall("getresgid", [uaddr, uaddr, uaddr], (td, r, e, s) =>
  storeThree(
    td,
    [r, e, s],
    [td.cred.gid, td.cred.egid, td.cred.sgid].map((id) => td.cred.userns.shownGid(id)),
  ),
);

export const sys_setuid = syscall("setuid", [uint], (td, uid) => {
  const kuid = td.cred.userns.kuid(uid);
  return kuid === NO_ID ? EINVAL : setuid(td, kuid);
});
export const sys_setgid = syscall("setgid", [uint], (td, gid) => {
  const kgid = td.cred.userns.kgid(gid);
  return kgid === NO_ID ? EINVAL : setgid(td, kgid);
});
export const sys_setreuid = syscall("setreuid", [uint, uint], (td, ruid, euid) => {
  const ids = kuids(td, ruid, euid);
  return ids ? setreuid(td, ids[0]!, ids[1]!) : EINVAL;
});
export const sys_setregid = syscall("setregid", [uint, uint], (td, rgid, egid) => {
  const ids = kgids(td, rgid, egid);
  return ids ? setregid(td, ids[0]!, ids[1]!) : EINVAL;
});
export const sys_setresuid = syscall("setresuid", [uint, uint, uint], (td, r, e, s) => {
  const ids = kuids(td, r, e, s);
  return ids ? setresuid(td, ids[0]!, ids[1]!, ids[2]!) : EINVAL;
});
export const sys_setresgid = syscall("setresgid", [uint, uint, uint], (td, r, e, s) => {
  const ids = kgids(td, r, e, s);
  return ids ? setresgid(td, ids[0]!, ids[1]!, ids[2]!) : EINVAL;
});
export const sys_setfsuid = syscall("setfsuid", [uint], (td, uid) => {
  const { userns } = td.cred;
  return userns.shownUid(setfsuid(td, userns.kuid(uid) >>> 0));
});
export const sys_setfsgid = syscall("setfsgid", [uint], (td, gid) => {
  const { userns } = td.cred;
  return userns.shownGid(setfsgid(td, userns.kgid(gid) >>> 0));
});

/** The kernel's ids for those of the caller's user name space; KEEP stays. Null if one is nobody's. */
function kuids(td: Lwp, ...uids: readonly number[]): number[] | null {
  const { userns } = td.cred;
  const ids = uids.map((uid) => (uid === KEEP ? KEEP : userns.kuid(uid)));
  return ids.includes(NO_ID) ? null : ids;
}

function kgids(td: Lwp, ...gids: readonly number[]): number[] | null {
  const { userns } = td.cred;
  const ids = gids.map((gid) => (gid === KEEP ? KEEP : userns.kgid(gid)));
  return ids.includes(NO_ID) ? null : ids;
}

export const sys_getgroups = syscall("getgroups", [int, uaddr], (td, count, out) => {
  const { groups, userns } = td.cred;
  if (count < 0) return EINVAL;
  if (count === 0) return groups.length;
  if (count < groups.length) return EINVAL;
  const shown = userns.isInitial ? groups : groups.map((gid) => userns.shownGid(gid));
  const bytes = new Uint8Array(new Uint32Array(shown).buffer);
  return failed(td.proc.vmspace.copyout(out, bytes)) ? EFAULT : groups.length;
});

export const sys_setgroups = syscall("setgroups", [int, uaddr], (td, count, at) => {
  const { userns } = td.cred;
  if (!td.cred.hasOwnCap(CAP_SETGID) || !userns.allowsSetgroups) return EPERM;
  // Each thread may have a list of its own: in a small machine they are shorter.
  const most = Math.min(NGROUPS_MAX, td.proc.table.pages.totalPages >>> 1);
  if (count < 0 || count > most) return EINVAL;
  const bytes = new Uint8Array(4 * count);
  if (failed(td.proc.vmspace.copyin(at, bytes))) return EFAULT;
  const groups = [...new Uint32Array(bytes.buffer)].map((gid) => userns.kgid(gid));
  if (groups.includes(NO_ID)) return EINVAL;
  commitCred(td, td.cred.with({ groups: groups.sort((a, b) => a - b) }));
  return 0;
});

export const sys_capget = syscall("capget", [uaddr, uaddr], (td, headAt, dataAt) => {
  const words = capWords(td, headAt);
  if (words < 0) return words === EINVAL && dataAt === 0 ? 0 : words;
  const pidWord = td.proc.vmspace.loadU32(headAt + 4);
  if (failed(pidWord)) return EFAULT;
  const pid = pidWord | 0;
  if (pid < 0) return EINVAL;
  const cred = pid === 0 ? td.cred : td.findThread(pid)?.cred;
  if (!cred) return ESRCH;
  if (dataAt === 0) return 0;
  const out = new Uint32Array(3 * words);
  const sets = [cred.capEffective, cred.capPermitted, cred.capInheritable];
  for (let i = 0; i < words; i++) {
    sets.forEach((set, k) => {
      out[3 * i + k] = Number((set >> BigInt(32 * i)) & 0xffffffffn);
    });
  }
  return failed(td.proc.vmspace.copyout(dataAt, new Uint8Array(out.buffer))) ? EFAULT : 0;
});

export const sys_capset = syscall("capset", [uaddr, uaddr], (td, headAt, dataAt) => {
  const words = capWords(td, headAt);
  if (words < 0) return words;
  const pidWord = td.proc.vmspace.loadU32(headAt + 4);
  if (failed(pidWord)) return EFAULT;
  const pid = pidWord | 0;
  if (pid !== 0 && pid !== td.ownTid) return EPERM;
  const bytes = new Uint8Array(12 * words);
  if (failed(td.proc.vmspace.copyin(dataAt, bytes))) return EFAULT;
  const data = new Uint32Array(bytes.buffer);
  const set = (k: number): bigint => {
    let bits = 0n;
    for (let i = 0; i < words; i++) bits |= BigInt(data[3 * i + k]!) << BigInt(32 * i);
    return bits & CAP_FULL_SET;
  };
  return capset(td, set(0), set(1), set(2));
});

export const sys_personality = syscall("personality", [uint], (td, next) => {
  const old = td.proc.personality;
  if (next !== ALL_BITS) td.proc.personality = next;
  return old;
});

export const sys_prctl = syscall(
  "prctl",
  [int, uaddr, uaddr, uaddr, uaddr],
  (td, option, a, b, c, d) => {
    const areRestZero = b === 0 && c === 0 && d === 0;
    const p = td.proc;
    switch (option) {
      case PR_SET_PDEATHSIG:
        if (a > NSIG) return EINVAL;
        td.parentDeathSignal = a;
        return 0;
      case PR_GET_PDEATHSIG:
        return p.vmspace.storeU32(a, td.parentDeathSignal);
      case PR_GET_DUMPABLE:
        return p.dumpable;
      case PR_SET_DUMPABLE:
        if (a > 1) return EINVAL;
        p.dumpable = a;
        return 0;
      case PR_SET_PTRACER:
        return setPtracer(td, a);
      case PR_SET_NAME:
        return setName(td, a);
      case PR_GET_NAME: {
        const bytes = new Uint8Array(COMM_BYTES);
        bytes.set(bytesOf(td.comm));
        return p.vmspace.copyout(a, bytes);
      }
      case PR_GET_KEEPCAPS:
        return td.cred.securebits & SECBIT_KEEP_CAPS ? 1 : 0;
      case PR_SET_KEEPCAPS:
        return setKeepCaps(td, a);
      case PR_GET_SECCOMP:
        return td.seccompMode;
      case PR_SET_SECCOMP:
        return prctlSeccomp(td, a, b);
      case PR_CAPBSET_READ:
        if (a > LAST_CAP) return EINVAL;
        return td.cred.capBounding & bit(a) ? 1 : 0;
      case PR_CAPBSET_DROP:
        if (!td.cred.hasOwnCap(CAP_SETPCAP)) return EPERM;
        if (a > LAST_CAP) return EINVAL;
        commitCred(td, td.cred.with({ capBounding: td.cred.capBounding & ~bit(a) }));
        return 0;
      case PR_GET_SECUREBITS:
        return td.cred.securebits;
      case PR_SET_SECUREBITS:
        return setSecurebits(td, a);
      case PR_SET_TIMERSLACK:
        td.timerSlackNs = a === 0 ? DEFAULT_TIMER_SLACK_NS : a;
        return 0;
      case PR_GET_TIMERSLACK:
        return td.timerSlackNs;
      case PR_SET_CHILD_SUBREAPER:
        p.isSubreaper = a !== 0;
        return 0;
      case PR_GET_CHILD_SUBREAPER:
        return p.vmspace.storeU32(a, p.isSubreaper ? 1 : 0);
      case PR_SET_NO_NEW_PRIVS:
        if (a !== 1 || !areRestZero) return EINVAL;
        commitCred(td, td.cred.with({ noNewPrivs: true }));
        return 0;
      case PR_GET_NO_NEW_PRIVS:
        return a !== 0 || !areRestZero ? EINVAL : Number(td.cred.noNewPrivs);
      case PR_GET_TID_ADDRESS:
        return p.vmspace.storeU64(a, td.clearTidAddr);
      case PR_SET_THP_DISABLE:
        if (!areRestZero) return EINVAL;
        p.vmspace.isThpDisabled = a !== 0;
        return 0;
      case PR_GET_THP_DISABLE:
        return a !== 0 || !areRestZero ? EINVAL : Number(p.vmspace.isThpDisabled);
      case PR_GET_TIMING:
        // By statistics; PR_SET_TIMING knows no other.
        return 0;
      case PR_SET_TIMING:
        return a === 0 ? 0 : EINVAL;
      case PR_CAP_AMBIENT:
        return c !== 0 || d !== 0 ? EINVAL : ambient(td, a, b);
      default:
        // The rest is not built in: EINVAL, as from a Linux without it.
        return EINVAL;
    }
  },
);

export const credSyscalls: readonly (readonly [number, Syscall])[] = [
  [90, sys_capget],
  [91, sys_capset],
  [92, sys_personality],
  [143, sys_setregid],
  [144, sys_setgid],
  [145, sys_setreuid],
  [146, sys_setuid],
  [147, sys_setresuid],
  [148, sys_getresuid],
  [149, sys_setresgid],
  [150, sys_getresgid],
  [151, sys_setfsuid],
  [152, sys_setfsgid],
  [158, sys_getgroups],
  [159, sys_setgroups],
  [167, sys_prctl],
  [174, sys_getuid],
  [175, sys_geteuid],
  [176, sys_getgid],
  [177, sys_getegid],
];

const bit = (cap: number): bigint => 1n << BigInt(cap);

function storeThree(td: Lwp, at: readonly number[], values: readonly number[]): number {
  for (let i = 0; i < 3; i++) {
    if (failed(td.proc.vmspace.storeU32(at[i]!, values[i]!))) return EFAULT;
  }
  return 0;
}

/** Words per set that the caller's version has; an unknown version is told ours, and EINVAL. */
function capWords(td: Lwp, headAt: number): number {
  const version = td.proc.vmspace.loadU32(headAt);
  if (failed(version)) return EFAULT;
  if (version === CAP_VERSION_1) return 1;
  if (version === CAP_VERSION_2 || version === CAP_VERSION_3) return 2;
  return failed(td.proc.vmspace.storeU32(headAt, CAP_VERSION_3)) ? EFAULT : EINVAL;
}

function capset(td: Lwp, effective: bigint, permitted: bigint, inheritable: bigint): number {
  const old = td.cred;
  const mayInherit =
    old.capInheritable | (old.hasOwnCap(CAP_SETPCAP) ? CAP_FULL_SET : old.capPermitted);
  if (inheritable & ~mayInherit) return EPERM;
  if (inheritable & ~(old.capInheritable | old.capBounding)) return EPERM;
  if (permitted & ~old.capPermitted) return EPERM;
  if (effective & ~permitted) return EPERM;
  const capAmbient = old.capAmbient & permitted & inheritable;
  commitCred(
    td,
    old.with({
      capEffective: effective,
      capPermitted: permitted,
      capInheritable: inheritable,
      capAmbient,
    }),
  );
  return 0;
}

/** 0: nobody; -1: anybody; else that process and its descendants. */
function setPtracer(td: Lwp, pid: number): number {
  const p = td.proc;
  if (pid === 0 || pid === 2 ** 64) {
    p.allowedTracer = pid === 0 ? null : "any";
    return 0;
  }
  const tracer = td.findThread(pid)?.proc;
  if (!tracer) return EINVAL;
  p.allowedTracer = tracer;
  return 0;
}

function setName(td: Lwp, at: number): number {
  // The name ends at 15 bytes however long it is, and need not be readable beyond its end.
  let name = "";
  for (let i = 0; i < COMM_BYTES - 1; i++) {
    const one = new Uint8Array(1);
    if (failed(td.proc.vmspace.copyin(at + i, one))) return EFAULT;
    if (one[0] === 0) break;
    name += byteString(one);
  }
  td.comm = name;
  return 0;
}

function setKeepCaps(td: Lwp, value: number): number {
  if (value > 1) return EINVAL;
  const { securebits } = td.cred;
  if (securebits & (SECBIT_KEEP_CAPS << 1)) return EPERM;
  const next = value ? securebits | SECBIT_KEEP_CAPS : securebits & ~SECBIT_KEEP_CAPS;
  commitCred(td, td.cred.with({ securebits: next }));
  return 0;
}

function setSecurebits(td: Lwp, next: number): number {
  const old = td.cred.securebits;
  const locked = (old & SECUREBIT_LOCKS) >> 1;
  if ((locked & (old ^ next)) !== 0 || (old & SECUREBIT_LOCKS & ~next) !== 0) return EPERM;
  if (next > SECUREBITS_ALL || !td.cred.hasOwnCap(CAP_SETPCAP)) return EPERM;
  commitCred(td, td.cred.with({ securebits: next }));
  return 0;
}

function ambient(td: Lwp, what: number, cap: number): number {
  const { cred } = td;
  if (what === PR_CAP_AMBIENT_CLEAR_ALL) {
    if (cap !== 0) return EINVAL;
    commitCred(td, cred.with({ capAmbient: 0n }));
    return 0;
  }
  if (cap > LAST_CAP) return EINVAL;
  switch (what) {
    case PR_CAP_AMBIENT_IS_SET:
      return cred.capAmbient & bit(cap) ? 1 : 0;
    case PR_CAP_AMBIENT_RAISE: {
      const isHeld = cred.capPermitted & cred.capInheritable & bit(cap);
      if (!isHeld || cred.securebits & SECBIT_NO_CAP_AMBIENT_RAISE) return EPERM;
      commitCred(td, cred.with({ capAmbient: cred.capAmbient | bit(cap) }));
      return 0;
    }
    case PR_CAP_AMBIENT_LOWER:
      commitCred(td, cred.with({ capAmbient: cred.capAmbient & ~bit(cap) }));
      return 0;
    default:
      return EINVAL;
  }
}
