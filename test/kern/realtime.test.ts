/** Real-time threads go first, by priority and deadline, within bounds. See sched(7). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SCHED_FIFO, SCHED_RR } from "../../src/abi/sched.ts";
import { RunGroup } from "../../src/kern/rungroup.ts";
import { RunQueue } from "../../src/kern/sched.ts";
import type { Thread } from "../../src/kern/thread.ts";
import { KernRig } from "./rig.ts";

const MS = 1e6;

function urgent(rig: KernRig, queue: RunQueue, priority: number, policy = SCHED_FIFO): Thread {
  const td = rig.thread();
  td.policy = policy;
  td.ownPriority = priority;
  queue.setPriority(td, priority);
  return td;
}

function order(queue: RunQueue): Thread[] {
  const out: Thread[] = [];
  for (let td = queue.next(); td; td = queue.next()) out.push(td);
  return out;
}

test("the highest priority first, equals as they came, the one that was preempted before them", () => {
  const rig = new KernRig();
  const queue = new RunQueue();
  const plain = rig.thread();
  const [low, high, first, second] = [3, 80, 40, 40].map((p) => urgent(rig, queue, p));
  for (const td of [plain, low!, first!, high!]) queue.add(td);
  queue.addPreempted(second!);
  assert.equal(queue.ready, 5);
  assert.deepEqual(order(queue), [high, second, first, low, plain]);
  assert.ok(queue.isEmpty);
  assert.equal(queue.waiting, 0);
});

test("every level from 1 to 99 is found", () => {
  const rig = new KernRig();
  const queue = new RunQueue();
  const threads = Array.from({ length: 99 }, (_, i) => urgent(rig, queue, i + 1));
  for (const td of threads) queue.add(td);
  assert.deepEqual(order(queue), threads.toReversed());
});

test("a better one preempts at once, an equal only when a turn of round robin is over", () => {
  const rig = new KernRig();
  const queue = new RunQueue();
  const [fifo, rr, equal] = [
    urgent(rig, queue, 5),
    urgent(rig, queue, 5, SCHED_RR),
    urgent(rig, queue, 5),
  ];
  queue.add(equal);
  assert.ok(!queue.shouldPreempt(fifo));
  assert.ok(!queue.shouldPreempt(rr));
  queue.charge(rr, queue.budget.rrSliceNs, 1);
  assert.ok(queue.shouldPreempt(rr));
  queue.addPreempted(rr);
  assert.deepEqual(order(queue), [equal, rr]);
  queue.add(urgent(rig, queue, 6));
  assert.ok(queue.shouldPreempt(fifo));
});

test("others have their part of each period, if they want it", () => {
  const rig = new KernRig();
  const queue = new RunQueue();
  const hog = urgent(rig, queue, 99);
  const plain = rig.thread();
  const ran = new Map([
    [hog, 0],
    [plain, 0],
  ]);
  queue.add(hog);
  queue.add(plain);
  for (let now = MS; now < 20_000 * MS; now += MS) {
    const td = queue.next()!;
    queue.charge(td, MS, now);
    queue.advance(td);
    ran.set(td, ran.get(td)! + MS);
    queue.add(td);
  }
  const part = ran.get(plain)! / 20_000 / MS;
  assert.ok(part > 0.045 && part < 0.055, `${part}`);
  queue.remove(plain);
  assert.equal(queue.next(), hog);
});

test("the earliest deadline first, and no more promised than there is", () => {
  const rig = new KernRig();
  const queue = new RunQueue();
  const threads = [30, 10, 20].map((ms) => {
    const td = rig.thread();
    const params = { runtimeNs: MS, deadlineNs: ms * MS, periodNs: 30 * MS, flags: 0 };
    assert.ok(queue.setDeadline(td, params));
    queue.setPriority(td, td.basePriority);
    td.deadline!.wake(0);
    queue.add(td);
    return td;
  });
  const big = { runtimeNs: 26 * MS, deadlineNs: 30 * MS, periodNs: 30 * MS, flags: 0 };
  assert.ok(!queue.setDeadline(rig.thread(), big));
  assert.ok(queue.setDeadline(threads[0]!, null));
  assert.deepEqual(
    order(queue).map((td) => threads.indexOf(td)),
    [1, 2, 0],
  );
  const td = threads[1]!;
  queue.charge(td, 2 * MS, 2 * MS);
  assert.equal(td.payUntilNs, 30 * MS, "it waits for its next period");
});

test("a frozen group holds its real-time threads", () => {
  const rig = new KernRig();
  const queue = new RunQueue();
  const group = new RunGroup();
  const td = urgent(rig, queue, 10);
  queue.add(td);
  queue.regroup(td, group);
  group.isFrozen = true;
  queue.blockedChanged(group);
  assert.equal(queue.next(), null);
  assert.equal(queue.length, 1);
  group.isFrozen = false;
  queue.blockedChanged(group);
  assert.equal(queue.next(), td);
  assert.ok(queue.isEmpty);
});
