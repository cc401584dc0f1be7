/**
 * The text files of a process or thread, by name: where each comes from, who
 * may read it, and what may be written to it.
 */
import { EACCES, EINVAL, type Errno } from "../../abi/errno.ts";
import { CAP_SYS_RESOURCE, type Cred } from "../../kern/cred.ts";
import { cgroupOf } from "../../proc/cgroups.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { PidNamespace } from "../../proc/pidns.ts";
import { OOM_SCORE_ADJ_MAX, OOM_SCORE_ADJ_MIN, oomScore } from "../../vm/oom.ts";
import { checkOwn, mayInspect, type Task } from "./task.ts";
import { auxvText, cmdlineText, commText, environText, writeComm } from "./taskargs.ts";
import { limitsText } from "./tasklimits.ts";
import { loginuidText, sessionidText, writeLoginuid } from "./tasklogin.ts";
import { mapsPiece, smapsPiece, smapsRollupText } from "./taskmaps.ts";
import { mountinfoText, mountsText, mountstatsText } from "./taskmounts.ts";
import { childrenText, schedstatText, syscallText } from "./taskrun.ts";
import { schedText, timersText } from "./tasksched.ts";
import {
  coredumpFilterText,
  timerslackText,
  writeClearRefs,
  writeCoredumpFilter,
  writeTimerslack,
} from "./tasksettings.ts";
import { statmText, statText, statusText, vmspaceOf } from "./taskstat.ts";
import { timeOffsetsText, writeTimeOffsets } from "./tasktime.ts";
import {
  mapText,
  mayWriteSetgroups,
  setgroupsText,
  writeMap,
  writeSetgroups,
} from "./taskusers.ts";
import type { TextPiece } from "./textpiece.ts";

export interface TaskText {
  readonly mode: number;
  /** Opening it needs the right to look into the process (ptrace's rule). */
  readonly isGuarded: boolean;
  /** Also under /proc/PID/task/TID. */
  readonly isPerThread: boolean;
  /** Only there. */
  readonly isThreadsAlone?: boolean;
  /** Poll reports when mounts change. */
  readonly showsMounts?: boolean;
  /** All of it, or for a long one the piece that begins at `cursor`; 0 is the first. */
  text(t: Task, caller: Lwp, cursor: number, ns: PidNamespace): string | TextPiece | Errno;
  /** `opener`: who opened the file that is written to. */
  write?(t: Task, text: string, caller: Lwp, opener: Cred): number;
  /** Whether it may be opened for writing; absent: the permission bits say it all. */
  mayWrite?(t: Task, caller: Lwp): number;
}

const plain = (text: TaskText["text"], mode = 0o444, write?: TaskText["write"]): TaskText => ({
  mode,
  isGuarded: false,
  isPerThread: true,
  text,
  ...(write ? { write } : {}),
});

const guarded = (text: TaskText["text"], mode: number): TaskText => ({
  mode,
  isGuarded: true,
  isPerThread: true,
  text,
});

const ofProcess = (t: TaskText): TaskText => ({ ...t, isPerThread: false });

export const taskTexts: ReadonlyMap<string, TaskText> = new Map<string, TaskText>([
  ["auxv", guarded(auxvText, 0o400)],
  ["cgroup", plain(cgroupText)],
  ["cmdline", plain(cmdlineText)],
  [
    "children",
    { ...plain((t, _caller, _cursor, ns) => childrenText(t, ns)), isThreadsAlone: true },
  ],
  ["clear_refs", plain(() => EINVAL, 0o200, writeClearRefs)],
  ["coredump_filter", ofProcess(plain(coredumpFilterText, 0o644, writeCoredumpFilter))],
  ["cpuset", plain(cpusetText)],
  ["comm", plain(commText, 0o644, writeComm)],
  ["environ", guarded(environText, 0o400)],
  ["gid_map", plain(mapText("gid"), 0o644, writeMap("gid"))],
  ["io", guarded(ioText, 0o400)],
  ["limits", plain(limitsText)],
  ["loginuid", plain(loginuidText, 0o644, writeLoginuid)],
  ["maps", guarded(mapsPiece, 0o444)],
  ["mountinfo", { ...plain(mountinfoText), showsMounts: true }],
  ["mounts", { ...plain(mountsText), showsMounts: true }],
  ["mountstats", ofProcess(plain(mountstatsText, 0o400))],
  ["oom_score", plain(oomScoreText)],
  ["oom_score_adj", plain(oomScoreAdjText, 0o644, writeOomScoreAdj)],
  ["oom_adj", plain(oomAdjText, 0o644, writeOomAdj)],
  ["personality", guarded((t) => `${hex8(t.proc.personality)}\n`, 0o400)],
  ["sched", guarded((t, _caller, _cursor, ns) => schedText(t, ns), 0o444)],
  ["schedstat", plain(schedstatText)],
  ["sessionid", plain(sessionidText)],
  ["projid_map", plain(mapText("projid"), 0o644, writeMap("projid"))],
  ["setgroups", { ...plain(setgroupsText, 0o644, writeSetgroups), mayWrite: mayWriteSetgroups }],
  ["smaps", guarded(smapsPiece, 0o444)],
  ["smaps_rollup", guarded(smapsRollupText, 0o444)],
  ["stat", plain((t, caller, _cursor, ns) => statText(t, caller, ns))],
  ["statm", plain(statmText)],
  ["status", plain((t, caller, _cursor, ns) => statusText(t, caller, ns))],
  ["syscall", guarded(syscallText, 0o400)],
  ["timers", ofProcess(guarded((t, _caller, _cursor, ns) => timersText(t, ns), 0o444))],
  ["timerslack_ns", ofProcess(plain(timerslackText, 0o666, writeTimerslack))],
  ["uid_map", plain(mapText("uid"), 0o644, writeMap("uid"))],
  ["wchan", plain(wchanText)],
  ["timens_offsets", ofProcess(plain(timeOffsetsText, 0o644, writeTimeOffsets))],
]);

/** Paths begin at the root of the reader's cgroup name space. */
function cgroupText(t: Task, caller: Lwp): string {
  const root = caller.ns.cgroup.root ?? t.proc.table.cpu.cgroups.root;
  const group = t.isWhole || !t.td ? cgroupOf(t.proc) : t.td.cgroup;
  return `0::${group.pathFrom(root)}${group.isDead ? " (deleted)" : ""}\n`;
}

/** The cpuset is that of the nearest group that has one. */
function cpusetText(t: Task, caller: Lwp): string {
  let group = cgroupOf(t.proc);
  while (group.parent && !group.cpuset) group = group.parent;
  return `${group.pathFrom(caller.ns.cgroup.root ?? t.proc.table.cpu.cgroups.root)}\n`;
}

function hex8(n: number): string {
  return (n >>> 0).toString(16).padStart(8, "0");
}

/** What the read and write calls moved, and what disks did meanwhile: the syncer's writes are nobody's. */
function ioText(t: Task): string {
  const use = t.isWhole || !t.td ? t.proc.usage() : t.td;
  return (
    `rchar: ${use.bytesRead}\nwchar: ${use.bytesWritten}\n` +
    `syscr: ${use.readCalls}\nsyscw: ${use.writeCalls}\n` +
    `read_bytes: ${use.diskBytesRead}\nwrite_bytes: ${use.diskBytesWritten}\ncancelled_write_bytes: 0\n`
  );
}

function oomScoreText(t: Task): string {
  const vs = vmspaceOf(t.proc);
  const score = vs ? oomScore(vs, t.proc.oomScoreAdj, t.proc.table.pages.totalPages) : 0;
  return `${score}\n`;
}

function oomScoreAdjText(t: Task): string {
  return `${t.proc.oomScoreAdj}\n`;
}

/** Going below what a privileged writer last chose, and so sparing oneself, is a privilege. */
function writeOomScoreAdj(t: Task, text: string, caller: Lwp): number {
  const denied = checkOwn(caller, t);
  if (denied !== 0) return denied;
  if (!/^-?\d{1,5}\s*$/.test(text)) return EINVAL;
  const adj = Number(text);
  if (adj < OOM_SCORE_ADJ_MIN || adj > OOM_SCORE_ADJ_MAX) return EINVAL;
  const isPrivileged = caller.cred.hasCap(CAP_SYS_RESOURCE);
  if (adj < t.proc.oomScoreAdjMin && !isPrivileged) return EACCES;
  t.proc.oomScoreAdj = adj;
  if (isPrivileged) t.proc.oomScoreAdjMin = adj;
  return 0;
}

function wchanText(t: Task, caller: Lwp): string {
  const isParked = t.td?.trace?.stop != null;
  let wmesg = isParked ? "ptrace_stop" : t.td?.state === "sleeping" ? t.td.wmesg : "";
  if (!mayInspect(caller, t)) wmesg = "";
  return wmesg === "" ? "0" : wmesg;
}

/** The older scale of oom_score_adj: -17 … 15. */
function oomAdjText(t: Task): string {
  const adj = t.proc.oomScoreAdj;
  if (adj === OOM_SCORE_ADJ_MAX) return `${OOM_ADJ_MAX}\n`;
  return `${Math.trunc((adj * -OOM_DISABLE) / OOM_SCORE_ADJ_MAX)}\n`;
}

function writeOomAdj(t: Task, text: string, caller: Lwp): number {
  if (!/^-?\d{1,2}\s*$/.test(text)) return EINVAL;
  const adj = Number(text);
  if (adj !== OOM_DISABLE && (adj < -OOM_ADJ_MAX - 1 || adj > OOM_ADJ_MAX)) return EINVAL;
  const scaled =
    adj === OOM_ADJ_MAX ? OOM_SCORE_ADJ_MAX : Math.trunc((adj * OOM_SCORE_ADJ_MAX) / -OOM_DISABLE);
  return writeOomScoreAdj(t, String(scaled), caller);
}

const OOM_DISABLE = -17;
const OOM_ADJ_MAX = 15;
