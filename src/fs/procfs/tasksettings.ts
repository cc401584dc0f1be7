/**
 * Settings of a process that are files: timerslack_ns, coredump_filter, clear_refs.
 */
import { EINVAL, EPERM, ESRCH } from "../../abi/errno.ts";
import { CAP_SYS_NICE } from "../../kern/cred.ts";
import type { Lwp } from "../../proc/lwp.ts";
import { checkOwn, type Task } from "./task.ts";
import { vmspaceOf } from "./taskstat.ts";

const DEFAULT_TIMER_SLACK_NS = 50_000;
const COREDUMP_FILTERS = 0x1ff;
/** What can be written to clear_refs: which pages to call unreferenced, or 5, the peak of the resident set. */
const CLEAR_REFS_MM_HIWATER_RSS = 5;

export function timerslackText(t: Task): string {
  return `${t.td?.timerSlackNs ?? 0}\n`;
}

export function writeTimerslack(t: Task, text: string, caller: Lwp): number {
  const { td } = t;
  if (!td) return ESRCH;
  if (!/^\d{1,15}\s*$/.test(text)) return EINVAL;
  if (t.proc !== caller.proc && !caller.cred.hasCapIn(t.proc.cred.userns, CAP_SYS_NICE))
    return EPERM;
  const slack = Number(text);
  td.timerSlackNs = slack === 0 ? DEFAULT_TIMER_SLACK_NS : slack;
  return 0;
}

export function coredumpFilterText(t: Task): string {
  return vmspaceOf(t.proc) ? `${t.proc.coredumpFilter.toString(16).padStart(8, "0")}\n` : "";
}

export function writeCoredumpFilter(t: Task, text: string, caller: Lwp): number {
  const denied = checkOwn(caller, t);
  if (denied !== 0) return denied;
  if (!/^(0x[\da-f]{1,8}|\d{1,10})\s*$/i.test(text)) return EINVAL;
  const value = Number(text.trim());
  if (value > 0xffffffff) return EINVAL;
  t.proc.coredumpFilter = value & COREDUMP_FILTERS;
  return 0;
}

/** References to pages are not told apart by age here, so that only the peak can be cleared. */
export function writeClearRefs(t: Task, text: string): number {
  if (text.trim() !== String(CLEAR_REFS_MM_HIWATER_RSS)) return EINVAL;
  vmspaceOf(t.proc)?.resetPeakRss();
  return 0;
}
