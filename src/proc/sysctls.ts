/**
 * The sysctls of the kernel proper: kernel.*, vm.*, fs.* as Linux names them,
 * kern.* and hw.* as the BSDs do. Only what is true of this kernel is here:
 * a tunable that nothing would obey is left out. See proc_sys(5), sysctl(8).
 */
import { EINVAL, EPERM } from "../abi/errno.ts";
import { UTS_MACHINE, UTS_RELEASE, UTS_SYSNAME } from "../abi/utsname.ts";
import { addIpcSysctls } from "../ipc/sysctls.ts";
import { CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN, type Cred } from "../kern/cred.ts";
import { SysctlConst, type SysctlDir, SysctlInt, SysctlLeaf } from "../kern/sysctl.ts";
import type { Thread } from "../kern/thread.ts";
import { PAGE_SIZE } from "../vm/param.ts";
import { addCoreSysctls } from "./coredump.ts";
import { addCounterSysctls } from "./counters.ts";
import { addKeySysctls } from "./keys/keytable.ts";
import type { Lwp } from "./lwp.ts";
import { PID_MAX, PID_MAX_LIMIT } from "./pidns.ts";
import type { ProcTable } from "./proctable.ts";
import { YAMA_SCOPE_NO_ATTACH } from "./ptraceaccess.ts";
import { addSeccompSysctls } from "./seccomplog.ts";
import { addUserSysctls } from "./usersysctls.ts";
import { addVmSysctls } from "./vmsysctls.ts";

/** Highest capability that this kernel knows. */
const CAP_LAST_CAP = 40;
const NGROUPS_MAX = 65536;
const OVERFLOW_ID = 65534;
const HOSTNAME_MAX = 64;
/** RLIMIT_NOFILE goes no higher. */
const NR_OPEN = 1048576;

export function addKernelSysctls(tree: SysctlDir, table: ProcTable): void {
  const { info, pages } = table;
  const hostname = new UtsName("hostname");
  const release = new SysctlConst(UTS_RELEASE);
  const ostype = new SysctlConst(UTS_SYSNAME);
  const version = new SysctlConst(info.version);

  tree.add("kernel.ostype", ostype);
  tree.add("kernel.osrelease", release);
  tree.add("kernel.version", version);
  tree.add("kernel.arch", new SysctlConst(UTS_MACHINE));
  tree.add("kernel.hostname", hostname);
  tree.add("kernel.domainname", new UtsName("domainname"));
  tree.add("kernel.pid_max", new PidMax());
  tree.add("kernel.threads-max", new ThreadsMax(table));
  tree.add("kernel.ns_last_pid", new LastPid());
  tree.add("kernel.cap_last_cap", new SysctlConst(CAP_LAST_CAP));
  tree.add("kernel.ngroups_max", new SysctlConst(NGROUPS_MAX));
  tree.add("kernel.overflowuid", new SysctlConst(OVERFLOW_ID));
  tree.add("kernel.overflowgid", new SysctlConst(OVERFLOW_ID));
  tree.add("kernel.printk", new PrintkLevels(table));
  tree.add("kernel.tainted", new SysctlConst(0));
  tree.add("kernel.randomize_va_space", new SysctlConst(0));
  tree.add("kernel.random.boot_id", new SysctlConst(randomUuid(table)));
  tree.add("kernel.random.uuid", new FreshUuid(table));
  tree.add("kernel.random.entropy_avail", new SysctlConst(256));
  tree.add("kernel.random.poolsize", new SysctlConst(256));

  tree.add("kernel.yama.ptrace_scope", new PtraceScope(table));
  addCoreSysctls(tree, table);
  addSeccompSysctls(tree, table);
  addVmSysctls(tree, table);
  addIpcSysctls(tree);
  addUserSysctls(tree);
  addKeySysctls(tree, table.keys);

  tree.add("fs.overflowuid", new SysctlConst(OVERFLOW_ID));
  tree.add("fs.overflowgid", new SysctlConst(OVERFLOW_ID));
  tree.add("fs.nr_open", new SysctlConst(NR_OPEN));
  tree.add("fs.pipe-max-size", new PipeMaxSize(table));
  const { inotify } = table.vfs;
  tree.add("fs.inotify.max_queued_events", inotify.maxQueuedEvents);
  tree.add("fs.inotify.max_user_instances", inotify.maxUserInstances);
  tree.add("fs.inotify.max_user_watches", inotify.maxUserWatches);
  tree.add("fs.aio-nr", table.vfs.aio.nr);
  tree.add("fs.aio-max-nr", table.vfs.aio.maxNr);
  tree.add("fs.leases-enable", table.vfs.leases.enable);
  tree.add("fs.lease-break-time", table.vfs.leases.breakTimeSec);
  tree.add("fs.dir-notify-enable", new DirNotifyEnable(table));

  tree.add("kern.ostype", ostype);
  tree.add("kern.osrelease", release);
  tree.add("kern.version", version);
  tree.add("kern.hostname", hostname);
  tree.add("kern.maxproc", new ThreadsMax(table));
  tree.add("hw.machine", new SysctlConst(UTS_MACHINE));
  tree.add("hw.ncpu", new SysctlConst(1));
  tree.add("hw.pagesize", new SysctlConst(PAGE_SIZE));
  tree.add("hw.physmem", new SysctlConst(pages.totalPages * PAGE_SIZE));
  addCounterSysctls(tree, table);
}

abstract class TableLeaf extends SysctlInt {
  protected readonly table: ProcTable;

  constructor(table: ProcTable, min: number, max: number, mode?: number) {
    super(min, max, mode);
    this.table = table;
  }
}

/** Once nobody may attach, that stays so. */
class PtraceScope extends TableLeaf {
  constructor(table: ProcTable) {
    super(table, 0, YAMA_SCOPE_NO_ATTACH);
  }

  get(): number {
    return this.table.yamaScope;
  }

  set(value: number): number {
    if (this.table.yamaScope === YAMA_SCOPE_NO_ATTACH && value !== YAMA_SCOPE_NO_ATTACH)
      return EINVAL;
    this.table.yamaScope = value;
    return 0;
  }
}

/** Each pid name space has its own, no higher than those above it. */
class PidMax extends SysctlInt {
  constructor() {
    super(301, PID_MAX_LIMIT);
  }

  get(td: Thread): number {
    return (td as Lwp).pidns.pidMax;
  }

  set(value: number, td: Thread): number {
    (td as Lwp).pidns.pidMax = value;
    return 0;
  }
}

/** Console level, level of messages without one, least console level, and the one at boot. */
class PrintkLevels extends SysctlLeaf {
  readonly #table: ProcTable;

  constructor(table: ProcTable) {
    super(0o644);
    this.#table = table;
  }

  read(): string {
    const { console, message, minimum, initial } = this.#table.msgbuf.levels;
    return [console, message, minimum, initial].join("\t");
  }

  /** Of up to four numbers the first three count; the level at boot stays what it was. */
  override write(text: string, _cred: Cred): number {
    const words = text.trim().split(/\s+/);
    if (words.length > 4 || words.some((w) => !/^\d$/.test(w))) return EINVAL;
    const { levels } = this.#table.msgbuf;
    const [console, message = levels.message, minimum = levels.minimum] = words.map(Number);
    levels.setConsole(console!);
    levels.message = message;
    levels.minimum = minimum;
    return 0;
  }
}

class ThreadsMax extends TableLeaf {
  constructor(table: ProcTable) {
    super(table, 20, PID_MAX);
  }

  get(): number {
    return this.table.threadsMax;
  }

  set(value: number): number {
    this.table.threadsMax = value;
    return 0;
  }
}

/** Who restores processes sets it, and so the number of the next one: criu(8). */
class LastPid extends SysctlInt {
  constructor() {
    super(0, PID_MAX_LIMIT, 0o666);
  }

  get(td: Thread): number {
    return (td as Lwp).pidns.lastPid;
  }

  set(value: number, td: Thread): number {
    const { pidns, cred } = td as Lwp;
    const isAllowed =
      cred.hasCapIn(pidns.owner, CAP_SYS_ADMIN) ||
      cred.hasCapIn(pidns.owner, CAP_CHECKPOINT_RESTORE);
    if (!isAllowed) return EPERM;
    if (value >= pidns.pidMax) return EINVAL;
    pidns.lastPid = value;
    return 0;
  }
}

class PipeMaxSize extends TableLeaf {
  constructor(table: ProcTable) {
    super(table, PAGE_SIZE, 1 << 30);
  }

  get(): number {
    return this.table.vfs.pipeMaxSize;
  }

  /** Rounded up to a power of two, as pipes are. */
  set(value: number): number {
    this.table.vfs.pipeMaxSize = 2 ** Math.ceil(Math.log2(value));
    return 0;
  }
}

/** Whether F_NOTIFY is offered. */
class DirNotifyEnable extends TableLeaf {
  constructor(table: ProcTable) {
    super(table, 0, 1);
  }

  get(): number {
    return Number(this.table.vfs.isDirNotifyEnabled);
  }

  set(value: number): number {
    this.table.vfs.isDirNotifyEnabled = value !== 0;
    return 0;
  }
}

/** Of the reader's UTS name space. */
class UtsName extends SysctlLeaf {
  readonly #which: "hostname" | "domainname";

  constructor(which: "hostname" | "domainname") {
    super(0o644);
    this.#which = which;
  }

  read(td: Thread): string {
    return (td as Lwp).ns.uts[this.#which];
  }

  override write(text: string, _cred: Cred, td: Thread): number {
    if (text.length > HOSTNAME_MAX) return EINVAL;
    (td as Lwp).ns.uts[this.#which] = text;
    return 0;
  }
}

class FreshUuid extends SysctlLeaf {
  readonly #table: ProcTable;

  constructor(table: ProcTable) {
    super(0o444);
    this.#table = table;
  }

  read(): string {
    return randomUuid(this.#table);
  }
}

/** A version 4 UUID; see RFC 9562. */
function randomUuid(table: ProcTable): string {
  const b = new Uint8Array(16);
  table.entropy.fill(b);
  b[6] = (b[6]! & 0x0f) | 0x40;
  b[8] = (b[8]! & 0x3f) | 0x80;
  let hex = "";
  for (const x of b) hex += x.toString(16).padStart(2, "0");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
