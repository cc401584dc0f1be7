/**
 * /proc/PID/limits: see getrlimit(2), proc_pid_limits(5).
 */
import type { Task } from "./task.ts";

/** In the order of their numbers: name and unit. */
const rows: readonly (readonly [string, string])[] = [
  ["Max cpu time", "seconds"],
  ["Max file size", "bytes"],
  ["Max data size", "bytes"],
  ["Max stack size", "bytes"],
  ["Max core file size", "bytes"],
  ["Max resident set", "bytes"],
  ["Max processes", "processes"],
  ["Max open files", "files"],
  ["Max locked memory", "bytes"],
  ["Max address space", "bytes"],
  ["Max file locks", "locks"],
  ["Max pending signals", "signals"],
  ["Max msgqueue size", "bytes"],
  ["Max nice priority", ""],
  ["Max realtime priority", ""],
  ["Max realtime timeout", "us"],
];

export function limitsText(t: Task): string {
  let s = row("Limit", "Soft Limit", "Hard Limit", "Units");
  rows.forEach(([name, unit], resource) => {
    const { soft, hard } = t.proc.rlimits.get(resource);
    s += row(name, value(soft), value(hard), unit);
  });
  return s;
}

function value(n: number): string {
  return Number.isFinite(n) ? String(n) : "unlimited";
}

function row(name: string, soft: string, hard: string, unit: string): string {
  const left = `${name.padEnd(25)} ${soft.padEnd(20)} ${hard.padEnd(20)} `;
  return unit === "" ? `${left}\n` : `${left}${unit.padEnd(10)}\n`;
}
