/** Sleeping and waking: a thread sleeps exactly while something can wake it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ERESTARTSYS } from "../../src/abi/errno.ts";
import { WaitQueue } from "../../src/kern/waitqueue.ts";
import { KernRig } from "./rig.ts";

test("a sleep asks to be called again, and names its reason", () => {
  const td = new KernRig().thread();
  const queue = new WaitQueue();
  assert.equal(td.sleep(queue, "piperd"), ERESTARTSYS);
  assert.equal(td.state, "sleeping");
  assert.equal(td.wmesg, "piperd");
  queue.wakeup();
  assert.equal(td.state, "runnable");
  assert.equal(td.wmesg, "");
});

test("a wakeup by one queue leaves the others", () => {
  const rig = new KernRig();
  const td = rig.thread();
  const queues = [new WaitQueue(), new WaitQueue(), new WaitQueue()];
  for (const q of queues) td.watch(q);
  td.sleepUntil(null, "poll", 500);
  assert.equal(rig.cpu.callouts.nextDeadlineNs, 500);
  queues[1]!.wakeup();
  assert.equal(td.state, "runnable");
  assert.ok(queues.every((q) => q.isEmpty));
  assert.equal(rig.cpu.callouts.nextDeadlineNs, Number.POSITIVE_INFINITY);
  assert.equal(rig.cpu.runq.length, 1);
});

test("a deadline wakes", () => {
  const rig = new KernRig();
  const td = rig.thread();
  td.sleepUntil(null, "nanslp", 100);
  rig.cpu.callouts.run(99);
  assert.equal(td.state, "sleeping");
  rig.cpu.callouts.run(100);
  assert.equal(td.state, "runnable");
  assert.equal(rig.cpu.needResched, true);
});

test("watching one queue twice is no more than watching it", () => {
  const rig = new KernRig();
  const td = rig.thread();
  const queue = new WaitQueue();
  td.watch(queue);
  td.watch(queue);
  td.sleepUntil(null, "poll", Number.POSITIVE_INFINITY);
  queue.wakeup();
  assert.equal(td.state, "runnable");
  assert.ok(queue.isEmpty);
});

test("a stopped sleeper waits for nothing, and is called again when it goes on", () => {
  const rig = new KernRig();
  const td = rig.thread();
  const queue = new WaitQueue();
  td.sleep(queue, "ttyin");
  td.stop();
  assert.equal(td.state, "stopped");
  assert.ok(queue.isEmpty);
  queue.wakeup();
  assert.equal(td.state, "stopped");
  td.cont();
  assert.equal(td.state, "runnable");
  td.stop();
  assert.equal(rig.cpu.runq.length, 0);
});

test("a sleep that did not take hold goes on without a trip through the run queue", () => {
  const rig = new KernRig();
  const td = rig.thread();
  const queue = new WaitQueue();
  td.sleep(queue, "lockf");
  td.cancelSleep();
  assert.equal(td.state, "running");
  assert.ok(queue.isEmpty);
  assert.equal(rig.cpu.runq.length, 0);
});

test("the dead are on no queue, and what their call held is taken back", () => {
  const rig = new KernRig();
  const td = rig.thread();
  const queue = new WaitQueue();
  let abandoned = 0;
  td.restart.data = { abandon: () => void abandoned++ };
  td.sleepUntil(queue, "futex", 1000);
  td.retire();
  assert.equal(td.state, "dead");
  assert.equal(abandoned, 1);
  assert.ok(queue.isEmpty);
  td.wakeup();
  td.stop();
  td.cont();
  assert.equal(td.state, "dead");
});
