/** The run queue shares a CPU as sched(7) and nice(1) say, and starves nobody. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RunQueue, SLICE_NS } from "../../src/kern/sched.ts";
import type { Thread } from "../../src/kern/thread.ts";
import { KernRig } from "./rig.ts";

/** Runs who deserves it, a slice at a time, as the main loop does; how long each ran. */
function share(queue: RunQueue, threads: readonly Thread[], slices: number): number[] {
  const ran = new Map<Thread, number>();
  for (let i = 0; i < slices; i++) {
    const td = queue.next()!;
    queue.charge(td, SLICE_NS, 0);
    queue.advance(td);
    ran.set(td, (ran.get(td) ?? 0) + SLICE_NS);
    queue.add(td);
  }
  return threads.map((td) => ran.get(td) ?? 0);
}

test("equals get equal shares", () => {
  const rig = new KernRig();
  const queue = new RunQueue();
  const threads = Array.from({ length: 7 }, () => rig.thread());
  for (const td of threads) queue.add(td);
  const ran = share(queue, threads, 700);
  for (const ns of ran) assert.ok(Math.abs(ns - 100 * SLICE_NS) <= 2 * SLICE_NS, `${ran}`);
});

test("each step of niceness is a quarter less", () => {
  const rig = new KernRig();
  for (const nice of [1, 5, 10, 19]) {
    const queue = new RunQueue();
    const pair = [rig.thread(0), rig.thread(nice)];
    for (const td of pair) queue.add(td);
    const [a, b] = share(queue, pair, 20_000);
    const ratio = a! / b!;
    assert.ok(Math.abs(ratio / 1.25 ** nice - 1) < 0.1, `nice ${nice}: ${ratio}`);
  }
});

test("one that slept while another ran alone is not owed all that time", () => {
  const rig = new KernRig();
  const queue = new RunQueue();
  const [sleeper, runner] = [rig.thread(), rig.thread()];
  queue.add(runner);
  share(queue, [runner], 10_000);
  queue.add(sleeper);
  const [, ran] = share(queue, [sleeper, runner], 100);
  assert.ok(ran! >= 45 * SLICE_NS, `the runner got ${ran}`);
});

test("nor when the other never left the CPU meanwhile", () => {
  const rig = new KernRig();
  const queue = new RunQueue();
  const [sleeper, runner] = [rig.thread(), rig.thread()];
  queue.add(runner);
  assert.equal(queue.next(), runner);
  for (let i = 0; i < 10_000; i++) {
    queue.charge(runner, SLICE_NS, 0);
    queue.advance(runner);
  }
  queue.add(sleeper);
  assert.ok(queue.shouldPreempt(runner), "the sleeper is prompt");
  queue.add(runner);
  const [, ran] = share(queue, [sleeper, runner], 100);
  assert.ok(ran! >= 45 * SLICE_NS, `the runner got ${ran}`);
});

test("a woken sleeper goes before those who run all the time", () => {
  const rig = new KernRig();
  const queue = new RunQueue();
  const runners = Array.from({ length: 4 }, () => rig.thread());
  const sleeper = rig.thread();
  for (const td of runners) queue.add(td);
  share(queue, runners, 100);
  queue.add(sleeper);
  assert.equal(queue.next(), sleeper);
});

test("holds who was added, hands out the least, and lets any leave", () => {
  const step = fc.oneof(
    fc.record({ op: fc.constant("add" as const), who: fc.nat(9), ns: fc.nat(1000) }),
    fc.record({ op: fc.constant("remove" as const), who: fc.nat(9), ns: fc.constant(0) }),
    fc.record({ op: fc.constant("next" as const), who: fc.constant(0), ns: fc.nat(1e7) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const rig = new KernRig();
      const queue = new RunQueue();
      const threads = Array.from({ length: 10 }, () => rig.thread());
      const model = new Set<Thread>();
      for (const { op, who, ns } of steps) {
        const td = threads[who]!;
        if (op === "add" && !model.has(td)) {
          queue.charge(td, ns, 0);
          queue.add(td);
          model.add(td);
        } else if (op === "remove") {
          queue.remove(td);
          model.delete(td);
        } else if (op === "next") {
          const least = Math.min(...[...model].map((t) => t.vruntimeNs));
          const next = queue.next();
          assert.equal(next === null, model.size === 0);
          if (next) {
            assert.equal(next.vruntimeNs, least);
            assert.ok(model.delete(next));
            queue.charge(next, ns, 0);
            queue.advance(next);
          }
        }
        assert.equal(queue.length, model.size);
        for (const t of threads) assert.equal(t.runIndex >= 0, model.has(t));
      }
    }),
  );
});
