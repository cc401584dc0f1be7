/**
 * /proc/PID/cmdline, environ, auxv and comm: how the program was started.
 *
 * Arguments are read from the process's own memory, where it may have changed
 * them. See proc_pid_cmdline(5).
 */
import { EINVAL, EPERM, failed } from "../../abi/errno.ts";
import { byteString } from "../../lib/bytes.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { Task } from "./task.ts";
import { vmspaceOf } from "./taskstat.ts";

/** Arguments and environment together are at most a quarter of the stack; this is more. */
const READ_MAX = 4 << 20;
const COMM_MAX = 15;

export function cmdlineText(t: Task): string {
  const { proc } = t;
  const args = memoryOf(t, proc.argStart, proc.argEnd);
  if (args === "" || args.endsWith("\0")) return args;
  // setproctitle(3) wrote over the end and perhaps into the environment.
  const all = args + memoryOf(t, proc.envStart, proc.envEnd);
  const end = all.indexOf("\0");
  return end < 0 ? all : all.slice(0, end);
}

export function environText(t: Task): string {
  return memoryOf(t, t.proc.envStart, t.proc.envEnd);
}

export function auxvText(t: Task): string {
  return vmspaceOf(t.proc) ? byteString(t.proc.auxv) : "";
}

export function commText(t: Task): string {
  return `${t.td?.comm ?? t.proc.comm}\n`;
}

/** A thread's name may be set by its own process. */
export function writeComm(t: Task, text: string, caller: Lwp): number {
  if (caller.proc !== t.proc) return EINVAL;
  if (!t.td) return EPERM;
  t.td.comm = text.replace(/[\0\n].*$/s, "").slice(0, COMM_MAX);
  return 0;
}

function memoryOf(t: Task, start: number, end: number): string {
  const vs = vmspaceOf(t.proc);
  if (!vs || !(end > start)) return "";
  const bytes = new Uint8Array(Math.min(end - start, READ_MAX));
  return failed(vs.copyin(start, bytes)) ? "" : byteString(bytes);
}
