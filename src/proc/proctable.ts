/**
 * All processes, threads, groups and sessions; and the handle by which a
 * system call reaches the rest of the machine (`td.proc.table`).
 *
 * Ids of processes, threads, groups and sessions come from one space: an id is
 * free only when it names none of them. See pid_namespaces(7), proc(5) pid_max.
 */
import { EAGAIN, ENOMEM, type Errno, failed } from "../abi/errno.ts";
import { IpcNamespace } from "../ipc/ipcnamespace.ts";
import { CgroupNamespace } from "../kern/cgroupns.ts";
import type { Cpu } from "../kern/cpu.ts";
import type { HostInfo } from "../kern/hostinfo.ts";
import type { MsgBuf } from "../kern/msgbuf.ts";
import { INITIAL_INO } from "../kern/namespace.ts";
import { ObjectOrder } from "../kern/objectorder.ts";
import { TimeNamespace } from "../kern/timens.ts";
import type { UserNamespace } from "../kern/userns.ts";
import { UtsNamespace } from "../kern/utsns.ts";
import type { Machine } from "../machine/machine.ts";
import type { Entropy } from "../platform/host.ts";
import { NetNamespace } from "../vfs/netns.ts";
import type { Syncer } from "../vfs/syncer.ts";
import type { Vfs } from "../vfs/vfs.ts";
import type { PageAllocator } from "../vm/page.ts";
import { enterCgroup, forgetCgroup, leaveCgroup } from "./cgroups.ts";
import { CoreSettings } from "./coredump.ts";
import { KeyTable } from "./keys/keytable.ts";
import type { Lwp } from "./lwp.ts";
import { Nsproxy } from "./nsproxy.ts";
import { Pid } from "./pid.ts";
import { PID_MAX, PidNamespace } from "./pidns.ts";
import { Proc } from "./proc.ts";
import { Scratch } from "./scratch.ts";
import { SeccompLog } from "./seccomplog.ts";
import { ProcessGroup, Session } from "./session.ts";
import { KernelSettings } from "./settings.ts";
import { QueuedSignals } from "./sigqueue.ts";
import type { Vdso } from "./vdso.ts";

/** Takes strace's lines; see `ProcTable.strace`. */
export interface TraceSink {
  line(td: Lwp, text: string): void;
}

export interface KernelParts {
  readonly cpu: Cpu;
  readonly machine: Machine;
  readonly pages: PageAllocator;
  readonly syncer: Syncer;
  readonly vfs: Vfs;
  readonly entropy: Entropy;
  readonly vdso: Vdso;
  readonly info: HostInfo;
  readonly msgbuf: MsgBuf;
}

/** Ids that are kept for what comes first. */
const RESERVED_PIDS = 300;

export class ProcTable {
  readonly cpu: Cpu;
  readonly machine: Machine;
  readonly pages: PageAllocator;
  readonly syncer: Syncer;
  readonly vfs: Vfs;
  readonly entropy: Entropy;
  readonly vdso: Vdso;
  readonly info: HostInfo;
  readonly msgbuf: MsgBuf;
  /** What reboot(2) asked for; the machine stops at the next safe point. */
  powerRequest: "halt" | "reboot" | null = null;
  /** Where system calls are logged; null when they are not. */
  strace: TraceSink | null = null;
  /** Most threads that may exist at a time (kernel.threads-max). */
  threadsMax: number;
  /** False in a machine made to run one command: then process 1 is like any other. */
  isInitShielded = true;
  /** Set when process 1 ended: the machine stops with its status. */
  initStatus: number | null = null;
  readonly settings = new KernelSettings();
  /** kernel.yama.ptrace_scope: see proc/ptraceaccess.ts. */
  yamaScope = 0;
  /** Forks since boot, for /proc/stat. */
  forks = 0;
  /** Logins so far: see /proc/PID/sessionid. */
  logins = 0;
  /** The name spaces that process 1 is in. */
  readonly userns: UserNamespace;
  readonly pidns: PidNamespace;
  readonly ns: Nsproxy;
  readonly queuedSignals = new QueuedSignals();
  readonly scratch = new Scratch();
  readonly seccompLog = new SeccompLog();
  readonly keys: KeyTable;
  readonly coreSettings = new CoreSettings();
  /** For kcmp(2). */
  readonly order = new ObjectOrder();
  readonly #procs = new Map<number, Proc>();
  readonly #threads = new Map<number, Lwp>();
  /** Ids of threads that ended, which their tracers have not waited for yet. */
  readonly #heldTids = new Set<number>();
  readonly #groups = new Map<number, ProcessGroup>();
  readonly #sessions = new Map<number, Session>();
  readonly #threadsOfUid = new Map<number, number>();

  constructor(parts: KernelParts) {
    this.cpu = parts.cpu;
    this.machine = parts.machine;
    this.pages = parts.pages;
    this.syncer = parts.syncer;
    this.vfs = parts.vfs;
    this.entropy = parts.entropy;
    this.vdso = parts.vdso;
    this.info = parts.info;
    this.msgbuf = parts.msgbuf;
    this.keys = new KeyTable(parts.entropy, parts.vfs.kmem);
    this.userns = parts.vfs.userns;
    this.pidns = new PidNamespace(null, this.userns, null);
    this.ns = firstNamespaces(parts, this.pidns);
    this.threadsMax = Math.min(PID_MAX - RESERVED_PIDS, Math.max(256, parts.pages.totalPages >> 3));
  }

  get init(): Proc | null {
    return this.#procs.get(1) ?? null;
  }

  /** Every process, zombies included, in the order of their birth. */
  all(): IterableIterator<Proc> {
    return this.#procs.values();
  }

  /** Every process that is no zombie. */
  *living(): Generator<Proc> {
    for (const p of this.#procs.values()) if (p.state === "alive") yield p;
  }

  get procCount(): number {
    return this.#procs.size;
  }

  get threadCount(): number {
    return this.#threads.size;
  }

  proc(pid: number): Proc | null {
    return this.#procs.get(pid) ?? null;
  }

  thread(tid: number): Lwp | null {
    return this.#threads.get(tid) ?? null;
  }

  group(pgid: number): ProcessGroup | null {
    return this.#groups.get(pgid) ?? null;
  }

  session(sid: number): Session | null {
    return this.#sessions.get(sid) ?? null;
  }

  /** What `ns` knows by these numbers. */
  procIn(ns: PidNamespace, pid: number): Proc | null {
    return this.proc(ns.level === 0 ? pid : (ns.pids.get(pid)?.number ?? 0));
  }

  threadIn(ns: PidNamespace, tid: number): Lwp | null {
    return this.thread(ns.level === 0 ? tid : (ns.pids.get(tid)?.number ?? 0));
  }

  groupIn(ns: PidNamespace, pgid: number): ProcessGroup | null {
    return this.group(ns.level === 0 ? pgid : (ns.pids.get(pgid)?.number ?? 0));
  }

  /** What `ns` knows the process or thread by that is `number` in the first name space; 0 if it is gone or out of sight. */
  numberIn(ns: PidNamespace, number: number): number {
    if (ns.level === 0) return number;
    return (this.thread(number)?.id ?? this.proc(number)?.id)?.in(ns) ?? 0;
  }

  /** Threads whose real user is `uid`, for RLIMIT_NPROC. */
  threadsOf(uid: number): number {
    return this.#threadsOfUid.get(uid) ?? 0;
  }

  /**
   * A free id in `ns` and all above it. `wanted`: numbers asked for, innermost first.
   * EAGAIN when all are taken, ENOMEM in a name space without an init; EINVAL, EEXIST for `wanted`.
   */
  allocPid(ns: PidNamespace = this.pidns, wanted: readonly number[] = []): Pid | Errno {
    if (this.#threads.size + this.#heldTids.size >= this.threadsMax) return EAGAIN;
    if (ns.isDead) return ENOMEM;
    const numbers: number[] = [];
    for (let level = ns.level; level >= 0; level--) {
      const at = ns.path[level]!;
      const taken = level === 0 ? this : at.pids;
      const asked = wanted[ns.level - level];
      const n = asked === undefined ? at.nextNumber(taken) : at.wantNumber(asked, taken);
      if (failed(n)) return n;
      numbers[level] = n;
    }
    const pid = new Pid(ns, numbers);
    for (let level = 1; level <= ns.level; level++) ns.path[level]!.pids.set(numbers[level]!, pid);
    if (ns.level > 0) ns.hold();
    return pid;
  }

  /** An id that was not used after all, or has nothing any more. */
  freePid(pid: Pid): void {
    const { ns } = pid;
    if (ns.level === 0 || this.has(pid.number) || ns.pids.get(pid.own) !== pid) return;
    for (let level = 1; level <= ns.level; level++)
      ns.path[level]!.pids.delete(pid.numbers[level]!);
    ns.release();
  }

  newProc(pid: Pid): Proc {
    const p = new Proc(pid, this);
    pid.proc = p;
    this.#procs.set(p.pid, p);
    if (p.isInit) pid.ns.init = p;
    return p;
  }

  addThread(td: Lwp): void {
    this.#threads.set(td.tid, td);
    td.id.thread = td;
    td.proc.threads.push(td);
    enterCgroup(td);
    this.#countThread(td.cred.uid, 1);
    td.cred.userns.hold();
  }

  removeThread(td: Lwp): void {
    this.#threads.delete(td.tid);
    td.id.thread = null;
    const { threads } = td.proc;
    threads.splice(threads.indexOf(td), 1);
    leaveCgroup(td);
    this.#countThread(td.cred.uid, -1);
    td.cred.userns.release();
    this.freePid(td.id);
  }

  /** Its thread ends, but the id stays taken. */
  holdTid(id: Pid): void {
    this.#heldTids.add(id.number);
  }

  dropTid(id: Pid): void {
    this.#heldTids.delete(id.number);
    this.freePid(id);
  }

  /** The thread that calls execve(2), now alone, takes the process's id. */
  adoptLeader(td: Lwp): void {
    if (td.id === td.proc.id) return;
    const old = td.id;
    this.#threads.delete(td.tid);
    forgetCgroup(td.proc);
    old.thread = null;
    td.id = td.proc.id;
    td.id.thread = td;
    td.tid = td.id.number;
    td.ownTid = td.id.own;
    this.#threads.set(td.tid, td);
    this.freePid(old);
  }

  /** Keeps the count per user when a thread's real uid changes. */
  moveThread(fromUid: number, toUid: number): void {
    if (fromUid === toUid) return;
    this.#countThread(fromUid, -1);
    this.#countThread(toUid, 1);
  }

  /** A waited-for process leaves for good; its id becomes free. */
  forget(p: Proc): void {
    this.#procs.delete(p.pid);
    p.id.proc = null;
    if (p.isInit) p.id.ns.init = null;
    forgetCgroup(p);
    if (p.pgrp) this.leaveGroup(p);
    this.freePid(p.id);
  }

  /** Puts `p` at the head of a new session and a new group, both with its id. */
  newSession(p: Proc): Session {
    const session = new Session(p);
    this.#sessions.set(session.sid, session);
    this.joinGroup(p, p.pid, session);
    p.tty = null;
    return session;
  }

  /** Moves `p` to group `pgid` of `session`, which is made if it does not exist. */
  joinGroup(p: Proc, pgid: number, session: Session): void {
    let group = this.#groups.get(pgid);
    if (!group) {
      group = this.groupOf(p, session);
      this.#groups.set(pgid, group);
      session.groups.add(group);
    }
    if (p.pgrp === group) return;
    if (p.pgrp) this.leaveGroup(p);
    p.pgrp = group;
    group.members.add(p);
  }

  /** The group that `p` leads or would lead: a terminal may know it before it has members, and after. */
  groupOf(p: Proc, session: Session): ProcessGroup {
    if (p.ownGroup?.session !== session) p.ownGroup = new ProcessGroup(p.id, session);
    return p.ownGroup;
  }

  leaveGroup(p: Proc): void {
    const group = p.pgrp;
    group.members.delete(p);
    if (group.members.size > 0) return;
    this.#groups.delete(group.pgid);
    const { session } = group;
    session.groups.delete(group);
    if (session.groups.size === 0) {
      this.#sessions.delete(session.sid);
      this.freePid(session.id);
    }
    this.freePid(group.id);
  }

  /** True if anything has this number in the first name space. */
  has(pid: number): boolean {
    return (
      this.#procs.has(pid) ||
      this.#threads.has(pid) ||
      this.#heldTids.has(pid) ||
      this.#groups.has(pid) ||
      this.#sessions.has(pid)
    );
  }

  #countThread(uid: number, by: number): void {
    const n = (this.#threadsOfUid.get(uid) ?? 0) + by;
    if (n > 0) this.#threadsOfUid.set(uid, n);
    else this.#threadsOfUid.delete(uid);
  }
}

/** Those of a machine that was just made. */
function firstNamespaces(parts: KernelParts, pidns: PidNamespace): Nsproxy {
  const { userns } = parts.vfs;
  const time = { monotonicOffsetNs: 0, boottimeOffsetNs: 0 };
  const timens = new TimeNamespace(INITIAL_INO.time, userns, null, time);
  timens.isFixed = true;
  return new Nsproxy({
    uts: new UtsNamespace(INITIAL_INO.uts, userns, null, parts.info),
    ipc: new IpcNamespace(parts.cpu, parts.pages, INITIAL_INO.ipc, userns, null),
    net: new NetNamespace(INITIAL_INO.net, userns, null),
    cgroup: new CgroupNamespace(INITIAL_INO.cgroup, userns, null, null),
    time: timens,
    pidForChildren: pidns,
    timeForChildren: timens,
  });
}
