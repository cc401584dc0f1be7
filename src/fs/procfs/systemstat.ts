/**
 * /proc/stat, loadavg and uptime: how busy the machine is and was. See proc_stat(5).
 */
import { ticks } from "./format.ts";
import { interruptCounts } from "./hardware.ts";
import type { ProcFs } from "./procfs.ts";

export function uptimeText(fs: ProcFs): string {
  const { cpu } = fs.table;
  const up = cpu.clock.monotonicNs() + boottimeOffsetNs(fs);
  return `${hundredths(up)} ${hundredths(cpu.idleNs)}\n`;
}

export function loadavgText(fs: ProcFs): string {
  const { table } = fs;
  const load = table.info.loadavg.map((n) => n.toFixed(2)).join(" ");
  return `${load} ${runnable(fs)}/${table.threadCount} ${fs.pidns.lastPid}\n`;
}

export function statText(fs: ProcFs): string {
  const { table } = fs;
  const { cpu } = table;
  const up = cpu.clock.monotonicNs();
  const idle = Math.min(up, cpu.idleNs);
  // What is not idle is somebody's: the system's part is counted, the rest is the programs'.
  let systemNs = 0;
  for (const p of table.all()) systemNs += p.usage().systemNs + p.childUsage.systemNs;
  const system = Math.min(up - idle, systemNs);
  const user = up - idle - system;
  const columns = `${ticks(user)} 0 ${ticks(system)} ${ticks(idle)} 0 0 0 0 0 0`;
  return (
    `cpu  ${columns}\ncpu${cpu.id} ${columns}\nintr ${interruptCounts(fs)}\nctxt ${cpu.switches}\n` +
    `btime ${cpu.clock.realtimeAt(-boottimeOffsetNs(fs)).sec}\nprocesses ${table.forks}\n` +
    `procs_running ${Math.max(1, runnable(fs))}\nprocs_blocked 0\n` +
    "softirq 0 0 0 0 0 0 0 0 0 0 0\n"
  );
}

/** How much longer the machine has been up for the reader. */
function boottimeOffsetNs(fs: ProcFs): number {
  return fs.caller?.ns.time.boottimeOffsetNs ?? 0;
}

/** Threads that run or want to. */
function runnable(fs: ProcFs): number {
  const { cpu } = fs.table;
  return cpu.runq.ready + (cpu.current ? 1 : 0);
}

function hundredths(ns: number): string {
  return (Math.floor(ns / 1e7) / 100).toFixed(2);
}
