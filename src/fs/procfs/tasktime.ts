/** /proc/PID/timens_offsets: of the time name space that its children will be in. See time_namespaces(7). */
import { EACCES, EINVAL, EPERM, ERANGE } from "../../abi/errno.ts";
import { NS_PER_SEC } from "../../kern/clock.ts";
import { CAP_SYS_TIME, type Cred } from "../../kern/cred.ts";
import type { TimeNamespace } from "../../kern/timens.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { Task } from "./task.ts";

/** Clocks reach no further than this: half of what 63 bits of nanoseconds can say. */
const MAX_NS = 2 ** 62;

export function timeOffsetsText(t: Task): string {
  const ns = t.td?.ns.timeForChildren;
  if (!ns) return "";
  return line("monotonic", ns.monotonicOffsetNs) + line("boottime", ns.boottimeOffsetNs);
}

function line(name: string, offsetNs: number): string {
  const sec = Math.floor(offsetNs / NS_PER_SEC);
  const nsec = offsetNs - sec * NS_PER_SEC;
  return `${name.padEnd(10)} ${String(sec).padStart(10)} ${String(nsec).padStart(9)}\n`;
}

/** Up to two lines "clock seconds nanoseconds"; EACCES once somebody is in there. */
export function writeTimeOffsets(t: Task, text: string, _caller: Lwp, opener: Cred): number {
  const ns = t.td?.ns.timeForChildren;
  if (!ns) return EINVAL;
  const lines = text.replace(/\n$/, "").split("\n");
  if (lines.length > 2) return EINVAL;
  const wanted: [Offset, number][] = [];
  for (const one of lines) {
    const m = /^(monotonic|boottime|1|7)\s+(-?\d{1,11})\s+(\d{1,9})\s*$/.exec(one);
    if (!m) return EINVAL;
    const which = m[1] === "monotonic" || m[1] === "1" ? "monotonicOffsetNs" : "boottimeOffsetNs";
    wanted.push([which, Number(m[2]) * NS_PER_SEC + Number(m[3])]);
  }
  if (!opener.hasCapIn(ns.owner, CAP_SYS_TIME)) return EPERM;
  const now = t.proc.table.cpu.clock.monotonicNs();
  // The clock may not show a time before the boot, nor one that it cannot count.
  if (wanted.some(([, offset]) => offset + now < 0 || offset + now > MAX_NS)) return ERANGE;
  if (ns.isFixed) return EACCES;
  for (const [which, offsetNs] of wanted) ns[which] = offsetNs;
  return 0;
}

type Offset = keyof Pick<TimeNamespace, "monotonicOffsetNs" | "boottimeOffsetNs">;
