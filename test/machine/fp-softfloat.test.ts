import assert from "node:assert/strict";
import { test } from "node:test";
import { softFloat } from "../../src/machine/riscv/softfloat/softfloat.ts";
import { fpProgram } from "./qemu-fp-program.ts";
import { referenceRun } from "./qemu-run.ts";

test("softFloat agrees with qemu-riscv64 on results and flags in every rounding mode", () => {
  const { source, blocks } = fpProgram(1, 1700);
  const { output } = referenceRun(source);
  const st = { rm: 0, flags: 0 };
  let cases = 0;
  const wrong: string[] = [];
  for (const block of blocks) {
    if (block.op < 0) continue;
    for (const [i, [a, b, c]] of block.tuples.entries()) {
      st.rm = block.rm;
      st.flags = block.presetFlags;
      const result = BigInt.asUintN(64, softFloat(st, block.op, a, b, c));
      const at = block.offset + 16 * i;
      const expected = output.readBigUInt64LE(at);
      const expectedFlags = output.readUInt32LE(at + 8);
      cases++;
      if (result === expected && st.flags === expectedFlags) continue;
      if (wrong.length < 20) {
        wrong.push(
          `${block.text} (mode ${block.rm}): ${[a, b, c].map((x) => x.toString(16)).join(" ")}: ` +
            `${result.toString(16)}/${st.flags}, qemu ${expected.toString(16)}/${expectedFlags}`,
        );
      }
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(cases > 100_000, `only ${cases} cases`);
});
