/**
 * Making name spaces, for clone(2) and unshare(2): what is asked for is made
 * completely, or nothing is.
 *
 * Whoever makes a user name space has all capabilities in it, so that the
 * others asked for at the same time can be made there without privilege.
 * Source: Linux kernel/nsproxy.c, kernel/user_namespace.c, kernel/pid_namespace.c.
 */
import { EINVAL, ENOMEM, ENOSPC, EPERM, type Errno, failed } from "../abi/errno.ts";
import {
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
} from "../abi/wait.ts";
import { IpcNamespace } from "../ipc/ipcnamespace.ts";
import { CgroupNamespace } from "../kern/cgroupns.ts";
import { CAP_FULL_SET, CAP_SETFCAP, CAP_SYS_ADMIN, type Cred } from "../kern/cred.ts";
import { NO_ID } from "../kern/idmap.ts";
import { type Charge, giveCharge, type Namespace } from "../kern/namespace.ts";
import { TimeNamespace } from "../kern/timens.ts";
import type { UcountKind } from "../kern/ucounts.ts";
import { USERNS_DEPTH_MAX, UserNamespace } from "../kern/userns.ts";
import { UtsNamespace } from "../kern/utsns.ts";
import type { FsContext } from "../vfs/fscontext.ts";
import { NetNamespace } from "../vfs/netns.ts";
import type { Lwp } from "./lwp.ts";
import type { NamespaceSet, Nsproxy } from "./nsproxy.ts";
import { PIDNS_DEPTH_MAX, PidNamespace } from "./pidns.ts";

/** Kinds that an Nsproxy has. */
export const PROXIED =
  CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP | CLONE_NEWTIME;
/** CLONE_NEW*. */
export const ALL_NAMESPACES = PROXIED | CLONE_NEWNS | CLONE_NEWUSER;
/** What one takes of the kernel's memory, about. */
const NAMESPACE_BYTES = 2048;
const NETWORK_BYTES = 32768;

/** Credentials in a new user name space of the caller's making: EPERM, ENOSPC. */
export function newUserNamespace(td: Lwp): Cred | Errno {
  const { cred } = td;
  const parent = cred.userns;
  if (!td.proc.table.settings.unprivilegedUserns && !cred.hasCap(CAP_SYS_ADMIN)) return EPERM;
  if (parent.level > USERNS_DEPTH_MAX) return ENOSPC;
  const charge = takeCharge(td, parent, "user");
  if (failed(charge)) return charge;
  const isKnown = parent.uid(cred.euid) !== NO_ID && parent.gid(cred.egid) !== NO_ID;
  if (isChrooted(td) || !isKnown) {
    giveCharge(charge);
    return EPERM;
  }
  const couldSetFileCaps = cred.hasOwnCap(CAP_SETFCAP);
  const made = new UserNamespace(parent, cred.euid, cred.egid, couldSetFileCaps, charge);
  return asOwner(cred, made);
}

/** The credentials of who enters `userns`: every capability, in there. */
export function asOwner(cred: Cred, userns: UserNamespace): Cred {
  return cred.with({
    userns,
    securebits: 0,
    capInheritable: 0n,
    capPermitted: CAP_FULL_SET,
    capEffective: CAP_FULL_SET,
    capAmbient: 0n,
    capBounding: CAP_FULL_SET,
  });
}

/** Its root is not that of its mount name space: to be root inside would let it out. */
export function isChrooted(td: Lwp): boolean {
  const { root, ns } = td.fs;
  const top = ns.root;
  if (!top) return true;
  const real = td.fs.vfs.mounts.topmost({ mount: top, entry: top.root });
  return root.mount !== real.mount || root.entry !== real.entry;
}

/**
 * The name spaces of `td` with new ones in the place of those that `flags` asks
 * for, which belong to the user name space of `cred`. EPERM, EINVAL, ENOSPC.
 */
export function newNamespaces(td: Lwp, flags: number, cred: Cred): Nsproxy | Errno {
  if ((flags & PROXIED) === 0 && td.ns.time === td.ns.timeForChildren) return td.ns.hold();
  const { userns } = cred;
  const made: Namespace[] = [];
  const change: { -readonly [K in keyof NamespaceSet]?: NamespaceSet[K] } = {};
  let failure: Errno | null = null;
  /** Charges for one of `kind`, makes it, and remembers to let it go again. */
  const add = <T extends Namespace>(
    flag: number,
    kind: UcountKind,
    make: (charge: Charge) => T | Errno,
  ): T | undefined => {
    if (failure !== null || (flags & flag) === 0) return undefined;
    const charge = takeCharge(td, userns, kind);
    const ns = failed(charge) ? charge : make(charge);
    if (failed(ns)) {
      if (!failed(charge)) giveCharge(charge);
      failure = ns;
      return undefined;
    }
    made.push(ns);
    return ns;
  };
  const old = td.ns;
  const { table } = td.proc;
  const uts = add(
    CLONE_NEWUTS,
    "uts",
    (charge) => new UtsNamespace(userns.takeIno(), userns, charge, old.uts),
  );
  if (uts) change.uts = uts;
  const ipc = add(
    CLONE_NEWIPC,
    "ipc",
    (charge) => new IpcNamespace(td.cpu, table.pages, userns.takeIno(), userns, charge),
  );
  if (ipc) change.ipc = ipc;
  const pid = add(CLONE_NEWPID, "pid", (charge) => newPidNamespace(td, userns, charge));
  if (pid) change.pidForChildren = pid;
  const cgroup = add(
    CLONE_NEWCGROUP,
    "cgroup",
    (charge) => new CgroupNamespace(userns.takeIno(), userns, charge, td.cgroup),
  );
  if (cgroup) change.cgroup = cgroup;
  const net = add(CLONE_NEWNET, "net", (charge) => newNetNamespace(td, userns, charge));
  if (net) change.net = net;
  const time = add(
    CLONE_NEWTIME,
    "time",
    (charge) => new TimeNamespace(userns.takeIno(), userns, charge, old.timeForChildren),
  );
  if (time) change.timeForChildren = time;
  const result = failure ?? old.with(change);
  for (const ns of made) ns.release();
  return result;
}

/** CLONE_NEWNS for `fs`: a copy of its mounts that belongs to the user name space of `cred`. */
export function unshareMounts(td: Lwp, fs: FsContext, { userns }: Cred): number {
  const charge = takeCharge(td, userns, "mnt");
  if (failed(charge)) return charge;
  const r = fs.unshareMounts(userns, charge);
  if (failed(r)) giveCharge(charge);
  return r;
}

function newPidNamespace(td: Lwp, userns: UserNamespace, charge: Charge): PidNamespace | Errno {
  const parent = td.pidns;
  if (parent !== td.ns.pidForChildren || !userns.isWithin(parent.owner)) return EINVAL;
  if (parent.level >= PIDNS_DEPTH_MAX) return ENOSPC;
  return new PidNamespace(parent, userns, charge);
}

function newNetNamespace(td: Lwp, userns: UserNamespace, charge: Charge): NetNamespace {
  const ns = new NetNamespace(userns.takeIno(), userns, charge);
  td.fs.vfs.domains.fill(ns);
  return ns;
}

/** Counts one of `kind` for the caller, and the memory it takes: ENOSPC past the limits. */
export function takeCharge(td: Lwp, userns: UserNamespace, kind: UcountKind): Charge | Errno {
  const uid = td.cred.euid;
  const kmem = td.cpu.kmem.ofCurrent;
  const bytes = kind === "net" ? NETWORK_BYTES : NAMESPACE_BYTES;
  if (!userns.ucounts.take(uid, kind)) return ENOSPC;
  if (kmem.take(bytes)) return { userns, uid, kind, kmem, bytes };
  userns.ucounts.give(uid, kind);
  return ENOMEM;
}

/** Whether `cred` may make name spaces other than of users: EPERM or 0. */
export function checkMaking(cred: Cred, flags: number): number {
  const isFree = (flags & (ALL_NAMESPACES & ~CLONE_NEWUSER)) === 0;
  return isFree || cred.hasOwnCap(CAP_SYS_ADMIN) ? 0 : EPERM;
}
