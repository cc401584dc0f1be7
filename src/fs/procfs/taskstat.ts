/**
 * /proc/PID/stat, statm and status: what ps(1) and top(1) read. See proc_pid_stat(5).
 */
import { PROT_EXEC } from "../../abi/mman.ts";
import { NSIG, SIG_DFL, SIG_IGN } from "../../abi/signal.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { Pid } from "../../proc/pid.ts";
import type { PidNamespace } from "../../proc/pidns.ts";
import type { Proc } from "../../proc/proc.ts";
import { RLIMIT_RSS, RLIMIT_SIGPENDING } from "../../proc/rlimit.ts";
import { SigSet } from "../../proc/sigset.ts";
import { PAGE_SIZE } from "../../vm/param.ts";
import type { Vmspace } from "../../vm/vmspace.ts";
import { hex, kibLine, octalEscaped, sigHex, ticks, unsignedLong } from "./format.ts";
import { mayInspect, type Task } from "./task.ts";

/** PF_RANDOMIZE, and PF_FORKNOEXEC until the first execve(2). */
const PF_RANDOMIZE = 0x400000;
const PF_FORKNOEXEC = 0x40;
const NICE_TO_PRIORITY = 20;
const SIGCHLD_LIKE_EXIT = 17;

export function statText(t: Task, caller: Lwp, ns: PidNamespace): string {
  const { proc, td } = t;
  const vs = vmspaceOf(proc);
  const use = t.isWhole ? proc.usage() : threadUse(td!);
  const children = proc.childUsage;
  const tty = proc.tty;
  const isOpen = mayInspect(caller, t);
  const signals = signalSets(t);
  const code = vs && isOpen ? codeRange(proc, vs) : { start: 0, end: 0 };
  const shown = (n: number): number => (isOpen && vs ? n : 0);
  const faults = vs ?? { minorFaults: use.minorFaults, majorFaults: use.majorFaults };
  return `${[
    (td && !t.isWhole ? td.id : proc.id).in(ns),
    `(${td?.comm ?? proc.comm})`,
    stateLetter(t),
    proc.parent?.id.in(ns) ?? 0,
    proc.pgrp?.id.in(ns) ?? 0,
    proc.pgrp?.session.id.in(ns) ?? 0,
    tty?.rdev ?? 0,
    tty ? (tty.foreground?.id.in(ns) ?? -1) : -1,
    PF_RANDOMIZE | (proc.hasExecuted ? 0 : PF_FORKNOEXEC),
    faults.minorFaults,
    children.minorFaults,
    faults.majorFaults,
    children.majorFaults,
    ticks(use.userNs),
    ticks(use.systemNs),
    ticks(children.userNs),
    ticks(children.systemNs),
    shownPriority(td),
    td?.nice ?? 0,
    proc.threads.length,
    0,
    ticks((t.isWhole ? proc.startNs : td!.startNs) + caller.ns.time.boottimeOffsetNs),
    vs?.totalBytes ?? 0,
    vs?.rssPages ?? 0,
    unsignedLong(proc.rlimits.soft(RLIMIT_RSS)),
    code.start,
    code.end,
    shown(proc.startStack),
    0,
    0,
    signals.pending.lo & 0x7fffffff,
    signals.blocked.lo & 0x7fffffff,
    signals.ignored.lo & 0x7fffffff,
    signals.caught.lo & 0x7fffffff,
    td?.state === "sleeping" && isOpen ? 1 : 0,
    0,
    0,
    proc.exitSignal || SIGCHLD_LIKE_EXIT,
    0,
    td?.ownPriority ?? 0,
    td?.policy ?? 0,
    0,
    0,
    0,
    0,
    0,
    shown(vs?.brkStart ?? 0),
    shown(proc.argStart),
    shown(proc.argEnd),
    shown(proc.envStart),
    shown(proc.envEnd),
    isOpen ? proc.exitStatus : 0,
  ].join(" ")}\n`;
}

/** Real-time priorities, lent ones too, are below -1. */
function shownPriority(td: Lwp | null): number {
  if (!td) return NICE_TO_PRIORITY;
  return td.rtPriority > 0 ? -1 - td.rtPriority : NICE_TO_PRIORITY + td.nice;
}

export function statmText(t: Task): string {
  const vs = vmspaceOf(t.proc);
  if (!vs) return "0 0 0 0 0 0 0\n";
  const text = Math.ceil(textBytes(t.proc, vs) / PAGE_SIZE);
  const data = (vs.dataBytes + vs.stackBytes) / PAGE_SIZE;
  const shared = vs.rssFile + vs.rssShmem;
  return `${vs.totalBytes / PAGE_SIZE} ${vs.rssPages} ${shared} ${text} 0 ${data} 0\n`;
}

export function statusText(t: Task, caller: Lwp, ns: PidNamespace): string {
  const { proc, td } = t;
  const cred = td?.cred ?? proc.cred;
  const id = td && !t.isWhole ? td.id : proc.id;
  const use = td && !t.isWhole ? threadUse(td) : proc.usage();
  const signals = signalSets(t);
  const { userns } = caller.cred;
  const uids = [cred.uid, cred.euid, cred.suid, cred.fsuid].map((u) => userns.shownUid(u));
  const gids = [cred.gid, cred.egid, cred.sgid, cred.fsgid].map((g) => userns.shownGid(g));
  const groups = cred.groups.map((g) => `${userns.shownGid(g)} `).join("");
  const fdSize = td ? Math.max(64, 2 ** Math.ceil(Math.log2(td.fdtable.size || 1))) : 0;
  const umask = td ? `Umask:\t${td.fs.umask.toString(8).padStart(4, "0")}\n` : "";
  return (
    `Name:\t${octalEscaped(td?.comm ?? proc.comm).replaceAll("\\040", " ")}\n${umask}` +
    `State:\t${stateText(t)}\nTgid:\t${proc.id.in(ns)}\nNgid:\t0\nPid:\t${id.in(ns)}\n` +
    `PPid:\t${proc.parent?.id.in(ns) ?? 0}\nTracerPid:\t${td?.trace?.tracer.id.in(ns) ?? 0}\n` +
    `Uid:\t${uids.join("\t")}\nGid:\t${gids.join("\t")}\n` +
    `FDSize:\t${fdSize}\nGroups:\t${groups || " "}\n` +
    `NStgid:${numbers(id, proc.id, ns)}\nNSpid:${numbers(id, id, ns)}\n` +
    `NSpgid:${numbers(id, proc.pgrp?.id, ns)}\nNSsid:${numbers(id, proc.pgrp?.session.id, ns)}\nKthread:\t0\n` +
    memoryLines(proc) +
    `Threads:\t${proc.threads.length}\n` +
    `SigQ:\t${proc.table.queuedSignals.of(cred.uid)}/${unsignedLong(proc.rlimits.soft(RLIMIT_SIGPENDING))}\n` +
    `SigPnd:\t${sigHex(td?.pending.set ?? new SigSet())}\nShdPnd:\t${sigHex(proc.pending.set)}\n` +
    `SigBlk:\t${sigHex(signals.blocked)}\nSigIgn:\t${sigHex(signals.ignored)}\n` +
    `SigCgt:\t${sigHex(signals.caught)}\n` +
    `CapInh:\t${capHex(cred.capInheritable)}\nCapPrm:\t${capHex(cred.capPermitted)}\n` +
    `CapEff:\t${capHex(cred.capEffective)}\nCapBnd:\t${capHex(cred.capBounding)}\n` +
    `CapAmb:\t${capHex(cred.capAmbient)}\nNoNewPrivs:\t${cred.noNewPrivs ? 1 : 0}\n` +
    `Seccomp:\t${td?.seccompMode ?? 0}\nSeccomp_filters:\t${td?.seccompFilter?.depth ?? 0}\n` +
    "Speculation_Store_Bypass:\tunknown\nSpeculationIndirectBranch:\tunsupported\n" +
    "Cpus_allowed:\t1\nCpus_allowed_list:\t0\nMems_allowed:\t1\nMems_allowed_list:\t0\n" +
    `voluntary_ctxt_switches:\t${use.voluntarySwitches}\n` +
    `nonvoluntary_ctxt_switches:\t${use.involuntarySwitches}\n`
  );
}

/** The numbers of `shown` in the name space of this procfs, and in those within it that `of` has a number in. */
function numbers(of: Pid, shown: Pid | undefined, ns: PidNamespace): string {
  if (!of.isIn(ns)) return "\t0";
  return of.ns.path
    .slice(ns.level)
    .map((each) => `\t${shown?.in(each) ?? 0}`)
    .join("");
}

/** The address space, unless the process has given it back. */
export function vmspaceOf(p: Proc): Vmspace | null {
  return p.state === "alive" && !p.isExiting ? p.vmspace : null;
}

function memoryLines(p: Proc): string {
  const vs = vmspaceOf(p);
  if (!vs) return "";
  const line = (name: string, bytes: number): string => kibLine(`${name}:\t`, bytes, 8);
  const pages = (n: number): number => n * PAGE_SIZE;
  const exe = textBytes(p, vs);
  let all = 0;
  for (const e of vs.entries) if ((e.prot & PROT_EXEC) !== 0) all += e.end - e.start;
  return (
    line("VmPeak", vs.peakTotalBytes) +
    line("VmSize", vs.totalBytes) +
    line("VmLck", vs.lockedBytes) +
    line("VmPin", 0) +
    line("VmHWM", pages(vs.peakRssPages)) +
    line("VmRSS", pages(vs.rssPages)) +
    line("RssAnon", pages(vs.rssAnon)) +
    line("RssFile", pages(vs.rssFile)) +
    line("RssShmem", pages(vs.rssShmem)) +
    line("VmData", vs.dataBytes) +
    line("VmStk", vs.stackBytes) +
    line("VmExe", exe) +
    line("VmLib", all - exe) +
    line("VmPTE", pages(vs.pageTable.tablePages)) +
    line("VmSwap", 0) +
    line("HugetlbPages", 0) +
    `CoreDumping:\t${p.dump ? 1 : 0}\nTHP_enabled:\t0\nuntag_mask:\t0xffffffffffffffff\n`
  );
}

/** Where the program's own code is: its executable map. */
function codeRange(p: Proc, vs: Vmspace): { start: number; end: number } {
  for (const e of vs.entries) {
    if ((e.prot & PROT_EXEC) !== 0 && isProgram(p, e.file)) return { start: e.start, end: e.end };
  }
  return { start: 0, end: 0 };
}

function textBytes(p: Proc, vs: Vmspace): number {
  const { start, end } = codeRange(p, vs);
  return end - start;
}

function isProgram(p: Proc, file: unknown): boolean {
  const path = (file as { path?: { entry: unknown } } | null)?.path;
  return path !== undefined && path !== null && path.entry === p.exe?.entry;
}

const states: ReadonlyMap<string, string> = new Map([
  ["R", "R (running)"],
  ["S", "S (sleeping)"],
  ["D", "D (disk sleep)"],
  ["T", "T (stopped)"],
  ["t", "t (tracing stop)"],
  ["Z", "Z (zombie)"],
  ["X", "X (dead)"],
]);

function stateText(t: Task): string {
  return states.get(stateLetter(t))!;
}

function stateLetter(t: Task): string {
  const { proc, td } = t;
  // The first thread may have ended before others: then it is a zombie, whatever they do.
  if (proc.state === "zombie" || !td || (t.isWhole && !td.isLeader)) return "Z";
  if (proc.state === "dead" || td.state === "dead") return "X";
  if (proc.dump) return "D";
  if (td.trace?.stop) return "t";
  if (td.state === "stopped" || (proc.isStopped && !td.trace)) return "T";
  if (td.state === "runnable" && td.cgroup.isFrozen) return "S";
  if (td.state !== "sleeping") return "R";
  return td.isUninterruptible ? "D" : "S";
}

function threadUse(td: Lwp): {
  userNs: number;
  systemNs: number;
  minorFaults: number;
  majorFaults: number;
  voluntarySwitches: number;
  involuntarySwitches: number;
} {
  const { userNs, systemNs, voluntarySwitches, involuntarySwitches } = td;
  return {
    userNs,
    systemNs,
    minorFaults: 0,
    majorFaults: 0,
    voluntarySwitches,
    involuntarySwitches,
  };
}

interface SignalSets {
  readonly pending: SigSet;
  readonly blocked: SigSet;
  readonly ignored: SigSet;
  readonly caught: SigSet;
}

function signalSets(t: Task): SignalSets {
  const pending = t.td?.pending.set.clone() ?? new SigSet();
  const ignored = new SigSet();
  const caught = new SigSet();
  if (t.proc.state === "alive") {
    for (let sig = 1; sig < NSIG; sig++) {
      const { handler } = t.proc.sigactions.get(sig);
      if (handler === SIG_IGN) ignored.add(sig);
      else if (handler !== SIG_DFL) caught.add(sig);
    }
  }
  return { pending, blocked: t.td?.sigmask ?? new SigSet(), ignored, caught };
}

function capHex(set: bigint): string {
  return hex(Number(set >> 32n), 8) + hex(Number(set & 0xffffffffn), 8);
}
