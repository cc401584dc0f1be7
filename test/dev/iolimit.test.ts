/** What a disk may do in a second: who pays, and how much. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { IoLimit } from "../../src/dev/iolimit.ts";
import type { Cpu } from "../../src/kern/cpu.ts";

const MS = 1e6;

function rig(iops: number, bytesPerSec: number) {
  const td = { payUntilNs: 0 };
  const state = { nowNs: 1e9, current: td as { payUntilNs: number } | null, needResched: false };
  const cpu = {
    clock: { monotonicNs: () => state.nowNs },
    get current() {
      return state.current;
    },
    set needResched(value: boolean) {
      state.needResched = value;
    },
  } as unknown as Cpu;
  return { limit: new IoLimit({ iops, bytesPerSec }, cpu), td, state };
}

it("a tenth of a second's worth is free, and the rest is slept for", () => {
  const { limit, td, state } = rig(0, 1000);
  limit.charge(100);
  assert.equal(td.payUntilNs, 0);
  assert.equal(state.needResched, false);
  limit.charge(500);
  assert.equal(td.payUntilNs, state.nowNs + 500 * MS);
  assert.equal(state.needResched, true);
});

it("transfers and bytes are limited each for itself", () => {
  const { limit, td, state } = rig(10, 1000);
  limit.charge(0);
  assert.equal(td.payUntilNs, 0);
  limit.charge(0);
  assert.equal(td.payUntilNs, state.nowNs + 100 * MS);
  limit.charge(1000);
  assert.equal(td.payUntilNs, state.nowNs + 1100 * MS);
});

it("what nobody did on his own account is paid by whoever uses the disk next", () => {
  const { limit, td, state } = rig(0, 1000);
  state.current = null;
  limit.charge(1100);
  assert.equal(td.payUntilNs, 0);
  state.current = td;
  state.nowNs += 400 * MS;
  limit.charge(100);
  assert.equal(td.payUntilNs, state.nowNs + 700 * MS);
});

it("time that passes pays, and what is not used is not saved up", () => {
  const { limit, td, state } = rig(0, 1000);
  for (let i = 0; i < 50; i++) {
    state.nowNs += 1000 * MS;
    limit.charge(100);
    assert.equal(td.payUntilNs, 0);
  }
  limit.charge(200);
  assert.equal(td.payUntilNs, state.nowNs + 200 * MS);
});
