/** Stalls against a plain model: sums, averages as an exponential decay gives them, thresholds. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Pressure } from "../../src/kern/pressure.ts";
import { KernRig } from "./rig.ts";

const SEC = 1e9;

test("averages follow a steady stall, and its end, as exponentials do", () => {
  const p = new Pressure(0);
  // 30 % of every 100 ms, for ten minutes.
  for (let t = 0.1 * SEC; t <= 600 * SEC; t += 0.1 * SEC) p.stalled(0.03 * SEC, false, t);
  const steady = p.averages(false, 600 * SEC);
  for (const [i, seconds] of [10, 60, 300].entries()) {
    const wanted = 30 * (1 - Math.exp(-600 / seconds));
    assert.ok(Math.abs(steady[i]! - wanted) < 0.5, `${steady[i]} of ${wanted}`);
  }
  const before = [...steady];
  const after = p.averages(false, 630 * SEC);
  for (const [i, seconds] of [10, 60, 300].entries()) {
    const wanted = before[i]! * Math.exp(-30 / seconds);
    assert.ok(Math.abs(after[i]! - wanted) < 0.5, `${after[i]} of ${wanted}`);
  }
  assert.deepEqual([...p.averages(true, 630 * SEC)], [0, 0, 0]);
  assert.ok(Math.abs(p.totalNs(false, 630 * SEC) - 180 * SEC) < 1e6);
});

test("a stall of many periods counts for all of them", () => {
  const p = new Pressure(0);
  p.stalled(20 * SEC, true, 20 * SEC);
  // What lies in the past is carried over to the periods that follow, two seconds each.
  const [ten] = p.averages(true, 40 * SEC);
  assert.ok(ten! > 80, String(ten));
  assert.equal(p.averages(true, 1e6 * SEC)[2], 0);
});

test("sleeps that overlap count once, and only as far as they have come", () => {
  const p = new Pressure(0);
  p.willStall(10 * SEC, true, 0);
  p.willStall(12 * SEC, false, 4 * SEC);
  p.willStall(8 * SEC, true, 5 * SEC);
  assert.equal(p.totalNs(false, 5 * SEC), 5 * SEC);
  assert.equal(p.totalNs(false, 20 * SEC), 12 * SEC);
  assert.equal(p.totalNs(true, 20 * SEC), 10 * SEC);
});

test("a trigger happens once a window, when stalls reach its threshold within one", () => {
  const p = new Pressure(0);
  const t = p.addTrigger(false, 0.15 * SEC, SEC, 0);
  const happened: number[] = [];
  for (let ms = 100; ms <= 10_000; ms += 100) {
    // 10 % of the time, and from the fifth second on 50 %.
    p.stalled((ms < 5000 ? 10 : 50) * 1e6, false, ms * 1e6);
    if (t.hasHappened) happened.push(ms);
    t.hasHappened = false;
  }
  assert.ok(happened[0]! >= 5000 && happened[0]! <= 5500, String(happened));
  for (let i = 1; i < happened.length; i++) assert.ok(happened[i]! - happened[i - 1]! >= 1000);
  assert.ok(happened.length >= 4 && happened.length <= 6);
  p.dropTrigger(t);
  p.stalled(SEC, false, 12 * SEC);
  assert.ok(!t.hasHappened);
});

test("threads that wait are held up, each in its groups, but for frozen ones", () => {
  const rig = new KernRig();
  const { cpu } = rig;
  const tree = cpu.cgroups;
  const a = tree.make(tree.root, "a");
  const b = tree.make(tree.root, "b");
  assert.ok(typeof a !== "number" && typeof b !== "number");
  const [runs, waits] = [rig.thread(), rig.thread()];
  tree.root.enter(runs);
  tree.root.enter(waits);
  tree.move(runs, a);
  tree.move(waits, b);
  waits.state = "runnable";
  cpu.runq.add(waits);
  assert.equal(cpu.runq.waiting, 1);
  assert.equal(b.waiting, 1);
  cpu.stalls.look(runs, 1 * SEC);
  cpu.stalls.look(runs, 2 * SEC);
  assert.equal(tree.root.pressure[0].totalNs(false, 2 * SEC), SEC);
  assert.equal(a.pressure[0].totalNs(false, 2 * SEC), 0);
  assert.equal(b.pressure[0].totalNs(true, 2 * SEC), SEC);
  // It waits in its group when that moves, too, and not while that is frozen.
  tree.move(waits, a);
  assert.deepEqual([a.waiting, b.waiting], [1, 0]);
  cpu.stalls.look(runs, 3 * SEC);
  cpu.stalls.look(runs, 4 * SEC);
  assert.equal(a.pressure[0].totalNs(false, 4 * SEC), SEC);
  assert.equal(a.pressure[0].totalNs(true, 4 * SEC), 0);
  tree.setFrozen(a, true);
  assert.deepEqual([cpu.runq.waiting, a.waiting], [0, 0]);
  tree.setFrozen(a, false);
  assert.deepEqual([cpu.runq.waiting, a.waiting], [1, 1]);
  assert.equal(cpu.runq.next(), waits);
  assert.deepEqual([cpu.runq.waiting, a.waiting, cpu.runq.waitingGroups.size], [0, 0, 0]);
});
