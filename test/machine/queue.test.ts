import assert from "node:assert/strict";
import { test } from "node:test";
import type { PageTable } from "../../src/machine/mmu/pagetable.ts";
import { CompileQueue } from "../../src/machine/riscv/jit/queue.ts";

// The queue only tells address spaces apart.
const one = { name: "one" } as unknown as PageTable;
const other = { name: "other" } as unknown as PageTable;
const never = (): boolean => assert.fail("asked for a rest");

test("with few regions a hot target is compiled when it is reported again", () => {
  const queue = new CompileQueue();
  assert.equal(queue.isTime({ pt: one, pc: 0x1000 }, 0, never), false);
  assert.equal(queue.isTime({ pt: other, pc: 0x1000 }, 0, never), false);
  assert.equal(queue.isTime({ pt: one, pc: 0x1000 }, 0, never), true);
  assert.deepEqual(
    queue.take().map(({ pt, pc }) => [pt, pc]),
    [
      [one, 0x1000],
      [other, 0x1000],
    ],
  );
  assert.deepEqual(queue.take(), []);
});

test("with many regions a target rests before it is reported again", () => {
  const queue = new CompileQueue();
  const rests: number[] = [];
  const rest = (visits: number): boolean => rests.push(visits) > 0;
  assert.equal(queue.isTime({ pt: one, pc: 0x1000 }, 4000, rest), false);
  assert.equal(queue.isTime({ pt: one, pc: 0x1000 }, 4000, rest), true);
  assert.deepEqual(rests, [500]);
  queue.take();
  assert.equal(queue.isTime({ pt: one, pc: 0x2000 }, 1e6, rest), false);
  assert.deepEqual(rests, [500, 1000]);
});

test("a target that cannot rest is compiled after as many reports", () => {
  const queue = new CompileQueue();
  const isTime = () => queue.isTime({ pt: one, pc: 0x1000 }, 80, () => false);
  assert.deepEqual(
    Array.from({ length: 11 }, isTime),
    Array.from({ length: 11 }, (_, i) => i === 10),
  );
});

test("however long they may wait, 32 targets are enough", () => {
  const queue = new CompileQueue();
  for (let i = 1; i <= 32; i++) {
    assert.equal(
      queue.isTime({ pt: one, pc: i * 0x1000 }, 1e6, () => true),
      i === 32,
    );
  }
  assert.equal(queue.take().length, 32);
});
