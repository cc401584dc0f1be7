/** Wait queues: order, who is woken by which wakeup, and no one twice. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Waiter, WaitQueue } from "../../src/kern/waitqueue.ts";

class Recorder extends Waiter {
  woken = 0;
  readonly #onWake: (w: Recorder) => void;

  constructor(onWake: (w: Recorder) => void = () => {}) {
    super();
    this.#onWake = onWake;
  }

  wake(): void {
    this.woken++;
    this.#onWake(this);
  }
}

test("wakes in the order of coming, each once", () => {
  const q = new WaitQueue();
  const order: Recorder[] = [];
  const all = Array.from({ length: 5 }, () => new Recorder((w) => void order.push(w)));
  for (const w of all) q.add(w);
  q.wakeup();
  assert.deepEqual(order, all);
  assert.ok(q.isEmpty);
  q.wakeup();
  assert.equal(order.length, 5);
});

test("one that queues itself again at once waits for the next wakeup", () => {
  const q = new WaitQueue();
  const w = new Recorder((me) => q.add(me));
  q.add(w);
  q.wakeup();
  assert.equal(w.woken, 1);
  assert.equal(q.first(), w);
});

test("a wakeup ends even if the last waiter leaves while others queue again", () => {
  const q = new WaitQueue();
  const last = new Recorder();
  const again = new Recorder((me) => {
    last.cancel();
    if (me.woken < 1000) q.add(me);
  });
  q.add(again);
  q.add(last);
  q.wakeup();
  assert.equal(again.woken, 1);
  assert.equal(last.woken, 0);
});

test("a waiter is on one queue at most", () => {
  const [a, b] = [new WaitQueue(), new WaitQueue()];
  const w = new Recorder();
  a.add(w);
  b.add(w);
  assert.ok(a.isEmpty);
  a.remove(w);
  assert.equal(b.first(), w);
  w.cancel();
  assert.ok(b.isEmpty);
  w.cancel();
});

test("wakes only one, the one that waited longest", () => {
  const q = new WaitQueue();
  const [first, second] = [new Recorder(), new Recorder()];
  q.add(first);
  q.add(second);
  assert.equal(q.wakeupOne(), true);
  assert.deepEqual([first.woken, second.woken], [1, 0]);
  assert.equal(q.wakeupOne(), true);
  assert.equal(q.wakeupOne(), false);
});

test("behaves as an array would, whatever is done to it", () => {
  const step = fc.oneof(
    fc.record({ op: fc.constant("add" as const), who: fc.nat(7) }),
    fc.record({ op: fc.constant("cancel" as const), who: fc.nat(7) }),
    fc.record({ op: fc.constant("wakeupOne" as const), who: fc.nat(7) }),
    fc.record({ op: fc.constant("wakeup" as const), who: fc.nat(7) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const q = new WaitQueue();
      const log: number[] = [];
      const waiters = Array.from({ length: 8 }, (_, i) => new Recorder(() => void log.push(i)));
      let model: number[] = [];
      const modelLog: number[] = [];
      for (const { op, who } of steps) {
        if (op === "add") {
          q.add(waiters[who]!);
          model = [...model.filter((i) => i !== who), who];
        } else if (op === "cancel") {
          waiters[who]!.cancel();
          model = model.filter((i) => i !== who);
        } else if (op === "wakeupOne") {
          q.wakeupOne();
          modelLog.push(...model.splice(0, 1));
        } else {
          q.wakeup();
          modelLog.push(...model.splice(0));
        }
        const seen: Waiter[] = [];
        for (let w = q.first(); w; w = w.next) seen.push(w);
        assert.deepEqual(
          seen,
          model.map((i) => waiters[i]!),
        );
      }
      assert.deepEqual(log, modelLog);
    }),
  );
});
