/**
 * Whether a process that a signal ends leaves a core file, where, and by what
 * name. See core(5), proc_sys_kernel(5) core_pattern; Linux fs/coredump.c.
 *
 * What stands at the place of the core may be anything: it is removed, and where it
 * cannot be only a regular file of the process's own user, with one name, is written to.
 */
import { EINVAL, failed } from "../abi/errno.ts";
import { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } from "../abi/fcntl.ts";
import { defaultAction } from "../abi/signal.ts";
import { S_IFMT, S_IFREG } from "../abi/stat.ts";
import { killedStatus } from "../abi/wait.ts";
import type { Cred } from "../kern/cred.ts";
import { LOG_INFO } from "../kern/log.ts";
import { INT_MAX, type SysctlDir, SysctlField, SysctlInt, SysctlLeaf } from "../kern/sysctl.ts";
import type { FsContext } from "../vfs/fscontext.ts";
import { namei, shownPath } from "../vfs/namei.ts";
import { vfsOpen } from "../vfs/open.ts";
import { unlink } from "../vfs/remove.ts";
import { writeCore } from "./corefile.ts";
import { CoreImage } from "./coreimage.ts";
import { CorePipe, HELPER_LIMIT, WCOREFLAG } from "./corepipe.ts";
import { exitGroup } from "./exit.ts";
import type { Lwp } from "./lwp.ts";
import type { ProcTable } from "./proctable.ts";
import { RLIMIT_CORE } from "./rlimit.ts";
import type { SigInfo } from "./siginfo.ts";
import { firstFs } from "./usermodehelper.ts";

/** A smaller limit means none. */
const MIN_CORE_BYTES = 4096;
const PATTERN_MAX = 127;
const PATH_MAX = 4096;
const CORE_MODE = 0o600;
const SUID_DUMP_USER = 1;

export class CoreSettings {
  pattern = "core";
  /** Puts the pid behind a name that has none. */
  usesPid = false;
  /** How many programs may take cores at a time, each waited for; 0: any number, which are not. */
  pipeLimit = 0;
  /** How many do. */
  piped = 0;
}

/**
 * `info` ends the process of `td`, and it leaves a core if that is to be. Its threads are gone then, or, while a
 * program takes the core, parked.
 */
export function endBySignal(td: Lwp, info: SigInfo): void {
  const p = td.proc;
  const status = killedStatus(info.signo);
  const isCore = defaultAction(info.signo) === "core" && p.dumpable !== 0;
  if (isCore && p.table.coreSettings.pattern.startsWith("|")) {
    if (!pipeCore(td, info, status)) exitGroup(p, status);
  } else exitGroup(p, isCore && dumpCore(td, info) ? status | WCOREFLAG : status);
}

/** To a program: false if there is none to take it. */
function pipeCore(td: Lwp, info: SigInfo, status: number): boolean {
  const p = td.proc;
  const { coreSettings: settings } = p.table;
  const argv = coreCommand(td, info.signo);
  if (argv.length === 0) return false;
  // The program that takes cores has this limit: it must not leave one itself.
  if (p.rlimits.soft(RLIMIT_CORE) === HELPER_LIMIT)
    return fail(td, "RLIMIT_CORE is set to 1, aborting core");
  if (settings.pipeLimit > 0 && settings.piped >= settings.pipeLimit) {
    return fail(td, "over core_pipe_limit, skipping core dump");
  }
  td.endCall();
  const image = new CoreImage(td, info);
  const dump = new CorePipe(p, image, status, settings);
  if (failed(dump.start(argv))) return fail(td, `|${argv.join(" ")} pipe failed`);
  return true;
}

function fail(td: Lwp, why: string): false {
  const now = td.cpu.clock.monotonicNs();
  td.proc.table.msgbuf.add(now, LOG_INFO, `coredump: ${td.proc.pid}(${td.comm}): ${why}`);
  return false;
}

/** The words of core_pattern behind the "|", each with what its specifiers stand for. */
function coreCommand(td: Lwp, signo: number): readonly string[] {
  const { pattern } = td.proc.table.coreSettings;
  const words = pattern.slice(1).split(/[ \t\n\v\f\r]+/);
  return words.filter((w) => w !== "").map((w) => expand(td, signo, w).text);
}

/** To a file: true if there is one now. */
function dumpCore(td: Lwp, info: SigInfo): boolean {
  const p = td.proc;
  const limit = p.rlimits.soft(RLIMIT_CORE);
  if (limit < MIN_CORE_BYTES) return false;
  // What it slept in will not be made again; opening the core may look there.
  td.endCall();
  const path = coreName(td, info.signo);
  if (p.dumpable === SUID_DUMP_USER) {
    // What stands in the way is no obstacle, if it can be removed.
    unlink(td, td.fs, path, null);
    return dumpTo(td, td.fs, path, 0, info, limit);
  }
  // Its user may not read it all: the core is root's, at a place that the user has no say in.
  if (!path.startsWith("/")) {
    return fail(td, "can only dump core to a fully qualified path, skipping core dump");
  }
  const { cred } = td;
  const fs = firstFs(p.table.vfs);
  if (!fs) return false;
  td.cred = cred.with({ fsuid: 0 });
  const isWritten = dumpTo(td, fs, path, O_EXCL, info, limit);
  td.cred = cred;
  fs.release();
  return isWritten;
}

function dumpTo(
  td: Lwp,
  fs: FsContext,
  path: string,
  how: number,
  info: SigInfo,
  limit: number,
): boolean {
  const there = namei(fs, td, path, 0);
  if (!failed(there) && there.entry.vnode?.type !== S_IFREG) return false;
  const flags = how | O_CREAT | O_WRONLY | O_NOFOLLOW | O_NONBLOCK;
  const fp = vfsOpen(td, fs, path, flags, CORE_MODE);
  if (failed(fp)) return false;
  const a = fp.stat();
  const isOurs =
    !failed(a) && (a.mode & S_IFMT) === S_IFREG && a.nlink === 1 && a.uid === td.cred.fsuid;
  const isWritten = isOurs && !failed(fp.truncate(0, td));
  if (isWritten) writeCore(td, info, fp, limit);
  fp.release();
  return isWritten;
}

export function addCoreSysctls(tree: SysctlDir, table: ProcTable): void {
  tree.add("kernel.core_pattern", new CorePattern(table));
  tree.add("kernel.core_uses_pid", new CoreUsesPid(table));
  tree.add("kernel.core_pipe_limit", new SysctlField(table.coreSettings, "pipeLimit", 0, INT_MAX));
}

/** What core_pattern makes of this end: a path, within `PATH_MAX`. */
function coreName(td: Lwp, signo: number): string {
  const { pattern, usesPid } = td.proc.table.coreSettings;
  const { text, hasPid } = expand(td, signo, pattern);
  return (usesPid && !hasPid ? `${text}.${td.proc.ownPid}` : text).slice(0, PATH_MAX - 1);
}

function expand(
  td: Lwp,
  signo: number,
  pattern: string,
): { readonly text: string; readonly hasPid: boolean } {
  let text = "";
  let hasPid = false;
  for (let i = 0; i < pattern.length; i++) {
    if (pattern[i] !== "%") {
      text += pattern[i];
      continue;
    }
    const letter = pattern[++i] ?? "";
    if (letter === "p") hasPid = true;
    text += specifier(td, signo, letter);
  }
  return { text, hasPid };
}

/** An unknown one vanishes. */
function specifier(td: Lwp, signo: number, letter: string): string {
  const p = td.proc;
  const exe = (): string => (p.exe ? shownPath(td.fs.root, p.exe) : td.comm);
  switch (letter) {
    case "%":
      return "%";
    case "p":
      return String(p.ownPid);
    case "P":
      return String(p.pid);
    case "i":
      return String(td.ownTid);
    case "I":
      return String(td.tid);
    case "u":
      return String(td.cred.uid);
    case "g":
      return String(td.cred.gid);
    case "d":
      return String(p.dumpable);
    case "s":
      return String(signo);
    case "t":
      return String(td.cpu.clock.realtime().sec);
    case "h":
      return withoutSlashes(td.ns.uts.hostname);
    case "e":
      return withoutSlashes(td.comm);
    case "f":
      return withoutSlashes(exe().slice(exe().lastIndexOf("/") + 1));
    case "E":
      return withoutSlashes(exe());
    case "C":
      return "0";
    case "c":
      return shownLimit(p.rlimits.soft(RLIMIT_CORE));
    default:
      return "";
  }
}

function shownLimit(limit: number): string {
  return limit > Number.MAX_SAFE_INTEGER ? "18446744073709551615" : String(limit);
}

/** A name must not lead elsewhere. */
function withoutSlashes(text: string): string {
  const name = text.replaceAll("/", "!");
  return name === "." || name === ".." || name === "" ? "!" : name;
}

class CorePattern extends SysctlLeaf {
  readonly #table: ProcTable;

  constructor(table: ProcTable) {
    super(0o644);
    this.#table = table;
  }

  read(): string {
    return this.#table.coreSettings.pattern;
  }

  override write(text: string, _cred: Cred): number {
    if (text.length > PATTERN_MAX || text.includes("\0")) return EINVAL;
    this.#table.coreSettings.pattern = text;
    return 0;
  }
}

class CoreUsesPid extends SysctlInt {
  readonly #table: ProcTable;

  constructor(table: ProcTable) {
    super(0, 1);
    this.#table = table;
  }

  get(): number {
    return this.#table.coreSettings.usesPid ? 1 : 0;
  }

  set(value: number): number {
    this.#table.coreSettings.usesPid = value !== 0;
    return 0;
  }
}
