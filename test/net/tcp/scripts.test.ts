/**
 * Conversations after the RFCs, segment by segment: what a correct TCP answers is
 * in RFC 9293, 5681, 6298, 6675, 8985, 5961, 7323, 2883, 1122.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startKeepalive } from "../../../src/net/tcp/timeouts.ts";
import { Script } from "./script.ts";

const ESTABLISHED = 1;
const FIN_WAIT1 = 4;
const FIN_WAIT2 = 5;
const CLOSE = 7;
const CLOSE_WAIT = 8;
const LAST_ACK = 9;
const CLOSING = 11;

describe("tcp opens", () => {
  it("by a SYN with its options, and gives up after seven of them (RFC 9293 3.5, RFC 6298)", () => {
    const s = new Script();
    s.socket = s.host.connect("b", 80);
    const syn = s.expect("S", { seq: 0 });
    assert.ok(syn.tsval >= 0);
    const gaps: number[] = [];
    while (s.state !== CLOSE) {
      gaps.push(s.waitForSegment(300_000));
      if (s.drain().length === 0) break;
    }
    assert.deepEqual(gaps.slice(0, 6), [1000, 2000, 4000, 8000, 16000, 32000]);
    assert.equal(s.socket.tp.error, -110);
  });

  it("with a full first window though a SYN was lost, with one segment after two (RFC 6298 5.7)", () => {
    for (const [lost, segments] of [
      [1, 10],
      [2, 1],
    ] as const) {
      const s = new Script();
      s.socket = s.host.connect("b", 80);
      s.ourPort = 40001;
      s.peerPort = 80;
      for (let i = 0; i < lost; i++) {
        s.drain();
        s.waitForSegment();
      }
      s.drain();
      s.send("S.", { seq: 0, ack: 1 });
      s.drain();
      assert.equal(s.socket.tp.ssthresh, Number.POSITIVE_INFINITY);
      s.write(20_000);
      assert.equal(s.drain().length, segments);
    }
  });

  it("and a refusal ends it", () => {
    const s = new Script();
    s.socket = s.host.connect("b", 80);
    s.ourPort = 40001;
    s.peerPort = 80;
    s.expect("S");
    s.send("R.", { seq: 0, ack: 7 });
    s.nothing();
    assert.equal(s.state, 2, "a reset of something else is not believed");
    s.send("R", { seq: 0 });
    assert.equal(s.state, 2, "nor one that acknowledges nothing");
    s.send("R.", { seq: 0, ack: 1 });
    assert.equal(s.state, CLOSE);
    assert.equal(s.socket.tp.error, -111);
  });

  it("answers an acknowledgement of something it never sent with a reset (3.10.7.3)", () => {
    const s = new Script();
    s.socket = s.host.connect("b", 80);
    s.ourPort = 40001;
    s.peerPort = 80;
    s.expect("S");
    s.send("S.", { seq: 0, ack: 99 });
    s.expect("R", { seq: 99 });
    assert.equal(s.state, 2);
  });

  it("from both sides at once (3.5, figure 8)", () => {
    const s = new Script();
    s.socket = s.host.connect("b", 80);
    s.ourPort = 40001;
    s.peerPort = 80;
    s.expect("S");
    s.send("S", { seq: 0 });
    s.expect("S.", { seq: 0, ack: 1 });
    s.send("S.", { seq: 0, ack: 1 });
    assert.equal(s.state, ESTABLISHED);
    s.drain();
    s.write(10);
    s.expect("P.", { seq: 1, ack: 1, length: 10 });
  });

  it("as a listener: repeats its answer, refuses what fits no handshake", () => {
    const s = new Script();
    s.listener = s.host.listen(80);
    s.send(".", { seq: 5, ack: 77 });
    s.expect("R", { seq: 77 });
    s.send("S", { seq: 0 });
    s.expect("S.", { ack: 1 });
    s.send("S", { seq: 0 });
    s.expect("S.", { ack: 1 });
    assert.equal(s.waitForSegment(), 1000);
    s.expect("S.", { ack: 1 });
    s.send(".", { seq: 1, ack: 99 });
    s.expect("R", { seq: 99 });
    s.send("R", { seq: 1 });
    s.send(".", { seq: 1, ack: 1 });
    s.expect("R", { seq: 1 });
    s.wait(100_000);
    s.nothing();
  });

  it("with the data and the FIN that come with the last step", () => {
    const s = new Script();
    s.listener = s.host.listen(80);
    s.send("S", { seq: 0 });
    s.expect("S.");
    s.send("FP.", { seq: 1, ack: 1, length: 20 });
    s.socket = s.listener.accept()!;
    assert.equal(s.state, CLOSE_WAIT);
    assert.equal(s.socket.read(), 20);
    s.expect(".", { ack: 22 });
  });
});

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

describe("tcp distrusts (RFC 5961)", () => {
  it("resets that are not exactly next", () => {
    const s = new Script();
    s.accept();
    s.send("R", { seq: 500 });
    s.expect(".", { ack: 1 });
    assert.equal(s.state, ESTABLISHED);
    s.send("R", { seq: 200_000 });
    s.nothing();
    s.send("R", { seq: 1 });
    assert.equal(s.state, CLOSE);
    assert.equal(s.socket.tp.error, -104);
  });

  it("SYNs in a connection", () => {
    const s = new Script();
    s.accept();
    s.send("S", { seq: 100 });
    s.expect(".", { ack: 1 });
    s.send("S", { seq: 1 });
    s.nothing();
    s.wait(600);
    s.send("S", { seq: 1 });
    s.expect(".", { ack: 1 });
    assert.equal(s.state, ESTABLISHED);
  });

  it("acknowledgements of the future and of long ago", () => {
    const s = new Script();
    s.accept();
    s.send("P.", { seq: 1, ack: 5000, length: 10 });
    s.expect(".", { ack: 1 });
    s.wait(600);
    s.send("P.", { seq: 1, ack: -100_000_000, length: 10 });
    s.expect(".", { ack: 1 });
    assert.equal(s.socket.read(), 0);
  });

  it("and does not answer without end", () => {
    const s = new Script();
    s.accept();
    for (let i = 0; i < 100; i++) s.send("S", { seq: 100 + i });
    assert.equal(s.drain().length, 1);
  });
});

describe("tcp closes", () => {
  it("first: FIN-WAIT-1, FIN-WAIT-2, TIME-WAIT (RFC 9293 3.6, figure 12)", () => {
    const s = new Script();
    s.accept();
    s.socket.shutdown();
    s.expect("F.", { seq: 1, ack: 1 });
    assert.equal(s.state, FIN_WAIT1);
    s.send(".", { seq: 1, ack: 2 });
    assert.equal(s.state, FIN_WAIT2);
    s.send("P.", { seq: 1, ack: 2, length: 5 });
    assert.equal(s.socket.read(), 5);
    s.drain();
    s.send("F.", { seq: 6, ack: 2 });
    s.expect(".", { seq: 2, ack: 7 });
    assert.equal(s.host.timeWait.count, 1);
    s.send("F.", { seq: 6, ack: 2 });
    s.expect(".", { seq: 2, ack: 7 });
    s.wait(61_000);
    assert.equal(s.host.timeWait.count, 0);
    s.send("F.", { seq: 6, ack: 2 });
    s.expect("R", { seq: 2 });
  });

  it("second: CLOSE-WAIT, LAST-ACK", () => {
    const s = new Script();
    s.accept();
    s.send("F.", { seq: 1, ack: 1 });
    s.expect(".", { ack: 2 });
    assert.equal(s.state, CLOSE_WAIT);
    s.write(10);
    s.expect("P.", { seq: 1, length: 10 });
    s.socket.close();
    s.expect("F.", { seq: 11, ack: 2 });
    assert.equal(s.state, LAST_ACK);
    s.send(".", { seq: 2, ack: 12 });
    assert.equal(s.state, CLOSE);
    assert.equal(s.host.timeWait.count, 0);
  });

  it("at the same time: CLOSING (figure 13)", () => {
    const s = new Script();
    s.accept();
    s.socket.shutdown();
    s.expect("F.", { seq: 1 });
    s.send("F.", { seq: 1, ack: 1 });
    s.expect(".", { seq: 2, ack: 2 });
    assert.equal(s.state, CLOSING);
    s.send(".", { seq: 2, ack: 2 });
    assert.equal(s.host.timeWait.count, 1);
  });

  it("by a reset when bytes are left unread (RFC 2525 2.17) or come later", () => {
    const s = new Script();
    s.accept();
    s.send("P.", { seq: 1, ack: 1, length: 10 });
    s.drain();
    s.socket.close();
    s.expect("R.", { seq: 1 });
    const t = new Script();
    t.accept();
    t.socket.close();
    t.expect("F.");
    t.send("P.", { seq: 1, ack: 2, length: 10 });
    t.expect("R", { seq: 2 });
    assert.equal(t.state, CLOSE);
  });

  it("for good when nobody answers", () => {
    const s = new Script();
    s.accept();
    s.socket.close();
    s.wait(400_000);
    assert.equal(s.state, CLOSE);
    assert.equal(s.host.orphans, 0);
    const t = new Script();
    t.accept();
    t.socket.close();
    t.drain();
    t.send(".", { seq: 1, ack: 2 });
    assert.equal(t.state, FIN_WAIT2);
    t.wait(61_000);
    assert.equal(t.state, CLOSE);
  });

  it("and lets a new connection take over from TIME-WAIT (RFC 6191, RFC 1122 4.2.2.13)", () => {
    const s = new Script();
    s.accept();
    s.socket.shutdown();
    s.send("F.", { seq: 1, ack: 2 });
    s.drain();
    assert.equal(s.host.timeWait.count, 1);
    s.send("S", { seq: 0 });
    s.expect(".", { ack: 2 });
    s.send("S", { seq: 1000 });
    const answer = s.drain();
    assert.equal(answer.length, 1);
    assert.equal(answer[0]!.ack, 1001);
    assert.equal(s.host.timeWait.count, 0);
  });

  it("urgent data points after the urgent byte, and does not go back", () => {
    const s = new Script();
    s.accept();
    s.socket.tp.sndUp = s.socket.tp.sendbuf.end;
    s.send("U.", { seq: 1, ack: 1, length: 3, urgent: 3 });
    s.drain();
    assert.equal(s.socket.tp.urgState, 2);
    assert.equal(s.socket.tp.urgByte, 3);
    s.send("U.", { seq: 1, ack: 1, length: 3, urgent: 1 });
    assert.equal(s.socket.tp.urgByte, 3);
  });
});
