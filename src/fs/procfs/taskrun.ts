/**
 * What a process or thread is at: /proc/PID/syscall, schedstat and children.
 */
import type { Lwp } from "../../proc/lwp.ts";
import type { PidNamespace } from "../../proc/pidns.ts";
import type { Task } from "./task.ts";

const SP = 2;
const A0 = 10;
const A7 = 17;
const ARGS = 6;
const ECALL_BYTES = 4;

/** "running", or the call it sleeps in with its arguments, and where: sp and pc. See proc_pid_syscall(5). */
export function syscallText(t: Task, caller: Lwp): string {
  const { td } = t;
  if (!td || td.state === "dead") return "0 0x0 0x0\n";
  const nr = td === caller ? td.context.xlo(A7) : td.callInProgress;
  const isOnCpu = td.state === "running" || td.state === "runnable";
  if (isOnCpu && td !== caller) return "running\n";
  const isShown = td.trace !== null && td.trace.view !== null;
  // A tracer is shown the pc behind the call already, and a0 with no argument in it.
  const pc = td.context.pc + (nr < 0 || isShown ? 0 : ECALL_BYTES);
  const place = `${register(td, SP)} 0x${pc.toString(16)}`;
  if (nr < 0) return `-1 ${place}\n`;
  let args = "";
  for (let i = 0; i < ARGS; i++) {
    args += `${i === 0 && isShown ? word(...td.trace!.shownArg0) : register(td, A0 + i)} `;
  }
  return `${nr} ${args}${place}\n`;
}

/** Time on the CPU, time waiting for it (which is not measured), times it got it. */
export function schedstatText(t: Task): string {
  const use = t.isWhole || !t.td ? t.proc.usage() : t.td;
  const ranNs = Math.round(use.userNs + use.systemNs);
  return `${ranNs} 0 ${use.voluntarySwitches + use.involuntarySwitches}\n`;
}

/** All children count as the first thread's. */
export function childrenText(t: Task, ns: PidNamespace): string {
  if (t.td && !t.td.isLeader) return "";
  return [...t.proc.children]
    .map((p) => p.id.in(ns))
    .filter((pid) => pid !== 0)
    .map((pid) => `${pid} `)
    .join("");
}

function register(td: Lwp, i: number): string {
  return word(td.context.xlo(i), td.context.xhi(i));
}

function word(low: number, high: number): string {
  const hi = high >>> 0;
  const lo = (low >>> 0).toString(16);
  return hi === 0 ? `0x${lo}` : `0x${hi.toString(16)}${lo.padStart(8, "0")}`;
}
