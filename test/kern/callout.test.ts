/** The heap of callouts: what is due fires, in order, once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Callout, CalloutHeap } from "../../src/kern/callout.ts";

class Probe extends Callout {
  readonly #onFire: (p: Probe, nowNs: number) => void;

  constructor(onFire: (p: Probe, nowNs: number) => void) {
    super();
    this.#onFire = onFire;
  }

  fire(nowNs: number): void {
    this.#onFire(this, nowNs);
  }
}

test("fires what is due, earliest first, and says what comes next", () => {
  const heap = new CalloutHeap();
  const fired: number[] = [];
  assert.equal(heap.nextDeadlineNs, Number.POSITIVE_INFINITY);
  for (const t of [50, 10, 30, 20, 40]) heap.arm(new Probe(() => void fired.push(t)), t);
  assert.equal(heap.nextDeadlineNs, 10);
  heap.run(9);
  assert.deepEqual(fired, []);
  heap.run(30);
  assert.deepEqual(fired, [10, 20, 30]);
  assert.equal(heap.nextDeadlineNs, 40);
});

test("arming again moves it; disarming takes it away, twice is once", () => {
  const heap = new CalloutHeap();
  let fired = 0;
  const p = new Probe(() => void fired++);
  heap.arm(p, 10);
  heap.arm(p, 100);
  heap.run(50);
  assert.equal(fired, 0);
  heap.disarm(p);
  heap.disarm(p);
  heap.run(1000);
  assert.equal(fired, 0);
  assert.equal(p.index, -1);
});

test("one that arms itself in the past fires again in the next run, not for ever", () => {
  const heap = new CalloutHeap();
  let fired = 0;
  const p = new Probe((me) => {
    fired++;
    heap.arm(me, 0);
  });
  heap.arm(p, 5);
  heap.run(10);
  assert.equal(fired, 1);
  heap.run(10);
  assert.equal(fired, 2);
});

test("a callout may disarm another that is due", () => {
  const heap = new CalloutHeap();
  let isOtherFired = false;
  const other = new Probe(() => {
    isOtherFired = true;
  });
  heap.arm(new Probe(() => heap.disarm(other)), 1);
  heap.arm(other, 2);
  heap.run(10);
  assert.equal(isOtherFired, false);
});

test("behaves as a sorted list would, whatever is done to it", () => {
  const step = fc.oneof(
    fc.record({ op: fc.constant("arm" as const), who: fc.nat(15), at: fc.nat(100) }),
    fc.record({ op: fc.constant("disarm" as const), who: fc.nat(15), at: fc.constant(0) }),
    fc.record({ op: fc.constant("run" as const), who: fc.constant(0), at: fc.nat(100) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const heap = new CalloutHeap();
      let fired: number[] = [];
      const model = new Map<number, number>();
      const probes = Array.from({ length: 16 }, (_, i) => new Probe(() => void fired.push(i)));
      for (const { op, who, at } of steps) {
        if (op === "arm") {
          heap.arm(probes[who]!, at);
          model.set(who, at);
        } else if (op === "disarm") {
          heap.disarm(probes[who]!);
          model.delete(who);
        } else {
          fired = [];
          heap.run(at);
          const due = [...model].filter(([, t]) => t <= at).map(([i]) => i);
          const times = fired.map((i) => model.get(i)!);
          assert.deepEqual(
            times,
            [...times].sort((x, y) => x - y),
          );
          assert.deepEqual(new Set(fired), new Set(due));
          assert.equal(fired.length, due.length);
          for (const i of due) model.delete(i);
        }
        assert.equal(heap.nextDeadlineNs, Math.min(Number.POSITIVE_INFINITY, ...model.values()));
      }
    }),
  );
});
