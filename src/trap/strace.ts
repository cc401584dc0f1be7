/**
 * A line per system call, as strace(1) writes it, from the declarations alone.
 *
 * Arguments are shown as they were when the call began; a call that sleeps is
 * shown when it ends, once.
 */
import { errnoNames } from "../abi/errno.ts";
import type { Lwp } from "../proc/lwp.ts";
import type { Syscall } from "../syscall/declare.ts";

/** A program that another replaces, or that ends, would never show its last line: these go first. */
const NO_RETURN = new Set(["execve", "execveat", "exit", "exit_group", "rt_sigreturn"]);

export function traceEnter(td: Lwp, nr: number, entry: Syscall | undefined): void {
  if (td.callInProgress >= 0) return;
  td.traceLine = describeCall(td, nr, entry);
  if (entry && NO_RETURN.has(entry.name)) emit(td, td.traceLine);
}

export function traceExit(td: Lwp, entry: Syscall | undefined, r: number): void {
  if (entry && NO_RETURN.has(entry.name)) {
    if (r < 0) emit(td, `${entry.name} resumed = ${result(r)}`);
  } else emit(td, `${td.traceLine} = ${result(r)}`);
  td.traceLine = "";
}

export function traceSignal(td: Lwp, text: string): void {
  emit(td, `--- ${text} ---`);
}

function emit(td: Lwp, text: string): void {
  td.proc.table.strace?.line(td, text);
}

/** A call as its registers show it now: its name and its arguments. */
export function describeCall(td: Lwp, nr: number, entry: Syscall | undefined): string {
  if (!entry) return `syscall_${nr}()`;
  return `${entry.name}(${entry.args.map((a, i) => a.format(td, i)).join(", ")})`;
}

function result(r: number): string {
  if (r >= 0 || r < -4095) return r > 0xffff ? `0x${r.toString(16)}` : String(r);
  return `-1 ${errnoNames.get(-r) ?? -r}`;
}
