/**
 * cpubench and lmb: native, qemu-riscv64 and vkernel, interleaved in one run.
 *
 *   node bench/guest/compare.ts [--rounds N] [--sources DIR] [--scale PERCENT] [--json FILE] [--cli FILE] cpu|lmb [TEST…]
 *
 * DIR holds cpubench.c and lmb.c (default ../shared/bench). QEMU_RISCV64 names
 * another qemu. --scale makes cpubench's work smaller. Checksums of qemu and
 * vkernel that differ are an error.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build } from "./rivals.ts";
import { median, printTable } from "./table.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "3" },
    sources: { type: "string", default: "../shared/bench" },
    json: { type: "string" },
    scale: { type: "string", default: "100" },
    cli: {
      type: "string",
      default: new URL("../../dist/cli/vkernel.js", import.meta.url).pathname,
    },
  },
});
const [suite = "cpu", ...tests] = positionals;
const program = suite === "lmb" ? "lmb" : "cpubench";
const args = suite === "lmb" ? ["-d", "/tmp", ...tests] : ["-s", values.scale, ...tests];

const built = build({ [program]: join(values.sources, `${program}.c`) }, values.cli);
const samples = new Map<string, Map<string, number[]>>();
const sums = new Map<string, Map<string, string>>();
try {
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const rival of built.rivals) {
      const target = rival.name === "vkernel" ? "/bin/true_static" : join(built.dir, "true_static");
      const extra = suite === "lmb" ? ["-x", target] : [];
      note(rival.name, rival.run(program, [...extra, ...args]));
    }
  }
} finally {
  built.dispose();
}
checkSums();
printTable(suite === "lmb" ? "ns/op" : "seconds", samples, ["native", "qemu", "vkernel"]);
if (values.json) writeFileSync(values.json, JSON.stringify(report(), null, 2));

function note(rival: string, output: string): void {
  for (const line of output.split("\n")) {
    const cpu = /^CPU (\S+) n=\d+ secs=([\d.]+) .*sum=(\w+)/.exec(line);
    const lmb = /^LMB (\S+)\s+([\d.]+) ns\/op/.exec(line);
    const m = cpu ?? lmb;
    if (!m) continue;
    const [, test, value] = m;
    const byRival = samples.get(test!) ?? new Map<string, number[]>();
    samples.set(test!, byRival);
    byRival.set(rival, [...(byRival.get(rival) ?? []), Number(value)]);
    if (!cpu) continue;
    const seen = sums.get(test!) ?? new Map<string, string>();
    sums.set(test!, seen.set(rival, cpu[3]!));
  }
}

function checkSums(): void {
  for (const [test, byRival] of sums) {
    if (byRival.get("qemu") !== byRival.get("vkernel")) {
      throw new Error(`${test}: checksums of qemu and vkernel differ`);
    }
  }
}

function report(): object {
  const out: Record<string, Record<string, number>> = {};
  for (const [test, byRival] of samples) {
    out[test] = Object.fromEntries([...byRival].map(([rival, list]) => [rival, median(list)]));
  }
  return { suite, unit: suite === "lmb" ? "ns/op" : "s", medians: out };
}
