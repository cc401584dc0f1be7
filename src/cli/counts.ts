/** The table that `-v` prints when a machine is over. */
import type { MachineCounts } from "../platform/counts.ts";
import { counters } from "../proc/counters.ts";

/** System calls that are named. */
const MOST_CALLS = 10;

export function countsTable({ counters: values, calls }: MachineCounts): string {
  const rows = counters.map((c) => row(c.name, values[c.name] ?? 0, c.what));
  const most = Object.entries(calls)
    .sort(([, a], [, b]) => b - a)
    .slice(0, MOST_CALLS)
    .map(([name, n]) => `${name} ${n}`);
  return `${rows.join("")}most made system calls: ${most.join(", ") || "none"}\n`;
}

function row(name: string, value: number, what: string): string {
  return `${name.padEnd(28)}${String(value).padStart(14)}  ${what}\n`;
}
