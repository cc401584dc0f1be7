/** Physical memory: how much there is, and how many addresses for it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PAGE_SIZE, PhysMem } from "../../src/machine/physmem.ts";

const MIB = 2 ** 20;
const options = { ramBytes: 32 * MIB, maxHarts: 1, maxContexts: 1 };

/** Does `what` on a host that lets no memory grow past `pages` of 64 KiB. */
function onPoorHost<T>(pages: number, what: () => T): T {
  const { prototype } = WebAssembly.Memory;
  const { grow } = prototype;
  prototype.grow = function (this: WebAssembly.Memory, delta: number): number {
    if (this.buffer.byteLength / 65536 + delta > pages) throw new RangeError("no memory");
    return grow.call(this, delta);
  };
  try {
    return what();
  } finally {
    prototype.grow = grow;
  }
}

test("there are as many frames as memory has unless more are wanted, and those lie below 2^31", () => {
  const exact = new PhysMem(options);
  assert.equal(exact.ramPages, 8192);
  assert.equal(exact.framePages, 8192);
  const spare = new PhysMem({ ...options, spareBytes: 64 * MIB });
  assert.equal(spare.ramPages, 8192);
  assert.ok(Math.abs(spare.framePages - 3 * 8192) < 16);
  const most = new PhysMem({ ...options, spareBytes: Number.POSITIVE_INFINITY });
  const end = most.ramBase + most.framePages * PAGE_SIZE;
  assert.ok(end < 2 ** 31 && end > 2 ** 31 - MIB);
  assert.equal(most.u8.length, most.wasmPages * 65536);
  assert.ok(most.u8.length >= end);
});

test("a host that has no more than RAM gives that, one that has less is told of", () => {
  const mem = onPoorHost(16_000, () => new PhysMem({ ...options, spareBytes: 2 ** 31 }));
  assert.equal(mem.framePages, mem.ramPages);
  assert.equal(mem.u8.length, mem.wasmPages * 65536);
  assert.throws(() => onPoorHost(100, () => new PhysMem(options)), RangeError);
});
