/**
 * Job control at the terminal: who may read and write, whose terminal it is.
 *
 * A thread without a process (a kernel thread, a test) is under no control.
 * See setpgid(2), tcsetpgrp(3), ioctl_tty(2) "Job control".
 */
import { EFAULT, EINVAL, EIO, ENOTTY, EPERM, ERESTARTSYS, ESRCH, failed } from "../../abi/errno.ts";
import { SIGCONT, SIGHUP, SIGTTIN, SIGTTOU } from "../../abi/signal.ts";
import { CAP_SYS_ADMIN } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import { Lwp } from "../../proc/lwp.ts";
import type { Pid } from "../../proc/pid.ts";
import type { Proc } from "../../proc/proc.ts";
import { pgsignal } from "../../proc/signal.ts";
import type { UserMemory } from "../../vm/usermem.ts";
import { detachSession } from "./hangup.ts";
import type { Tty } from "./tty.ts";

export function procOf(td: Thread): Proc | null {
  return td instanceof Lwp ? td.proc : null;
}

/** True if `tty` is the controlling terminal of the caller. */
export function isControlling(td: Thread, tty: Tty): boolean {
  return procOf(td)?.tty === tty;
}

/**
 * 0 if the caller may touch the terminal now. A background process gets `sig`
 * and waits (ERESTARTSYS) unless that cannot stop it: then reading is EIO and
 * writing is allowed, and in an orphaned group both are EIO.
 */
export function checkForeground(td: Thread, tty: Tty, sig: number): number {
  if (!(td instanceof Lwp)) return 0;
  const p = td.proc;
  if (p.tty !== tty || !tty.foreground || tty.foreground === p.pgrp) return 0;
  if (td.sigmask.has(sig) || p.sigactions.isIgnored(sig)) return sig === SIGTTIN ? EIO : 0;
  if (p.pgrp.isOrphaned) return EIO;
  pgsignal(p.pgrp, sig);
  return ERESTARTSYS;
}

/** A session leader without a terminal that opens a free one gets it. */
export function acquireOnOpen(td: Thread, tty: Tty): void {
  const p = procOf(td);
  if (!p || !isSessionLeader(p) || p.tty || tty.session) return;
  attach(p, tty);
}

/** TIOCSCTTY. */
export function setControlling(td: Thread, tty: Tty, isReadable: boolean, arg: number): number {
  const p = procOf(td);
  if (!p) return EPERM;
  const { session } = p.pgrp;
  const isAdmin = td.cred.hasCap(CAP_SYS_ADMIN);
  if (isSessionLeader(p) && session === tty.session) return 0;
  if (!isSessionLeader(p) || p.tty) return EPERM;
  if (tty.session) {
    if (arg !== 1 || !isAdmin) return EPERM;
    detachSession(tty);
  }
  if (!isReadable && !isAdmin) return EPERM;
  attach(p, tty);
  return 0;
}

/** TIOCNOTTY: the leader gives up the terminal for its session, anybody else for itself. */
export function giveUpControlling(td: Thread, tty: Tty): number {
  const p = procOf(td);
  if (p?.tty !== tty) return ENOTTY;
  if (!isSessionLeader(p)) {
    p.tty = null;
    return 0;
  }
  const group = tty.foreground;
  detachSession(tty);
  if (group) {
    pgsignal(group, SIGHUP);
    pgsignal(group, SIGCONT);
  }
  return 0;
}

/** TIOCGPGRP: the foreground group, 0 if there is none. */
export function getForeground(td: Thread, tty: Tty, isMaster: boolean): number {
  if (!isMaster && !isControlling(td, tty)) return ENOTTY;
  return tty.foreground ? seenBy(td, tty.foreground.id) : 0;
}

/** TIOCSPGRP. */
export function setForeground(td: Thread, tty: Tty, arg: number, mem: UserMemory): number {
  const checked = checkForeground(td, tty, SIGTTOU);
  if (failed(checked)) return checked === EIO ? ENOTTY : checked;
  const p = procOf(td);
  if (p?.tty !== tty || tty.session !== p.pgrp.session) return ENOTTY;
  const pgid = mem.loadU32(arg);
  if (failed(pgid)) return EFAULT;
  if (pgid > 0x7fff_ffff) return EINVAL;
  const { session } = p.pgrp;
  const other = p.table.procIn(p.id.ns, pgid);
  const known = p.table.groupIn(p.id.ns, pgid);
  if (!known && !other) return ESRCH;
  if ((known?.session ?? other!.pgrp.session) !== session) return EPERM;
  // A shell may give a child the terminal before it made it a group.
  tty.foreground = known ?? p.table.groupOf(other!, session);
  return 0;
}

/** TIOCGSID. */
export function getSession(td: Thread, tty: Tty, isMaster: boolean): number {
  if (!isMaster && !isControlling(td, tty)) return ENOTTY;
  return tty.session ? seenBy(td, tty.session.id) : ENOTTY;
}

/** The number that the caller knows it by; 0 for one in another pid name space. */
function seenBy(td: Thread, id: Pid): number {
  const p = procOf(td);
  return p ? id.in(p.id.ns) : id.number;
}

function isSessionLeader(p: Proc): boolean {
  return p.pgrp.session.leader === p;
}

function attach(p: Proc, tty: Tty): void {
  const { session } = p.pgrp;
  p.tty = tty;
  session.oldForeground = null;
  tty.session = session;
  tty.foreground = p.pgrp;
}
