/** Timers for a time of day when the wall clock is set: timerfd_create(2), TFD_TIMER_CANCEL_ON_SET. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EAGAIN, ECANCELED } from "../../src/abi/errno.ts";
import { O_NONBLOCK } from "../../src/abi/fcntl.ts";
import { POLLIN, POLLRDNORM } from "../../src/abi/poll.ts";
import { CLOCK_REALTIME } from "../../src/abi/time.ts";
import { anonAttr } from "../../src/vfs/anon.ts";
import { TimerFile } from "../../src/vfs/timerfd.ts";
import { World } from "./harness.ts";

const SEC = 1e9;
const READY = POLLIN | POLLRDNORM;

function timerIn(world: World, seconds: number, isCancelable: boolean): TimerFile {
  const { cpu, vfs, td } = world;
  const fp = new TimerFile(CLOCK_REALTIME, cpu, O_NONBLOCK, anonAttr(vfs, td.cred));
  const now = cpu.clock.realtime();
  fp.setAtWall({ sec: now.sec + seconds, nsec: now.nsec }, 0, isCancelable);
  return fp;
}

function setClock(world: World, bySec: number): void {
  const { clock } = world.cpu;
  const now = clock.realtime();
  clock.setRealtime({ sec: now.sec + bySec, nsec: now.nsec });
}

function pass(world: World, seconds: number): void {
  world.time.nowNs += seconds * SEC;
  world.cpu.callouts.run(world.time.nowNs);
}

test("a timer for a time of day comes when the clock shows it, however it got there", () => {
  const world = new World();
  const fp = timerIn(world, 100, false);
  setClock(world, 90);
  assert.equal(fp.remainingNs(), 10 * SEC);
  pass(world, 9);
  assert.equal(fp.poll(world.td, null), 0);
  setClock(world, -50);
  pass(world, 50);
  assert.equal(fp.poll(world.td, null), 0);
  pass(world, 1);
  assert.equal(fp.poll(world.td, null), READY);
});

test("one that asked for it tells its reader once that the clock was set", () => {
  const world = new World();
  const fp = timerIn(world, 100, true);
  assert.equal(fp.poll(world.td, null), 0);
  setClock(world, 1);
  assert.equal(fp.poll(world.td, null), READY);
  assert.equal(world.read(fp, 8), ECANCELED);
  assert.equal(world.read(fp, 8), EAGAIN);
  assert.equal(fp.remainingNs(), 99 * SEC);
});

test("a timer that was closed or armed anew minds the clock no more", () => {
  const world = new World();
  const fp = timerIn(world, 100, true);
  fp.set(world.time.nowNs + 5 * SEC, 0);
  setClock(world, 1000);
  assert.equal(fp.poll(world.td, null), 0);
  assert.equal(fp.remainingNs(), 5 * SEC);
  timerIn(world, 100, true).release();
  assert.ok(world.cpu.clock.wasSet.isEmpty);
});
