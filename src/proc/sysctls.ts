/**
 * The sysctls of the kernel proper: kernel.*, vm.*, fs.* as Linux names them,
 * kern.* and hw.* as the BSDs do. Only what is true of this kernel is here:
 * a tunable that nothing would obey is left out. See proc_sys(5), sysctl(8).
 */
import { EINVAL, EPERM, failed } from "../abi/errno.ts";
import { UTS_MACHINE, UTS_RELEASE, UTS_SYSNAME } from "../abi/utsname.ts";
import { addIpcSysctls } from "../ipc/sysctls.ts";
import { CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN, type Cred } from "../kern/cred.ts";
import type { MsgBuf } from "../kern/msgbuf.ts";
import {
  parseNumbers,
  SysctlConst,
  type SysctlDir,
  SysctlField,
  SysctlFixed,
  SysctlInt,
  SysctlLeaf,
  SysctlString,
} from "../kern/sysctl.ts";
import type { Thread } from "../kern/thread.ts";
import { addFsSysctls } from "../vfs/sysctls.ts";
import { PAGE_SIZE } from "../vm/param.ts";
import { addCoreSysctls } from "./coredump.ts";
import { addCounterSysctls } from "./counters.ts";
import { addKeySysctls } from "./keys/keytable.ts";
import type { Lwp } from "./lwp.ts";
import { PID_MAX, PID_MAX_LIMIT } from "./pidns.ts";
import type { ProcTable } from "./proctable.ts";
import { YAMA_SCOPE_NO_ATTACH } from "./ptraceaccess.ts";
import { addSchedSysctls } from "./schedsysctls.ts";
import { addSeccompSysctls } from "./seccomplog.ts";
import type { KernelSettings } from "./settings.ts";
import { addUserSysctls } from "./usersysctls.ts";
import { addVmSysctls } from "./vmsysctls.ts";

/** Highest capability that this kernel knows. */
const CAP_LAST_CAP = 40;
const NGROUPS_MAX = 65536;
const ID16_MAX = 65535;
const SUID_DUMP_MAX = 2;
/** TAINT_FLAGS_COUNT bits of Linux 6.12. */
const TAINT_ALL = 2 ** 19 - 1;
const DEVKMSG_WORD_MAX = 9;
const HOSTNAME_MAX = 64;

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
  const { overflow } = table.userns;
  tree.add("kernel.overflowuid", new SysctlField(overflow, "uid", 0, ID16_MAX));
  tree.add("kernel.overflowgid", new SysctlField(overflow, "gid", 0, ID16_MAX));
  tree.add("kernel.printk", new PrintkLevels(table));
  addSettings(tree, table);
  tree.add("kernel.randomize_va_space", new SysctlFixed(0));
  tree.add("kernel.random.boot_id", new SysctlConst(randomUuid(table)));
  tree.add("kernel.random.uuid", new FreshUuid(table));
  tree.add("kernel.random.entropy_avail", new SysctlConst(256));
  tree.add("kernel.random.poolsize", new SysctlConst(256));
  tree.add("kernel.random.urandom_min_reseed_secs", new Unheeded(60));
  tree.add("kernel.random.write_wakeup_threshold", new Unheeded(256));

  tree.add("kernel.yama.ptrace_scope", new PtraceScope(table));
  addCoreSysctls(tree, table);
  addSeccompSysctls(tree, table);
  addSchedSysctls(tree, table.cpu.runq);
  addVmSysctls(tree, table);
  addIpcSysctls(tree);
  addUserSysctls(tree);
  addKeySysctls(tree, table.keys);

  addFsSysctls(tree, table.vfs);
  tree.add("fs.suid_dumpable", new SysctlField(table.settings, "suidDumpable", 0, SUID_DUMP_MAX));

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

function addSettings(tree: SysctlDir, { settings, msgbuf }: ProcTable): void {
  tree.add("kernel.sysctl_writes_strict", new SysctlField(settings, "sysctlWritesStrict", -1, 1));
  tree.add("kernel.dmesg_restrict", new DmesgRestrict(settings));
  tree.add(
    "kernel.unprivileged_userns_clone",
    new SysctlField(settings, "unprivilegedUserns", 0, 1),
  );
  tree.add("kernel.tainted", new Tainted(settings));
  tree.add("kernel.print-fatal-signals", new SysctlField(settings, "printFatalSignals", 0, 1));
  tree.add("debug.exception-trace", new SysctlField(settings, "showUnhandledSignals", 0, 1));
  tree.add("kernel.printk_ratelimit", new SysctlField(settings, "printkIntervalSec"));
  tree.add("kernel.printk_ratelimit_burst", new SysctlField(settings, "printkBurst"));
  tree.add("kernel.printk_devkmsg", new PrintkDevkmsg(msgbuf));
  // Nothing ever shows where anything of the kernel lies.
  tree.add("kernel.kptr_restrict", new SysctlFixed(2));
  tree.add("kernel.unprivileged_bpf_disabled", new SysctlFixed(2));
  // What is wrong with the kernel ends the machine at once; who runs it says what then.
  tree.add("kernel.panic_on_oops", new SysctlFixed(1));
  tree.add("kernel.panic", new SysctlFixed(0));
  // Typing for others is for CAP_SYS_ADMIN alone.
  tree.add("dev.tty.legacy_tiocsti", new SysctlFixed(0));
}

/** May be set, without effect, as in Linux since 5.18. */
class Unheeded extends SysctlInt {
  readonly #value: number;

  constructor(value: number) {
    super(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    this.#value = value;
  }

  get(): number {
    return this.#value;
  }

  set(): number {
    return 0;
  }

  override write(): number {
    return 0;
  }
}

/** Only who may read the log decides who else may. */
class DmesgRestrict extends SysctlField<"dmesgRestrict"> {
  constructor(settings: KernelSettings) {
    super(settings, "dmesgRestrict", 0, 1);
  }

  override write(text: string, cred: Cred, td: Thread): number {
    return cred.hasCap(CAP_SYS_ADMIN) ? super.write(text, cred, td) : EPERM;
  }
}

/** Bits can be added, and none taken away. */
class Tainted extends SysctlInt {
  readonly #settings: KernelSettings;

  constructor(settings: KernelSettings) {
    super(0, TAINT_ALL);
    this.#settings = settings;
  }

  get(): number {
    return this.#settings.taint;
  }

  set(value: number): number {
    this.#settings.taint |= value;
    return 0;
  }

  override write(text: string, cred: Cred, td: Thread): number {
    return cred.hasCap(CAP_SYS_ADMIN) ? super.write(text, cred, td) : EPERM;
  }
}

/** What becomes of messages that programs write to /dev/kmsg. */
class PrintkDevkmsg extends SysctlString {
  readonly #msgbuf: MsgBuf;

  constructor(msgbuf: MsgBuf) {
    super(DEVKMSG_WORD_MAX);
    this.#msgbuf = msgbuf;
  }

  read(): string {
    return this.#msgbuf.fromPrograms;
  }

  set(text: string): number {
    if (text !== "on" && text !== "off" && text !== "ratelimit") return EINVAL;
    this.#msgbuf.fromPrograms = text;
    return 0;
  }
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

  override get isText(): boolean {
    return false;
  }

  /** Of up to four numbers the first three count; the level at boot stays what it was. */
  override write(text: string, _cred: Cred): number {
    const numbers = parseNumbers(text, 4);
    if (failed(numbers)) return numbers;
    const { levels } = this.#table.msgbuf;
    const [console, message = levels.message, minimum = levels.minimum] = numbers;
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

/** Of the reader's UTS name space. */
class UtsName extends SysctlString {
  readonly #which: "hostname" | "domainname";

  constructor(which: "hostname" | "domainname") {
    super(HOSTNAME_MAX);
    this.#which = which;
  }

  read(td: Thread): string {
    return (td as Lwp).ns.uts[this.#which];
  }

  set(text: string, td: Thread): number {
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
