/** cpu.*: shares of the CPU, limits of its use, and what was used. See cgroup-v2.rst, "CPU". */
import { EINVAL, ERANGE, type Errno, failed } from "../../abi/errno.ts";
import type { Cgroup } from "../../kern/cgroup/cgroup.ts";
import { CPU } from "../../kern/cgroup/controllers.ts";
import { settleCurrent } from "../../proc/cgroups.ts";
import type { CgroupFs } from "./cgroupfs.ts";
import { type ControlFile, type ControlWrite, controlFile } from "./controlfile.ts";
import { MAX, parseSigned, parseUnsigned } from "./parse.ts";

const NS_PER_US = 1000;
const MIN_PERIOD_US = 1000;
const MAX_PERIOD_US = 1_000_000;
const DEFAULT_PERIOD_US = 100_000;

export const cpuFiles: readonly ControlFile[] = [
  controlFile({ name: "cpu.stat", where: "everywhere", text: statText }),
  controlFile({
    name: "cpu.stat.local",
    where: "everywhere",
    text: (g) => (g.cpu ? `throttled_usec ${us(g.run?.bandwidth?.throttledNs ?? 0)}\n` : ""),
  }),
  controlFile({
    name: "cpu.weight",
    controller: CPU,
    text: (g) => `${g.cpu!.isIdle ? 0 : g.cpu!.weight}\n`,
    write: (w) => {
      const n = parseUnsigned(w.text);
      if (failed(n) || n === Number.POSITIVE_INFINITY) return EINVAL;
      if (n < 1 || n > 10000) return ERANGE;
      if (w.group.cpu!.isIdle) return EINVAL;
      w.group.cpu!.weight = n;
      return weightChanged(w.group);
    },
  }),
  controlFile({
    name: "cpu.weight.nice",
    controller: CPU,
    text: (g) => `${g.cpu!.nice}\n`,
    write: ({ group, text }) => {
      const parsed = parseSigned(text);
      if ("error" in parsed) return parsed.error;
      if (parsed.n < -20 || parsed.n > 19) return ERANGE;
      if (group.cpu!.isIdle) return EINVAL;
      group.cpu!.setNice(parsed.n);
      return weightChanged(group);
    },
  }),
  controlFile({
    name: "cpu.idle",
    controller: CPU,
    text: (g) => `${Number(g.cpu!.isIdle)}\n`,
    write: ({ group, text }) => {
      const parsed = parseSigned(text);
      if ("error" in parsed) return parsed.error;
      if (parsed.n !== 0 && parsed.n !== 1) return EINVAL;
      if (group.cpu!.isIdle && parsed.n === 0) group.cpu!.weight = 100;
      group.cpu!.isIdle = parsed.n === 1;
      return weightChanged(group);
    },
  }),
  controlFile({ name: "cpu.max", controller: CPU, text: maxText, write: writeMax }),
  controlFile({
    name: "cpu.max.burst",
    controller: CPU,
    text: (g) => `${us(g.run?.bandwidth?.burstNs ?? 0)}\n`,
    write: ({ group, text }) => {
      const n = parseUnsigned(text);
      if (failed(n) || n === Number.POSITIVE_INFINITY) return EINVAL;
      const bandwidth = group.run?.bandwidth;
      const quotaNs = bandwidth?.quotaNs ?? Number.POSITIVE_INFINITY;
      if (n * NS_PER_US > quotaNs) return EINVAL;
      if (bandwidth) bandwidth.burstNs = n * NS_PER_US;
      return 0;
    },
  }),
];

function us(ns: number): number {
  return Math.floor(ns / NS_PER_US);
}

function weightChanged(group: Cgroup): number {
  group.run!.setWeight(group.cpu!.weight, group.cpu!.isIdle);
  return 0;
}

function maxText(group: Cgroup): string {
  const { bandwidth } = group.run!;
  const quotaNs = bandwidth?.quotaNs ?? Number.POSITIVE_INFINITY;
  const quota = quotaNs === Number.POSITIVE_INFINITY ? MAX : String(us(quotaNs));
  return `${quota} ${bandwidth ? us(bandwidth.periodNs) : DEFAULT_PERIOD_US}\n`;
}

/** "QUOTA [PERIOD]", in microseconds. */
function writeMax({ group, text, td }: ControlWrite): number {
  const words = text.split(/\s+/);
  if (words.length > 2) return EINVAL;
  const quota = parseUnsigned(words[0]!);
  const before = group.run!.bandwidth?.periodNs ?? DEFAULT_PERIOD_US * NS_PER_US;
  const period: number | Errno = words.length > 1 ? parseUnsigned(words[1]!) : us(before);
  if (failed(quota) || failed(period)) return EINVAL;
  if (period < MIN_PERIOD_US || period > MAX_PERIOD_US || quota < MIN_PERIOD_US) return EINVAL;
  td.cpu.sliceKeeper?.settle();
  group.tree.setBandwidth(group, quota * NS_PER_US, period * NS_PER_US);
  settleCurrent(td.proc);
  return 0;
}

function statText(group: Cgroup, fs: CgroupFs): string {
  const { cpu } = fs.table;
  cpu.sliceKeeper?.settle();
  let userNs = 0;
  let systemNs = 0;
  for (const g of group.subtree()) {
    userNs += g.userNs;
    systemNs += g.systemNs;
  }
  const usage = us(userNs) + us(systemNs);
  let text = `usage_usec ${usage}\nuser_usec ${us(userNs)}\nsystem_usec ${us(systemNs)}\n`;
  if ((group.controllers & CPU) === 0) return text;
  const b = group.run?.bandwidth;
  text += `nr_periods ${b?.periods ?? 0}\nnr_throttled ${b?.throttles ?? 0}\n`;
  text += `throttled_usec ${us(b?.throttledNs ?? 0)}\n`;
  return `${text}nr_bursts ${b?.bursts ?? 0}\nburst_usec ${us(b?.burstUsedNs ?? 0)}\n`;
}
