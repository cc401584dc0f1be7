/**
 * CPU benchmark of the machine alone: `node bench/machine/cpu.ts <static riscv64 program> [args...]`.
 *
 * Environment: JIT=0 leaves all to the interpreter, JIT=n sets the threshold; STATS=1 prints counts.
 */
import { Bare } from "./bare.ts";

const [file, ...args] = process.argv.slice(2);
if (!file) {
  console.error("usage: cpu.ts program [argument ...]");
  process.exit(64);
}
const jit = process.env["JIT"];
const bare = new Bare(
  jit === undefined ? {} : { jitThreshold: jit === "0" ? Number.POSITIVE_INFINITY : Number(jit) },
);
const started = performance.now();
const status = bare.run(file, args);
process.stdout.write(bare.output);
if (process.env["STATS"]) {
  console.error(`${(performance.now() - started).toFixed(0)} ms`, bare.machine.stats);
}
process.exitCode = status;
