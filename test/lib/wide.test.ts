/** Numbers out of halves, and the zero that is none of the small integers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { WIDE_ZERO, wide } from "../../src/lib/wide.ts";

test("two halves are what DataView reads of eight bytes, signed or not", () => {
  const view = new DataView(new ArrayBuffer(8));
  for (const hi of [0, 1, 5, 0x1fffff, -1, -2, -0x200000]) {
    for (const lo of [0, 1, 0x7fffffff, 0x80000000, 0xffffffff]) {
      view.setInt32(4, hi, true);
      view.setUint32(0, lo, true);
      assert.equal(wide(hi, lo), Number(view.getBigInt64(0, true)), `${hi} ${lo}`);
    }
  }
});

test("the wide zero counts as zero does, and prints so", () => {
  assert.equal(WIDE_ZERO + 5, 5);
  assert.equal(`${WIDE_ZERO}`, "0");
  assert.ok(WIDE_ZERO === 0 && !Object.is(WIDE_ZERO, 0));
});
