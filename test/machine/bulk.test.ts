import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PhysMem } from "../../src/machine/physmem.ts";

const SPAN = 4096;

test("stretches of memory move and clear as copyWithin and fill say, overlapping or not", () => {
  const mem = new PhysMem({ ramBytes: 1 << 20, maxHarts: 1, maxContexts: 1 });
  const ram = mem.u8.subarray(mem.ramBase, mem.ramBase + SPAN);
  const at = fc.nat(SPAN - 1);
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: SPAN, maxLength: SPAN }),
      at,
      at,
      at,
      (bytes, a, b, n) => {
        const length = Math.min(n, SPAN - Math.max(a, b));
        ram.set(bytes);
        mem.bulk.copy(mem.ramBase + a, mem.ramBase + b, length);
        assert.deepEqual([...ram], [...bytes.slice().copyWithin(a, b, b + length)]);
        ram.set(bytes);
        mem.bulk.zero(mem.ramBase + a, length);
        assert.deepEqual([...ram], [...bytes.slice().fill(0, a, a + length)]);
      },
    ),
    { numRuns: 50 },
  );
});
