/** The wall clock: exact pairs of seconds and nanoseconds, whatever they are set to. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KernRig } from "./rig.ts";

const NS = 1_000_000_000n;
const nsOf = (t: { sec: number; nsec: number }): bigint => BigInt(t.sec) * NS + BigInt(t.nsec);

const second = fc.integer({ min: 0, max: 2 ** 40 });
const nano = fc.integer({ min: 0, max: 999_999_999 });
const uptime = fc.integer({ min: 0, max: 2 ** 52 });

test("the wall clock is the epoch of boot and the time since", () => {
  fc.assert(
    fc.property(second, nano, uptime, (sec, nsec, ns) => {
      const rig = new KernRig(sec, nsec);
      rig.nowNs = ns;
      const t = rig.clock.realtime();
      assert.equal(nsOf(t), nsOf({ sec, nsec }) + BigInt(ns));
      assert.ok(t.nsec >= 0 && t.nsec < 1e9);
    }),
  );
});

test("what it is set to it shows, and goes on from there", () => {
  fc.assert(
    fc.property(second, nano, uptime, fc.nat(1e9), (sec, nsec, ns, later) => {
      const rig = new KernRig(1_700_000_000, 5);
      rig.nowNs = ns;
      rig.clock.setRealtime({ sec, nsec });
      assert.deepEqual(rig.clock.realtime(), { sec, nsec });
      rig.nowNs += later;
      assert.equal(nsOf(rig.clock.realtime()), nsOf({ sec, nsec }) + BigInt(later));
      assert.equal(rig.clock.monotonicNs(), ns + later);
    }),
  );
});

test("a time of day in the near future is so far off on the monotonic clock", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 33 }), nano, fc.nat(2 ** 40), (sec, nsec, ns) => {
      const rig = new KernRig(sec, nsec);
      const t = rig.clock.realtimeAt(ns);
      assert.equal(rig.clock.monotonicAt(t), ns);
    }),
  );
});
