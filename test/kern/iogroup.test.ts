/** io.max: what a group transfers is owed for, at the rates of the group and of all above it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { IoGroup } from "../../src/kern/cgroup/iogroup.ts";

const DISK = 254 * 256;
const OTHER = 255 * 256;
const MIB = 2 ** 20;

/** One that waits as it is told: how long `count` transfers take, in seconds. */
function transfer(
  group: IoGroup,
  rdev: number,
  count: number,
  bytes: number,
  isWrite: boolean,
): number {
  let now = 1e12;
  for (let i = 0; i < count; i++) now = Math.max(now, group.transferred(rdev, bytes, isWrite, now));
  return (now - 1e12) / 1e9;
}

test("bytes and transfers a second are kept, reads and writes apart", () => {
  const fresh = (): IoGroup => {
    const group = new IoGroup(null);
    group.use(DISK).limits = { rbps: 10 * MIB, wbps: MIB, riops: Infinity, wiops: 100 };
    return group;
  };
  assert.ok(Math.abs(transfer(fresh(), DISK, 100, MIB, false) - 10) < 0.3);
  assert.ok(Math.abs(transfer(fresh(), DISK, 10, MIB, true) - 10) < 0.3);
  assert.ok(Math.abs(transfer(fresh(), DISK, 1000, 512, true) - 10) < 0.3);
  assert.equal(transfer(fresh(), OTHER, 1000, MIB, true), 0);
});

test("the narrowest limit of those above counts, and all count the transfer", () => {
  const top = new IoGroup(null);
  const below = new IoGroup(top);
  const beside = new IoGroup(top);
  top.use(DISK).limits = { rbps: MIB, wbps: Infinity, riops: Infinity, wiops: Infinity };
  below.use(DISK).limits = { rbps: 8 * MIB, wbps: Infinity, riops: Infinity, wiops: Infinity };
  assert.ok(Math.abs(transfer(below, DISK, 10, MIB, false) - 10) < 0.3);
  // What the other did is owed for by all who share the limit.
  assert.ok(transfer(beside, DISK, 10, MIB, false) > 10);
  assert.equal(top.use(DISK).reads, 20);
  assert.equal(below.use(DISK).readBytes, 10 * MIB);
  assert.equal(beside.use(DISK).writes, 0);
});

test("nobody saves up for long", () => {
  const group = new IoGroup(null);
  group.use(DISK).limits = { rbps: MIB, wbps: MIB, riops: Infinity, wiops: Infinity };
  assert.equal(group.transferred(DISK, 64 * 1024, true, 1e15), 0);
  assert.ok(group.transferred(DISK, 4 * MIB, true, 1e15) >= 1e15 + 3.9e9);
});
