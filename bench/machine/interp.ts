/**
 * The interpreter's own speed: `node bench/machine/interp.ts <cpubench, static, riscv64> [kernel ...]`.
 *
 * A first machine counts a kernel's instructions one by one, others interpret them with nothing compiled: millions of
 * instructions a second of CPU time, the best and the median of `ROUNDS` (7). `SCALE` (0.5) is cpubench's, in per cent.
 */
import { Bare } from "./bare.ts";

const KERNELS = ["cmlike", "sort", "interp", "strsearch", "malloc", "qsort", "json", "lz", "fib"];

const [file, ...names] = process.argv.slice(2);
if (!file) {
  console.error("usage: interp.ts program [kernel ...]");
  process.exit(64);
}
const scale = process.env["SCALE"] ?? "0.5";
const rounds = Number(process.env["ROUNDS"] ?? 7);
const logs = { best: 0, median: 0 };
const kernels = names.length > 0 ? names : KERNELS;
for (const kernel of kernels) {
  const args = ["-s", scale, kernel];
  const insns = new Bare({}).count(file, args);
  const speeds: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const bare = new Bare({ jitThreshold: Number.POSITIVE_INFINITY });
    const before = process.threadCpuUsage().user;
    bare.run(file, args);
    speeds.push(insns / (process.threadCpuUsage().user - before));
  }
  speeds.sort((a, b) => b - a);
  const [best, median] = [speeds[0]!, speeds[rounds >> 1]!];
  logs.best += Math.log(best) / kernels.length;
  logs.median += Math.log(median) / kernels.length;
  show(kernel, best, median, `${(insns / 1e6).toFixed(1)} M instructions`);
}
show("mean", Math.exp(logs.best), Math.exp(logs.median), "geometric");

function show(name: string, best: number, median: number, note: string): void {
  console.log(
    name.padEnd(10),
    best.toFixed(0).padStart(4),
    median.toFixed(0).padStart(5),
    "",
    note,
  );
}
