import assert from "node:assert/strict";
import { test } from "node:test";
import { fpProgram } from "./qemu-fp-program.ts";
import { runBare } from "./qemu-guest.ts";
import { integerProgram } from "./qemu-integer-program.ts";
import { memoryProgram } from "./qemu-memory-program.ts";
import { type Reference, referenceRun } from "./qemu-run.ts";

interface Program {
  name: string;
  reference: Reference;
  /** What was running when the output byte at this offset was made. */
  explain(offset: number): string;
}

const TIERS = [
  { name: "interpreted", options: { jitThreshold: Number.POSITIVE_INFINITY }, compiles: false },
  { name: "compiled", options: { jitThreshold: 0 }, compiles: true },
  { name: "compiled with care", options: { jitThreshold: 0, maxDoubts: 0 }, compiles: true },
  {
    name: "compiled and ever optimistic",
    options: { jitThreshold: 0, maxDoubts: Number.POSITIVE_INFINITY },
    compiles: true,
  },
  { name: "compiled half-way", options: { jitThreshold: 300 }, compiles: true },
  { name: "compiled and out of fuel", options: { jitThreshold: 0, fuel: 2003 }, compiles: true },
];

for (const program of [integers(), memory(), floats()]) {
  for (const tier of TIERS) {
    test(`${program.name}, ${tier.name}, leave what they leave under qemu-riscv64`, () => {
      const expected = program.reference.output;
      const { output, regionsMade } = runBare(program.reference.elf, tier.options);
      assert.equal(regionsMade > 0, tier.compiles);
      assert.equal(output.length, expected.length);
      if (output.equals(expected)) return;
      assert.fail(differences(output, expected, program).join("\n"));
    });
  }
}

function integers(): Program {
  const { source, blocks } = integerProgram(1);
  return { name: "integer instructions", reference: referenceRun(source), explain: from(blocks) };
}

function memory(): Program {
  const { source, blocks } = memoryProgram(1);
  return { name: "loads and stores", reference: referenceRun(source), explain: from(blocks) };
}

function from(
  blocks: readonly { text: string; offset: number; count: number; size: number }[],
): (offset: number) => string {
  return (offset) => {
    const b = blocks.find((x) => offset >= x.offset && offset < x.offset + x.count * x.size);
    return b === undefined ? "?" : `${b.text} [case ${Math.floor((offset - b.offset) / b.size)}]`;
  };
}

function floats(): Program {
  const { source, blocks } = fpProgram(4, 1400);
  const explain = (offset: number): string => {
    const b = blocks.find((x) => offset >= x.offset && offset < x.offset + x.tuples.length * 16);
    if (b === undefined) return "?";
    const operands = b.tuples[Math.floor((offset - b.offset) / 16)]!;
    const hex = operands.map((x) => x.toString(16)).join(" ");
    return `${b.text} (mode ${b.rm}, flags ${b.presetFlags}): ${hex}`;
  };
  return { name: "floating-point instructions", reference: referenceRun(source), explain };
}

/** One line per instruction that went wrong, the first few. */
function differences(output: Buffer, expected: Buffer, program: Program): string[] {
  const lines = new Map<string, string>();
  for (let at = 0; at + 8 <= expected.length && lines.size < 20; at += 8) {
    const ours = output.readBigUInt64LE(at);
    const theirs = expected.readBigUInt64LE(at);
    if (ours === theirs) continue;
    const what = program.explain(at);
    const instruction = what.split(" ", 1)[0]!;
    if (lines.has(instruction)) continue;
    lines.set(instruction, `${what} @${at}: ${ours.toString(16)}, qemu ${theirs.toString(16)}`);
  }
  return [...lines.values()];
}
