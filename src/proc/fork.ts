/**
 * New threads and processes: clone(2), fork(2), vfork(2).
 *
 * A child is built completely before anyone can see it, so that a failure
 * leaves nothing behind; then it becomes runnable, with the registers of its
 * parent except for a0, sp and tp. See clone(2) for the flags.
 */
import { EAGAIN, EFAULT, EINVAL, EPERM, type Errno, failed } from "../abi/errno.ts";
import { NSIG, SS_DISABLE } from "../abi/signal.ts";
import {
  CLONE_CHILD_CLEARTID,
  CLONE_CHILD_SETTID,
  CLONE_CLEAR_SIGHAND,
  CLONE_FILES,
  CLONE_FS,
  CLONE_INTO_CGROUP,
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
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
import { CAP_SYS_ADMIN, CAP_SYS_RESOURCE } from "../kern/cred.ts";
import type { Vmmeter } from "../kern/vmmeter.ts";
import { holdExe, releaseExe } from "./exe.ts";
import { reap } from "./exit.ts";
import { Lwp } from "./lwp.ts";
import { PidFile } from "./pidfd.ts";
import type { Proc } from "./proc.ts";
import { RLIMIT_NPROC } from "./rlimit.ts";
import { inheritSeccomp } from "./seccomp.ts";

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
}

/** What a parent in vfork keeps while it sleeps. */
class VforkWait {
  readonly child: Proc;
  readonly pid: number;

  constructor(child: Proc, pid: number) {
    this.child = child;
    this.pid = pid;
  }
}

/** True if the call in progress has made its child already: go to `finishVfork`. */
export function isInVfork(td: Lwp): boolean {
  return td.restart.data instanceof VforkWait;
}

/** The parent sleeps until the child runs another program or ends; then its pid. */
export function finishVfork(td: Lwp): number {
  const wait = td.restart.data as VforkWait;
  if (wait.child.isVforkChild) {
    td.isUninterruptible = true;
    return td.sleep(wait.child.vforkQueue, "vfork");
  }
  td.isUninterruptible = false;
  return wait.pid;
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
  child.cpu.makeRunnable(child);
  if ((request.flags & CLONE_VFORK) === 0) return child.tid;
  child.proc.isVforkChild = true;
  td.restart.data = new VforkWait(child.proc, child.tid);
  return finishVfork(td);
}

function countFork(meter: Vmmeter, flags: number): void {
  if ((flags & CLONE_VFORK) !== 0) meter.vforks++;
  else if ((flags & CLONE_VM) !== 0) meter.rforks++;
  else meter.forks++;
}

function check(td: Lwp, { flags, exitSignal }: CloneRequest): number {
  if (exitSignal > NSIG) return EINVAL;
  // Other namespaces and cgroups are not built in: answer as Linux without them.
  if ((flags & NAMESPACES) !== 0 || hasBit(flags, CLONE_INTO_CGROUP)) return EINVAL;
  if (flags & CLONE_NEWNS && flags & CLONE_FS) return EINVAL;
  if (flags & CLONE_THREAD && !(flags & CLONE_SIGHAND)) return EINVAL;
  if (flags & CLONE_SIGHAND && !(flags & CLONE_VM)) return EINVAL;
  if (flags & CLONE_SIGHAND && hasBit(flags, CLONE_CLEAR_SIGHAND)) return EINVAL;
  if (flags & CLONE_THREAD && flags & (CLONE_PIDFD | CLONE_VFORK)) return EINVAL;
  if (flags & CLONE_PARENT && td.proc.pid === 1) return EINVAL;
  const { cred, proc } = td;
  if (flags & CLONE_NEWNS && !cred.hasCap(CAP_SYS_ADMIN)) return EPERM;
  const isExempt = cred.uid === 0 || cred.hasCap(CAP_SYS_RESOURCE) || cred.hasCap(CAP_SYS_ADMIN);
  if (!isExempt && proc.table.threadsOf(cred.uid) >= proc.rlimits.soft(RLIMIT_NPROC)) return EAGAIN;
  return 0;
}

function newThread(td: Lwp, request: CloneRequest): Lwp | Errno {
  const tid = td.proc.table.allocPid();
  if (failed(tid)) return tid;
  return newLwp(td, td.proc, tid, request);
}

function newProcess(td: Lwp, request: CloneRequest): Lwp | Errno {
  const { flags } = request;
  const parent = td.proc;
  const { table } = parent;
  const pid = table.allocPid();
  if (failed(pid)) return pid;
  const vmspace = flags & CLONE_VM ? parent.vmspace.hold() : parent.vmspace.fork();
  if (failed(vmspace)) return vmspace;
  const p = table.newProc(pid);
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
  const child = newLwp(td, p, pid, request);
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

function newLwp(td: Lwp, p: Proc, tid: number, request: CloneRequest): Lwp | Errno {
  const { table } = p;
  const fdtable = request.flags & CLONE_FILES ? td.fdtable.hold() : td.fdtable.copy();
  if (failed(fdtable)) return fdtable;
  const fs = request.flags & CLONE_FS ? td.fs.hold() : td.fs.copy();
  const own = request.flags & CLONE_NEWNS ? fs.unshareMounts() : 0;
  const context = own < 0 ? null : table.machine.newContext();
  if (!context) {
    fs.release();
    fdtable.release();
    return own < 0 ? (own as Errno) : EAGAIN;
  }
  context.copyFrom(td.context);
  context.setX(A0, 0);
  context.pc = td.context.pc + ECALL_BYTES;
  if (request.stackTop !== 0) context.setX(SP, request.stackTop);
  if (request.flags & CLONE_SETTLS) context.setX(TP, request.tls);
  const child = new Lwp(tid, p, td.cpu, td.cred, context);
  child.fdtable = fdtable;
  child.fs = fs;
  child.ipc = td.ipc;
  if (request.flags & CLONE_SYSVSEM) {
    td.semUndo ??= new SemUndoList();
    child.semUndo = td.semUndo.hold();
  }
  child.sigmask.assign(td.savedSigmask ?? td.sigmask);
  child.comm = td.comm;
  child.nice = td.resetsOnFork ? Math.max(td.nice, 0) : td.nice;
  child.policy = td.policy;
  child.ioprio = td.ioprio;
  child.loginuid = td.loginuid;
  child.sessionid = td.sessionid;
  child.timerSlackNs = td.timerSlackNs;
  child.vruntimeNs = td.vruntimeNs;
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
  if (flags & CLONE_PARENT_SETTID) td.proc.vmspace.storeU32(request.parentTidAddr, child.tid);
  if (flags & CLONE_CHILD_SETTID) child.proc.vmspace.storeU32(request.childTidAddr, child.tid);
  return 0;
}

function abandon(child: Lwp, why: number): number {
  const p = child.proc;
  p.table.removeThread(child);
  child.context.free();
  child.leaveSemaphores();
  child.releaseFiles();
  child.leaveSeccomp();
  undo(p);
  return why;
}

/** Gives back a process that never ran. */
function undo(p: Proc): void {
  p.vmspace.release();
  p.sigactions.refs--;
  releaseExe(p);
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

/** CLONE_NEW* of what there is one of only. */
export const NAMESPACES =
  CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
