/** Groups of threads share the CPU as cpu.weight says, and lose nobody when they change. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CalloutHeap } from "../../src/kern/callout.ts";
import { Bandwidth, RunGroup } from "../../src/kern/rungroup.ts";
import { RunQueue, SLICE_NS } from "../../src/kern/sched.ts";
import type { Thread } from "../../src/kern/thread.ts";
import { KernRig } from "./rig.ts";

function group(queue: RunQueue, weight: number, parent: RunGroup | null = null): RunGroup {
  const g = new RunGroup();
  g.setWeight(weight, false);
  queue.reparent(g, parent);
  return g;
}

/** Runs `slices` slices; how many each thread had. */
function share(queue: RunQueue, slices: number): Map<Thread, number> {
  const ran = new Map<Thread, number>();
  for (let i = 0; i < slices; i++) {
    const td = queue.next()!;
    queue.charge(td, SLICE_NS, 0);
    queue.advance(td);
    ran.set(td, (ran.get(td) ?? 0) + 1);
    queue.add(td);
  }
  return ran;
}

test("groups have their weights' shares, however many threads are in them", () => {
  const rig = new KernRig();
  const queue = new RunQueue();
  const [light, heavy] = [group(queue, 100), group(queue, 300)];
  const inLight = Array.from({ length: 5 }, () => rig.thread());
  const inHeavy = rig.thread();
  const alone = rig.thread();
  for (const td of inLight) queue.regroup(td, light);
  queue.regroup(inHeavy, heavy);
  for (const td of [...inLight, inHeavy, alone]) queue.add(td);
  const ran = share(queue, 5000);
  assert.ok(Math.abs(ran.get(inHeavy)! - 3000) < 20, `${[...ran.values()]}`);
  assert.ok(Math.abs(ran.get(alone)! - 1000) < 20, `${[...ran.values()]}`);
  for (const td of inLight) assert.ok(Math.abs(ran.get(td)! - 200) < 10, `${[...ran.values()]}`);
});

test("a group's share is divided among the groups below it", () => {
  const rig = new KernRig();
  const queue = new RunQueue();
  const top = group(queue, 100);
  const [a, b] = [group(queue, 100, top), group(queue, 100, top)];
  const [one, two, other] = [rig.thread(), rig.thread(), rig.thread()];
  queue.regroup(one, a);
  queue.regroup(two, b);
  for (const td of [one, two, other]) queue.add(td);
  const ran = share(queue, 4000);
  assert.ok(Math.abs(ran.get(one)! - 1000) < 20 && Math.abs(ran.get(other)! - 2000) < 20);
});

test("an idle group has what others leave", () => {
  const rig = new KernRig();
  const queue = new RunQueue();
  const idle = group(queue, 100);
  idle.setWeight(100, true);
  const [last, first] = [rig.thread(), rig.thread()];
  queue.regroup(last, idle);
  queue.add(last);
  queue.add(first);
  const ran = share(queue, 3000);
  assert.ok((ran.get(last) ?? 0) < 20, `${ran.get(last)}`);
});

test("a group that used its quota waits for the next period, and debts are taken along", () => {
  const rig = new KernRig();
  const queue = new RunQueue();
  const callouts = new CalloutHeap();
  const g = group(queue, 100);
  g.bandwidth = new Bandwidth(g, queue, callouts);
  g.bandwidth.set(20e6, 100e6, 0);
  const td = rig.thread();
  queue.regroup(td, g);
  queue.add(td);
  let ran = 0;
  let periods = 0;
  for (let now = 0; now < 1e9; ) {
    const next = queue.next();
    if (next) {
      now += 3e6;
      ran += 3e6;
      queue.charge(next, 3e6, now);
      queue.add(next);
    } else {
      now = callouts.nextDeadlineNs;
      periods++;
    }
    callouts.run(now);
  }
  assert.ok(Math.abs(ran - 200e6) <= 25e6, `${ran}`);
  assert.ok(periods >= 8 && g.bandwidth.throttles >= 8, `${periods} ${g.bandwidth.throttles}`);
});

test("who yields goes behind the next one where their groups meet", () => {
  const rig = new KernRig();
  const queue = new RunQueue();
  const top = group(queue, 100);
  const below = group(queue, 100, top);
  const [inner, middle, outer] = [rig.thread(), rig.thread(), rig.thread()];
  queue.regroup(inner, below);
  queue.regroup(middle, top);
  for (const td of [middle, outer]) {
    td.vruntimeNs = 1e9;
    queue.add(td);
  }
  queue.putBehind(inner, middle);
  assert.deepEqual([inner.vruntimeNs, below.vruntimeNs], [0, 1e9 + 1]);
  queue.add(inner);
  queue.putBehind(inner, outer);
  assert.deepEqual([inner.vruntimeNs, top.vruntimeNs], [0, 1e9 + 1]);
  assert.equal(queue.next(), outer);
  queue.putBehind(outer, inner);
  assert.equal(outer.vruntimeNs, 1e9 + 2);
});

test("nobody is lost or run out of turn, whatever groups do", () => {
  const step = fc.record({
    op: fc.constantFrom("add", "remove", "next", "regroup", "reparent", "freeze", "weight"),
    who: fc.nat(5),
    where: fc.nat(4),
    ns: fc.nat(1e7),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const rig = new KernRig();
      const queue = new RunQueue();
      const groups = Array.from({ length: 4 }, () => group(queue, 100));
      const threads = Array.from({ length: 6 }, () => rig.thread());
      const queued = new Set<Thread>();
      const isHeld = (td: Thread): boolean => {
        for (let g = td.runGroup; g; g = g.parent) if (g.isFrozen) return true;
        return false;
      };
      for (const { op, who, where, ns } of steps) {
        const td = threads[who]!;
        const g = groups[where] ?? null;
        if (op === "add" && !queued.has(td)) {
          queue.add(td);
          queued.add(td);
        } else if (op === "remove") {
          queue.remove(td);
          queued.delete(td);
        } else if (op === "next") {
          const next = queue.next();
          const free = [...queued].filter((t) => !isHeld(t));
          assert.equal(next === null, free.length === 0);
          if (!next) continue;
          assert.ok(free.includes(next));
          queued.delete(next);
          queue.charge(next, ns, 0);
          queue.advance(next);
        } else if (op === "regroup") {
          queue.regroup(td, g);
        } else if (op === "reparent" && g) {
          const parent = groups[who] ?? null;
          let isBelow = false;
          for (let at = parent; at; at = at.parent) isBelow ||= at === g;
          if (!isBelow) queue.reparent(g, parent);
        } else if (op === "freeze" && g) {
          g.isFrozen = ns % 2 === 0;
          queue.blockedChanged(g);
        } else if (op === "weight" && g) {
          g.setWeight(1 + (ns % 10_000), false);
        }
        assert.equal(queue.length, queued.size);
        assert.equal(queue.ready, [...queued].filter((t) => !isHeld(t)).length);
        for (const t of threads) assert.equal(t.runIndex >= 0, queued.has(t));
      }
    }),
  );
});
