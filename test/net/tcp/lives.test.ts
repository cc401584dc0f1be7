/**
 * How connections begin and end, segment by segment, and whom they do not believe: RFC 9293, 5961, 6191, 1122.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
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
