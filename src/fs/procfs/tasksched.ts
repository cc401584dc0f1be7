/**
 * /proc/PID/sched and timers: how a thread stands with the scheduler, and the POSIX timers of a
 * process. Of the former only what this scheduler has. See proc_pid_timers(5).
 */

import { SLICE_NS } from "../../kern/sched.ts";
import type { PidNamespace } from "../../proc/pidns.ts";
import { SigevNotify } from "../../proc/timers.ts";
import { hex } from "./format.ts";
import type { Task } from "./task.ts";

const NS_PER_MS = 1e6;
/** The kernel's priority of nice 0, and the weight of it. */
const NICE_0_PRIORITY = 120;
/** Of real-time priorities the kernel counts down from here. */
const RT_PRIORITY_0 = 99;
const NICE_0_LOAD = 1048576;
const NICE_STEP = 1.25;

export function schedText(t: Task, ns: PidNamespace): string {
  const { td, proc } = t;
  const id = (td && !t.isWhole ? td.id : proc.id).in(ns);
  const title = `${td?.comm ?? proc.comm} (${id}, #threads: ${proc.threads.length})\n`;
  if (!td) return title;
  proc.table.cpu.sliceKeeper?.settle();
  const { userNs, systemNs, voluntarySwitches, involuntarySwitches } = td;
  const line = (name: string, value: string): string =>
    `${name.padEnd(45)}:${value.padStart(21)}\n`;
  const time = (name: string, atNs: number): string => line(name, (atNs / NS_PER_MS).toFixed(6));
  const count = (name: string, n: number): string => line(name, String(n));
  return (
    title +
    `${"-".repeat(67)}\n` +
    time("se.vruntime", td.vruntimeNs) +
    time("se.sum_exec_runtime", userNs + systemNs) +
    count("se.nr_migrations", 0) +
    count("nr_switches", voluntarySwitches + involuntarySwitches) +
    count("nr_voluntary_switches", voluntarySwitches) +
    count("nr_involuntary_switches", involuntarySwitches) +
    count("se.load.weight", Math.round(NICE_0_LOAD / NICE_STEP ** td.nice)) +
    count("policy", td.policy) +
    count("prio", td.rtPriority > 0 ? RT_PRIORITY_0 - td.rtPriority : NICE_0_PRIORITY + td.nice) +
    count("se.slice", SLICE_NS)
  );
}

export function timersText(t: Task, ns: PidNamespace): string {
  let s = "";
  for (const timer of t.proc.timers.posix.values()) {
    const { notify } = timer;
    if (!(notify instanceof SigevNotify)) continue;
    const { signo, valueLo, valueHi, target } = notify;
    const value = hex(valueHi >>> 0, 8) + hex(valueLo >>> 0, 8);
    const what = signo === 0 ? "none" : "signal";
    const who = target ? `tid.${target.id.in(ns)}` : `pid.${t.proc.id.in(ns)}`;
    s += `ID: ${timer.id}\nsignal: ${signo}/${value}\nnotify: ${what}/${who}\nClockID: ${timer.clockId}\n`;
  }
  return s;
}
