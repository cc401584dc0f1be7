/**
 * Whether a process that a signal ends leaves a core file, where, and by what
 * name. See core(5), proc_sys_kernel(5) core_pattern; Linux fs/coredump.c.
 *
 * What stands at the place of the core may be anything: it is removed, and where it
 * cannot be only a regular file of the process's own user, with one name, is written to.
 */
import { EINVAL, failed } from "../abi/errno.ts";
import { O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } from "../abi/fcntl.ts";
import { defaultAction } from "../abi/signal.ts";
import { S_IFMT, S_IFREG } from "../abi/stat.ts";
import type { Cred } from "../kern/cred.ts";
import { SysctlConst, type SysctlDir, SysctlInt, SysctlLeaf } from "../kern/sysctl.ts";
import { namei, shownPath } from "../vfs/namei.ts";
import { vfsOpen } from "../vfs/open.ts";
import { unlink } from "../vfs/remove.ts";
import { writeCore } from "./corefile.ts";
import type { Lwp } from "./lwp.ts";
import type { ProcTable } from "./proctable.ts";
import { RLIMIT_CORE } from "./rlimit.ts";
import type { SigInfo } from "./siginfo.ts";

/** A smaller limit means none. */
const MIN_CORE_BYTES = 4096;
const PATTERN_MAX = 127;
const PATH_MAX = 4096;
const CORE_MODE = 0o600;
const SUID_DUMP_USER = 1;

/** wait(2)'s WCOREDUMP. */
export const WCOREFLAG = 0x80;

export class CoreSettings {
  pattern = "core";
  /** Puts the pid behind a name that has none. */
  usesPid = false;
}

/** `td` is ended by `info`: true if its process leaves a core. The threads are all still there. */
export function dumpCore(td: Lwp, info: SigInfo): boolean {
  const p = td.proc;
  if (defaultAction(info.signo) !== "core" || p.dumpable !== SUID_DUMP_USER) return false;
  const limit = p.rlimits.soft(RLIMIT_CORE);
  if (limit < MIN_CORE_BYTES) return false;
  // What it slept in will not be made again; opening the core may look there.
  td.endCall();
  const path = coreName(td, info.signo);
  // What stands in the way is no obstacle, if it can be removed.
  unlink(td, td.fs, path, null);
  const there = namei(td.fs, td, path, 0);
  if (!failed(there) && there.entry.vnode?.type !== S_IFREG) return false;
  const fp = vfsOpen(td, td.fs, path, O_CREAT | O_WRONLY | O_NOFOLLOW | O_NONBLOCK, CORE_MODE);
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
  tree.add("kernel.core_pipe_limit", new SysctlConst(0));
}

/** What core_pattern makes of this end: a path, within `PATH_MAX`. */
function coreName(td: Lwp, signo: number): string {
  const { pattern, usesPid } = td.proc.table.coreSettings;
  let name = "";
  let hasPid = false;
  for (let i = 0; i < pattern.length; i++) {
    if (pattern[i] !== "%") {
      name += pattern[i];
      continue;
    }
    const letter = pattern[++i] ?? "";
    if (letter === "p") hasPid = true;
    name += specifier(td, signo, letter);
  }
  if (usesPid && !hasPid) name += `.${td.proc.ownPid}`;
  return name.slice(0, PATH_MAX - 1);
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
      return String(Math.min(p.rlimits.soft(RLIMIT_CORE), Number.MAX_SAFE_INTEGER));
    default:
      return "";
  }
}

/** A name must not lead elsewhere. */
function withoutSlashes(text: string): string {
  const name = text.replaceAll("/", "!");
  return name === "." || name === ".." || name === "" ? "!" : name;
}

/** A program to pipe cores to is not offered. */
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
    if (text.startsWith("|") || text.length > PATTERN_MAX || text.includes("\0")) return EINVAL;
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
