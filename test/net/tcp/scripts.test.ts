/**
 * What a connection carries, segment by segment: what a correct TCP answers is in RFC 9293, 5681, 6298,
 * 6675, 8985, 7323, 2883, 1122.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startKeepalive } from "../../../src/net/tcp/timeouts.ts";
import { Script } from "./script.ts";

const CLOSE = 7;

describe("tcp sends", () => {
  it("ten segments at first, then as many more as are acknowledged (RFC 6928, 5681)", () => {
    const s = new Script();
    s.connect((c) => {
      c.buffers.sndbuf = 1e6;
      c.tp.settings.isSndbufLocked = true;
    });
    s.write(100_000);
    const first = s.drain();
    assert.equal(first.length, 10);
    assert.ok(first.every((x) => x.length === 1000));
    s.send(".", { seq: 1, ack: 2001 });
    assert.equal(s.drain().length, 4, "slow start");
  });

  it("again after a timeout that doubles, one segment only (RFC 6298 5, RFC 5681 3.1)", () => {
    const s = new Script({ sack: false });
    s.connect();
    s.write(3000);
    assert.equal(s.drain().length, 3);
    let last = 0;
    for (let i = 0; i < 4; i++) {
      const gap = s.waitForSegment();
      s.expect(".", { seq: 1, length: 1000 });
      s.nothing();
      if (i > 0) assert.equal(gap, last * 2);
      last = gap;
    }
    s.send(".", { seq: 1, ack: 3001 });
    s.wait(100_000);
    s.nothing();
  });

  it("again at the third duplicate, without SACK: fast retransmit, NewReno (RFC 6582)", () => {
    const s = new Script({ sack: false });
    s.connect((c) => {
      c.buffers.sndbuf = 1e6;
    });
    s.send(".", { seq: 1, ack: 1 });
    s.write(10_000);
    assert.equal(s.drain().length, 10);
    s.send(".", { seq: 1, ack: 1 });
    s.send(".", { seq: 1, ack: 1 });
    assert.deepEqual(s.drain(), []);
    s.send(".", { seq: 1, ack: 1 });
    s.expect(".", { seq: 1, length: 1000 });
    s.send(".", { seq: 1, ack: 4001 });
    s.expect(".", { seq: 4001, length: 1000 });
    s.send(".", { seq: 1, ack: 10_001 });
    s.wait(10_000);
    s.nothing();
    assert.equal(s.socket.tp.caState, 0);
  });

  it("just what is missing, with SACK (RFC 6675, 8985)", () => {
    const s = new Script();
    s.connect((c) => {
      c.buffers.sndbuf = 1e6;
    });
    s.write(10_000);
    s.drain();
    s.wait(10);
    s.drain();
    s.send(".", { seq: 1, ack: 1, sacks: [[1001, 2001]] });
    s.send(".", { seq: 1, ack: 1, sacks: [[1001, 3001]] });
    s.send(".", {
      seq: 1,
      ack: 1,
      sacks: [
        [1001, 3001],
        [4001, 5001],
      ],
    });
    s.waitForSegment(100);
    s.expect(".", { seq: 1, length: 1000 });
    const more = s.drain();
    s.send(".", { seq: 1, ack: 3001, sacks: [[4001, 10_001]] });
    const all = [...more, ...s.drain()].filter((x) => x.length > 0);
    assert.ok(all.some((x) => x.seq === 3001));
    assert.ok(!all.some((x) => x.seq >= 1001 && x.seq < 3001), "nothing that is there goes again");
    s.send(".", { seq: 1, ack: 10_001 });
    s.wait(10_000);
    s.drain();
    assert.equal(s.socket.tp.board.count, 0);
  });

  it("the last segment once more before a timeout: tail loss probe (RFC 8985 7)", () => {
    const s = new Script();
    s.connect();
    s.write(1000);
    s.expect("P.", { seq: 1 });
    s.wait(20);
    s.send(".", { seq: 1, ack: 1001 });
    s.write(3000);
    assert.equal(s.drain().length, 3);
    const gap = s.waitForSegment();
    s.expect("P.", { seq: 3001, length: 1000 });
    assert.ok(gap < 200, `${gap}`);
    s.wait(20);
    s.send(".", { seq: 1, ack: 1001, sacks: [[3001, 4001]] });
    s.waitForSegment(100);
    s.expect(".", { seq: 1001 });
  });

  it("nothing into a window that is shut but probes, ever more rarely (RFC 9293 3.8.6.1)", () => {
    const s = new Script();
    s.connect();
    s.write(1000);
    s.expect("P.", { length: 1000 });
    s.send(".", { seq: 1, ack: 1001, window: 0 });
    s.write(500);
    s.nothing();
    const gaps: number[] = [];
    for (let i = 0; i < 4; i++) {
      gaps.push(s.waitForSegment());
      s.expect(".", { seq: 1000, length: 0 });
      s.send(".", { seq: 1, ack: 1001, window: 0 });
    }
    assert.ok(gaps[1]! >= gaps[0]! && gaps[3]! >= gaps[2]! * 1.9, `${gaps}`);
    s.send(".", { seq: 1, ack: 1001, window: 100 });
    s.expect("P.", { seq: 1001, length: 500 });
  });

  it("at last into a window that is too small, though what opened it further was lost", () => {
    const s = new Script();
    s.connect();
    s.write(1000);
    s.expect("P.", { length: 1000 });
    s.send(".", { seq: 1, ack: 1001, window: 4 });
    s.write(2000);
    s.nothing();
    // Old data that comes again says nothing of the window.
    s.send(".", { seq: 0, ack: 1001, window: 4 });
    s.drain();
    assert.ok(s.waitForSegment() <= 1000);
    s.expect(".", { seq: 1001, length: 512 });
  });

  it("small pieces together: Nagle; unless it is told not to (RFC 1122 4.2.3.4)", () => {
    const s = new Script();
    s.connect();
    s.write(10);
    s.expect("P.", { length: 10 });
    s.write(10);
    s.write(10);
    s.nothing();
    s.send(".", { seq: 1, ack: 11 });
    s.expect("P.", { seq: 11, length: 20 });
    s.socket.tp.settings.isNodelay = true;
    s.write(10);
    s.expect("P.", { seq: 31, length: 10 });
  });

  it("what is not acknowledged for ever so long ends with ETIMEDOUT", () => {
    const s = new Script();
    s.connect((c) => {
      c.tp.settings.userTimeoutMs = 5000;
    });
    s.write(10);
    s.wait(60_000);
    assert.equal(s.state, CLOSE);
    assert.equal(s.socket.tp.error, -110);
  });
});

describe("tcp receives", () => {
  it("in order, acknowledges every second full segment at least, others soon (RFC 1122 4.2.3.2)", () => {
    const s = new Script();
    s.accept();
    s.socket.tp.quickAcks = 0;
    s.send(".", { seq: 1, ack: 1, length: 1000 });
    s.send(".", { seq: 1001, ack: 1, length: 1000 });
    s.drain();
    s.send("P.", { seq: 2001, ack: 1, length: 10 });
    s.send("P.", { seq: 2011, ack: 1, length: 10 });
    s.drain();
    s.send("P.", { seq: 2021, ack: 1, length: 10 });
    if (s.socket.tp.isAckOwed) assert.ok(s.waitForSegment(500) <= 200);
    s.drain();
    assert.equal(s.socket.tp.lastAckSent, s.socket.tp.rcvNxt);
    assert.equal(s.socket.read(), 2030);
  });

  it("out of order: says at once what it has (RFC 5681 4.2, RFC 2018)", () => {
    const s = new Script();
    s.accept();
    s.send(".", { seq: 1001, ack: 1, length: 1000 });
    s.expect(".", { ack: 1, sacks: [[1001, 2001]] });
    s.send(".", { seq: 3001, ack: 1, length: 1000 });
    s.expect(".", {
      ack: 1,
      sacks: [
        [3001, 4001],
        [1001, 2001],
      ],
    });
    s.send(".", { seq: 1001, ack: 1, length: 1000 });
    const dup = s.expect(".", { ack: 1 });
    assert.deepEqual(dup.sacks[0], [1001, 2001], "a duplicate is told: RFC 2883");
    s.send(".", { seq: 1, ack: 1, length: 1000 });
    s.expect(".", { ack: 2001, sacks: [[3001, 4001]] });
    s.send(".", { seq: 2001, ack: 1, length: 1000 });
    s.expect(".", { ack: 4001, sacks: [] });
    assert.equal(s.socket.read(), 4000);
    for (const [i, b] of s.socket.bytes.entries()) assert.equal(b, (i + 1) & 0xff);
  });

  it("tells of what came twice (RFC 2883)", () => {
    const s = new Script();
    s.accept();
    s.send(".", { seq: 1, ack: 1, length: 1000 });
    s.drain();
    s.socket.read();
    s.drain();
    s.send(".", { seq: 1, ack: 1, length: 1000 });
    s.expect(".", { ack: 1001, sacks: [[1, 1001]] });
    s.send(".", { seq: 501, ack: 1, length: 1000 });
    s.drain();
    assert.equal(s.socket.read(), 500);
  });

  it("no more than its window, and says when there is room again (RFC 9293 3.8.6.2.2)", () => {
    const s = new Script();
    s.accept((l) => {
      l.buffers.rcvbuf = 8000;
      l.settings.isRcvbufLocked = true;
    });
    for (let i = 0; i < 4; i++) s.send("P.", { seq: 1 + i * 1000, ack: 1, length: 1000 });
    s.wait(300);
    const last = s.drain().at(-1)!;
    assert.equal(last.ack, 4001);
    assert.equal(last.window, 0);
    s.send("P.", { seq: 4001, ack: 1, length: 1000 });
    s.expect(".", { ack: 4001, window: 0 });
    s.socket.read(100);
    s.nothing();
    s.socket.read();
    s.expect(".", { ack: 4001, window: 4000 });
  });

  it("ignores old timestamps but answers (RFC 7323 5.3)", () => {
    const s = new Script({ ts: true });
    s.accept();
    s.send("P.", { seq: 1, ack: 1, length: 10, tsval: 2000 });
    s.drain();
    s.send("P.", { seq: 11, ack: 1, length: 10, tsval: 1999 });
    s.expect(".", { ack: 11 });
    assert.equal(s.socket.read(), 10);
    s.send("P.", { seq: 11, ack: 1, length: 10, tsval: 2001 });
    assert.equal(s.socket.read(), 10);
  });

  it("asks whether the other side is there, and believes it is not (RFC 1122 4.2.3.6)", () => {
    const s = new Script();
    s.connect((c) => {
      Object.assign(c.tp.settings, {
        isKeepalive: true,
        keepIdleSec: 10,
        keepIntvlSec: 2,
        keepCount: 3,
      });
    });
    startKeepalive(s.socket.tp);
    assert.equal(s.waitForSegment(), 10_000);
    s.expect(".", { seq: 0, length: 0 });
    s.send(".", { seq: 1, ack: 1 });
    assert.ok(Math.abs(s.waitForSegment() - 10_000) <= 2000);
    s.expect(".", { seq: 0 });
    assert.equal(s.waitForSegment(), 2000);
    s.expect(".", { seq: 0 });
    assert.equal(s.waitForSegment(), 2000);
    s.expect(".", { seq: 0 });
    s.wait(2100);
    s.expect("R.");
    assert.equal(s.socket.tp.error, -110);
  });
});
