/**
 * New threads and processes: clone(2), fork(2), vfork(2).
 *
 * A child is built completely before anyone can see it, so that a failure
 * leaves nothing behind; then it becomes runnable, with the registers of its
 * parent except for a0, sp and tp. See clone(2) for the flags.
 */
import { EAGAIN, EFAULT, EINVAL, EPERM, ERESTARTNOINTR, type Errno, failed } from "../abi/errno.ts";
import { PTRACE_EVENT_VFORK_DONE } from "../abi/ptrace.ts";
import { NSIG, SS_DISABLE } from "../abi/signal.ts";
import {
  CLONE_CHILD_CLEARTID,
  CLONE_CHILD_SETTID,
  CLONE_CLEAR_SIGHAND,
  CLONE_FILES,
  CLONE_FS,
  CLONE_NEWIPC,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  CLONE_PARENT,
  CLONE_PARENT_SETTID,
  CLONE_PIDFD,
  CLONE_SETTLS,
  CLONE_SIGHAND,
  CLONE_SYSVSEM,
  CLONE_THREAD,
  CLONE_VFORK,
  CLONE_VM,
} from "../abi/wait.ts";
import { SemUndoList } from "../ipc/semundo.ts";
import type { Cgroup } from "../kern/cgroup/cgroup.ts";
import {
  CAP_CHECKPOINT_RESTORE,
  CAP_SYS_ADMIN,
  CAP_SYS_RESOURCE,
  type Cred,
} from "../kern/cred.ts";
import type { Vmmeter } from "../kern/vmmeter.ts";
import { enterTime, showTime } from "./entertime.ts";
import { holdExe, releaseExe } from "./exe.ts";
import { reap } from "./exit.ts";
import { Lwp } from "./lwp.ts";
import type { Nsproxy } from "./nsproxy.ts";
import type { Pid } from "./pid.ts";
import { PidFile } from "./pidfd.ts";
import type { PidNamespace } from "./pidns.ts";
import type { Proc } from "./proc.ts";
import { cloneEvent, inheritTracing } from "./ptrace.ts";
import { RLIMIT_NPROC } from "./rlimit.ts";
import { Rseq } from "./rseq.ts";
import { inheritPolicy, mayFork } from "./schedpolicy.ts";
import { inheritSeccomp } from "./seccomp.ts";
import { checkMaking, newNamespaces, newUserNamespace, unshareMounts } from "./unshare.ts";

const ECALL_BYTES = 4;
const SP = 2;
const TP = 4;
const A0 = 10;

export interface CloneRequest {
  /** CLONE_* without CSIGNAL; beyond 32 bits for clone3. */
  readonly flags: number;
  readonly exitSignal: number;
  /** Top of the child's stack; 0 keeps the parent's. */
  readonly stackTop: number;
  readonly tls: number;
  readonly parentTidAddr: number;
  readonly childTidAddr: number;
  readonly pidfdAddr: number;
  /** Numbers that the child shall have, from its own pid name space outwards; clone3(2). */
  readonly setTid?: readonly number[];
  /** CLONE_INTO_CGROUP: where the child begins; absent: where its parent is. */
  readonly cgroup?: Cgroup;
}

/** What a maker keeps of its child while its tracer looks, or while it is in vfork. */
class CloneWait {
  readonly child: Proc;
  readonly id: Pid;
  readonly isVfork: boolean;
  /** PTRACE_EVENT_* yet to be told of; 0 if there is none. */
  event: number;
  isDoneTold = false;

  constructor(child: Proc, id: Pid, isVfork: boolean, event: number) {
    this.child = child;
    this.id = id;
    this.isVfork = isVfork;
    this.event = event;
  }
}

/** True if the call in progress has made its child already: go to `finishClone`. */
export function isInClone(td: Lwp): boolean {
  return td.restart.data instanceof CloneWait;
}

/** The maker tells its tracer, and in vfork sleeps until the child runs another program or ends; then its id. */
export function finishClone(td: Lwp): number {
  const wait = td.restart.data as CloneWait;
  const { event } = wait;
  wait.event = 0;
  if (event !== 0 && td.trace?.stopForChild(event, wait.id)) return ERESTARTNOINTR;
  const tid = td.numberOf(wait.id);
  if (!wait.isVfork) return tid;
  if (wait.child.isVforkChild) {
    td.isUninterruptible = true;
    return td.sleep(wait.child.vforkQueue, "vfork");
  }
  td.isUninterruptible = false;
  if (!wait.isDoneTold) {
    wait.isDoneTold = true;
    if (td.trace?.stopForChild(PTRACE_EVENT_VFORK_DONE, wait.id)) return ERESTARTNOINTR;
  }
  return tid;
}

/** Makes a thread or a process: its id in the parent, or an error. */
export function clone(td: Lwp, request: CloneRequest): number {
  const invalid = check(td, request);
  if (failed(invalid)) return invalid;
  const child = request.flags & CLONE_THREAD ? newThread(td, request) : newProcess(td, request);
  if (failed(child)) return child;
  const failure = publish(td, child, request);
  if (failed(failure)) return failure;
  child.proc.table.forks++;
  countFork(td.cpu.meter, request.flags);
  const isVfork = (request.flags & CLONE_VFORK) !== 0;
  const event = td.trace === null ? 0 : cloneEvent(td, request.flags, request.exitSignal);
  if (td.trace !== null) inheritTracing(child, td, request.flags, event);
  child.cpu.makeRunnable(child);
  const tid = td.numberOf(child.id);
  if (!isVfork && event === 0) return tid;
  child.proc.isVforkChild = isVfork;
  td.restart.data = new CloneWait(child.proc, child.id, isVfork, event);
  return finishClone(td);
}

function countFork(meter: Vmmeter, flags: number): void {
  if ((flags & CLONE_VFORK) !== 0) meter.vforks++;
  else if ((flags & CLONE_VM) !== 0) meter.rforks++;
  else meter.forks++;
}

function check(td: Lwp, { flags, exitSignal }: CloneRequest): number {
  if (exitSignal > NSIG) return EINVAL;
  if (flags & (CLONE_NEWNS | CLONE_NEWUSER) && flags & CLONE_FS) return EINVAL;
  if (flags & CLONE_THREAD && !(flags & CLONE_SIGHAND)) return EINVAL;
  if (flags & CLONE_SIGHAND && !(flags & CLONE_VM)) return EINVAL;
  if (flags & CLONE_SIGHAND && hasBit(flags, CLONE_CLEAR_SIGHAND)) return EINVAL;
  if (flags & CLONE_THREAD && flags & (CLONE_PIDFD | CLONE_VFORK)) return EINVAL;
  if (flags & CLONE_PARENT && td.proc.isInit) return EINVAL;
  if (flags & CLONE_THREAD) {
    if (flags & (CLONE_NEWUSER | CLONE_NEWPID)) return EINVAL;
    if (td.pidns !== td.ns.pidForChildren) return EINVAL;
  }
  if (flags & CLONE_NEWIPC && flags & CLONE_SYSVSEM) return EINVAL;
  const { cred, proc } = td;
  const isExempt = cred.uid === 0 || cred.hasCap(CAP_SYS_RESOURCE) || cred.hasCap(CAP_SYS_ADMIN);
  if (!isExempt && proc.table.threadsOf(cred.uid) >= proc.rlimits.soft(RLIMIT_NPROC)) return EAGAIN;
  if (!mayFork(td)) return EAGAIN;
  return 0;
}

function newThread(td: Lwp, request: CloneRequest): Lwp | Errno {
  const { table } = td.proc;
  const id = newId(td, td.pidns, request);
  if (failed(id)) return id;
  const place = newPlace(td, request);
  const child = failed(place) ? place : newLwp(td, td.proc, id, request, place);
  if (!failed(place)) place.ns.release();
  if (failed(child)) table.freePid(id);
  return child;
}

/** Who the child is, and where: credentials, and the name spaces of an Nsproxy. */
interface Place {
  readonly cred: Cred;
  readonly ns: Nsproxy;
}

function newPlace(td: Lwp, { flags }: CloneRequest): Place | Errno {
  const cred = flags & CLONE_NEWUSER ? newUserNamespace(td) : td.cred;
  if (failed(cred)) return cred;
  const denied = checkMaking(cred, flags);
  const ns = failed(denied) ? (denied as Errno) : newNamespaces(td, flags, cred);
  if (!failed(ns)) return { cred, ns };
  if (cred !== td.cred) cred.userns.release();
  return ns;
}

/** The child has its own hold on a user name space that was made for it. */
function leavePlace(td: Lwp, { cred, ns }: Place): void {
  ns.release();
  if (cred.userns !== td.cred.userns) cred.userns.release();
}

function newId(td: Lwp, ns: PidNamespace, { setTid = [] }: CloneRequest): Pid | Errno {
  if (setTid.length > ns.level + 1) return EINVAL;
  for (let i = 0; i < setTid.length; i++) {
    const { owner } = ns.path[ns.level - i]!;
    const mayChoose =
      td.cred.hasCapIn(owner, CAP_SYS_ADMIN) || td.cred.hasCapIn(owner, CAP_CHECKPOINT_RESTORE);
    if (!mayChoose) return EPERM;
  }
  return td.proc.table.allocPid(ns, setTid);
}

function newProcess(td: Lwp, request: CloneRequest): Lwp | Errno {
  const place = newPlace(td, request);
  if (failed(place)) return place;
  const id = newId(td, place.ns.pidForChildren, request);
  const child = failed(id) ? id : newProcessAt(td, request, id, place);
  if (failed(child) && !failed(id)) td.proc.table.freePid(id);
  leavePlace(td, place);
  return child;
}

function newProcessAt(td: Lwp, request: CloneRequest, id: Pid, place: Place): Lwp | Errno {
  const { flags } = request;
  const parent = td.proc;
  const { table } = parent;
  const vmspace = flags & CLONE_VM ? parent.vmspace.hold() : parent.vmspace.fork();
  if (failed(vmspace)) return vmspace;
  const p = table.newProc(id);
  p.vmspace = vmspace;
  p.sigactions = parent.sigactions;
  if (flags & CLONE_SIGHAND) p.sigactions.refs++;
  else p.sigactions = parent.sigactions.clone();
  if (hasBit(flags, CLONE_CLEAR_SIGHAND)) p.sigactions.resetHandlers();
  p.rlimits = parent.rlimits.clone();
  inherit(p, parent);
  p.exe = holdExe(parent.exe);
  const up = flags & CLONE_PARENT ? parent.parent : parent;
  p.exitSignal = flags & CLONE_PARENT ? parent.exitSignal : request.exitSignal;
  p.makerTid = td.tid;
  const shown = flags & CLONE_VM ? 0 : showTime(vmspace, table.vdso, place.ns.timeForChildren);
  const child = failed(shown) ? (shown as Errno) : newLwp(td, p, id, request, place);
  if (failed(child)) {
    undo(p);
    return child;
  }
  if (flags & CLONE_VM && !(flags & CLONE_VFORK)) child.altStackFlags = SS_DISABLE;
  else copyAltStack(child, td);
  p.parent = up;
  up?.children.add(p);
  table.joinGroup(p, parent.pgrp.pgid, parent.pgrp.session);
  return child;
}

function inherit(p: Proc, parent: Proc): void {
  p.tty = parent.tty;
  p.dumpable = parent.dumpable;
  p.memoryUserns = parent.memoryUserns;
  p.personality = parent.personality;
  p.membarriers = parent.membarriers;
  p.coredumpFilter = parent.coredumpFilter;
  p.oomScoreAdj = parent.oomScoreAdj;
  p.oomScoreAdjMin = parent.oomScoreAdjMin;
  p.sigreturnAddr = parent.sigreturnAddr;
  p.argStart = parent.argStart;
  p.argEnd = parent.argEnd;
  p.envStart = parent.envStart;
  p.envEnd = parent.envEnd;
  p.auxv = parent.auxv;
  p.startStack = parent.startStack;
}

function newLwp(
  td: Lwp,
  p: Proc,
  id: Pid,
  request: CloneRequest,
  { cred, ns }: Place,
): Lwp | Errno {
  const { table } = p;
  const cgroup = request.cgroup ?? td.cgroup;
  const fdtable = request.flags & CLONE_FILES ? td.fdtable.hold() : td.fdtable.copy();
  if (failed(fdtable)) return fdtable;
  const fs = request.flags & CLONE_FS ? td.fs.hold() : td.fs.copy();
  const own = request.flags & CLONE_NEWNS ? unshareMounts(td, fs, cred) : 0;
  const context = own < 0 ? null : table.machine.newContext();
  if (!context || !(cgroup.pidsGroup?.take() ?? true)) {
    context?.free();
    fs.release();
    fdtable.release();
    return own < 0 ? (own as Errno) : EAGAIN;
  }
  context.copyFrom(td.context);
  context.setX(A0, 0);
  context.pc = td.context.pc + ECALL_BYTES;
  if (request.stackTop !== 0) context.setX(SP, request.stackTop);
  if (request.flags & CLONE_SETTLS) context.setX(TP, request.tls);
  const child = new Lwp(id, p, td.cpu, cred, context, ns);
  child.fdtable = fdtable;
  child.fs = fs;
  // Who runs in its parent's memory, with its vDSO, enters with execve(2).
  if ((request.flags & CLONE_VM) === 0) enterTime(child);
  if (request.flags & CLONE_SYSVSEM) {
    td.semUndo ??= new SemUndoList();
    child.semUndo = td.semUndo.hold();
  }
  const { rseq } = td;
  if (rseq !== null && (request.flags & CLONE_VM) === 0) {
    child.rseq = new Rseq(rseq.addr, rseq.length, rseq.signature);
  }
  child.sigmask.assign(td.savedSigmask ?? td.sigmask);
  child.comm = td.comm;
  inheritPolicy(child, td);
  child.ioprio = td.ioprio;
  child.loginuid = td.loginuid;
  child.sessionid = td.sessionid;
  child.sessionKeyring = td.sessionKeyring?.hold() ?? null;
  child.timerSlackNs = td.timerSlackNs;
  child.vruntimeNs = td.vruntimeNs;
  child.cgroup = cgroup;
  child.runGroup = td.runGroup;
  td.cpu.runq.regroup(child, cgroup.runGroup);
  child.startNs = td.cpu.clock.monotonicNs();
  if (p !== td.proc) p.startNs = child.startNs;
  inheritSeccomp(child, td);
  table.addThread(child);
  if (request.flags & CLONE_CHILD_CLEARTID) child.clearTidAddr = request.childTidAddr;
  return child;
}

/** Tells parent and child the new id where they asked for it; what fails undoes the child. */
function publish(td: Lwp, child: Lwp, request: CloneRequest): number {
  const { flags } = request;
  if (flags & CLONE_PIDFD) {
    const fd = td.fdtable.alloc(new PidFile(child.proc), true);
    if (failed(fd)) return abandon(child, fd);
    if (failed(td.proc.vmspace.storeU32(request.pidfdAddr, fd))) {
      td.fdtable.close(fd);
      return abandon(child, EFAULT);
    }
  }
  if (flags & CLONE_PARENT_SETTID) {
    td.proc.vmspace.storeU32(request.parentTidAddr, td.numberOf(child.id));
  }
  if (flags & CLONE_CHILD_SETTID) {
    child.proc.vmspace.storeU32(request.childTidAddr, child.ownTid);
  }
  return 0;
}

function abandon(child: Lwp, why: number): number {
  const p = child.proc;
  p.table.removeThread(child);
  child.context.free();
  child.leaveSemaphores();
  child.releaseFiles();
  child.leaveSeccomp();
  child.leaveKeyrings(true);
  child.ns.release();
  undo(p);
  return why;
}

/** Gives back a process that never ran. */
function undo(p: Proc): void {
  p.vmspace.release();
  p.sigactions.refs--;
  releaseExe(p);
  const { ns } = p.id;
  if (ns.init === p) {
    ns.init = null;
    ns.lastPid = 0;
  }
  reap(p);
}

function copyAltStack(child: Lwp, td: Lwp): void {
  child.altStackBase = td.altStackBase;
  child.altStackSize = td.altStackSize;
  child.altStackFlags = td.altStackFlags;
}

/** Flags beyond 32 bits, which `&` does not reach. */
function hasBit(flags: number, bit: number): boolean {
  return Math.floor(flags / bit) % 2 === 1;
}
