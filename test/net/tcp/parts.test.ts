/** The parts of TCP, each beside a model that is too simple to be wrong, or a published vector. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { KernelMemory } from "../../../src/kern/kmem.ts";
import { type Chunk, ChunkPool } from "../../../src/net/chunkpool.ts";
import { Mbuf } from "../../../src/net/mbuf.ts";
import { Cubic } from "../../../src/net/tcp/cubic.ts";
import { decode, encode, headerBytes } from "../../../src/net/tcp/header.ts";
import { SequenceKeys } from "../../../src/net/tcp/isn.ts";
import { Reassembly } from "../../../src/net/tcp/reassembly.ts";
import { RecvBuffer } from "../../../src/net/tcp/recvbuf.ts";
import { RttEstimator } from "../../../src/net/tcp/rtt.ts";
import { Scoreboard, SentSegment } from "../../../src/net/tcp/scoreboard.ts";
import { Segment } from "../../../src/net/tcp/segment.ts";
import { SendBuffer } from "../../../src/net/tcp/sendbuf.ts";
import { firstSeq, unwrap, wire } from "../../../src/net/tcp/seq.ts";

const u32 = fc.integer({ min: 0, max: 0xffffffff });

describe("sequence numbers", () => {
  it("unwrap to the nearest", () => {
    fc.assert(
      fc.property(
        u32,
        fc.integer({ min: 0, max: 2 ** 40 }),
        fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
        (isn, gone, offset) => {
          const near = firstSeq(isn) + gone;
          assert.equal(unwrap(near, wire(near + offset)), near + offset);
        },
      ),
    );
  });
});

describe("tcp headers", () => {
  const segment = fc.record({
    srcPort: fc.nat(65535),
    dstPort: fc.nat(65535),
    seq: u32,
    ack: u32,
    flags: fc.nat(255),
    window: fc.nat(65535),
    urgent: fc.nat(65535),
    mss: fc.nat(65535),
    wscale: fc.integer({ min: -1, max: 14 }),
    isSackPermitted: fc.boolean(),
    hasTimestamp: fc.boolean(),
    tsval: u32,
    tsecr: u32,
    sack: fc.array(u32, { minLength: 8, maxLength: 8 }),
    sackCount: fc.nat(4),
  });

  it("read as they were written", () => {
    fc.assert(
      fc.property(segment, (fields) => {
        const seg = new Segment();
        Object.assign(seg, fields);
        if (headerBytes(seg) > 60) seg.sackCount = 0;
        const view = new DataView(new ArrayBuffer(80));
        encode(seg, view, 7);
        const back = new Segment();
        assert.equal(decode(back, view, 7, headerBytes(seg)), headerBytes(seg));
        for (const key of [
          "srcPort",
          "dstPort",
          "seq",
          "ack",
          "flags",
          "window",
          "urgent",
          "mss",
          "wscale",
          "isSackPermitted",
          "hasTimestamp",
          "sackCount",
        ] as const) {
          assert.equal(back[key], seg[key], key);
        }
        if (seg.hasTimestamp) assert.deepEqual([back.tsval, back.tsecr], [seg.tsval, seg.tsecr]);
        for (let i = 0; i < 2 * seg.sackCount; i++) assert.equal(back.sack[i], seg.sack[i]);
      }),
    );
  });

  it("of any bytes are read without harm", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 80 }), (bytes) => {
        const seg = new Segment();
        const size = decode(seg, new DataView(bytes.buffer), 0, bytes.length);
        assert.ok(size === -1 || (size >= 20 && size <= 60 && size <= bytes.length));
        assert.ok(seg.sackCount <= 4 && seg.wscale <= 14);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("reassembly", () => {
  it("keeps each byte once, in order, whatever comes how", () => {
    const piece = fc.record({
      start: fc.nat(200),
      length: fc.integer({ min: 1, max: 60 }),
      takeTo: fc.nat(20),
    });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const kmem = new KernelMemory(1 << 20);
        const r = new Reassembly(kmem);
        const has = new Set<number>();
        let next = 0;
        for (const { start, length, takeTo } of pieces) {
          const from = Math.max(start, next + 1);
          const bytes = new Uint8Array(length);
          for (let i = 0; i < length; i++) bytes[i] = (from + i) & 0xff;
          r.insert(from, length, [bytes], false, 1 << 20);
          for (let i = 0; i < length; i++) has.add(from + i);
          // Now and then the hole before is filled from outside.
          if (takeTo > 15) {
            const to = next + takeTo;
            for (let at = next; at < to; at++) has.delete(at);
            next = to;
            for (;;) {
              const run = r.take(next);
              if (!run) break;
              let at = run.start;
              for (const p of run.pieces) for (const b of p) assert.equal(b, at++ & 0xff);
              assert.equal(at, run.end);
              for (let k = run.start; k < run.end; k++) assert.ok(has.delete(k) || k < next);
              next = Math.max(next, run.end);
            }
            for (const k of has) if (k < next) has.delete(k);
          }
          assert.equal(r.bytes >= has.size, true);
          assert.equal(kmem.usedBytes, r.chargedBytes);
        }
        r.clear();
        assert.equal(kmem.usedBytes, 0);
      }),
      { numRuns: 300 },
    );
  });

  it("is bounded, however small what comes is", () => {
    const kmem = new KernelMemory(1 << 30);
    const r = new Reassembly(kmem);
    for (let i = 1; i < 100_000; i++) r.insert(i * 2, 1, [new Uint8Array(1)], false, 65536);
    assert.ok(kmem.usedBytes <= 65536);
    r.clear();
    for (let i = 1; i < 100_000; i++) r.insert(i, 1, [new Uint8Array(1)], false, 65536);
    assert.ok(kmem.usedBytes <= 65536);
  });
});

describe("buffers", () => {
  it("give back what was put in, however chunks are used again", () => {
    const size = fc.oneof(fc.nat(5000), fc.nat(200_000));
    const step = fc.record({ put: size, get: size, peek: fc.nat(5000), isLost: fc.boolean() });
    const pool = new ChunkPool();
    let mostSpare = 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const kmem = new KernelMemory(1 << 24);
        const send = new SendBuffer(kmem, pool);
        const receive = new RecvBuffer(kmem);
        send.reset(1000);
        let put = 0;
        let got = 0;
        for (const { put: n, get, peek, isLost } of steps) {
          for (let left = n; left > 0; ) {
            const space = send.space(left);
            for (let i = 0; i < space.length; i++) space[i] = (put + i) % 251;
            put += space.length;
            left -= space.length;
            send.commit(space.length);
          }
          const moved = Math.min(n, send.length);
          // A packet on its way, and perhaps the same once more.
          if (isLost) send.slice(send.start, moved, []);
          const lenders: Chunk[] = [];
          assert.ok(receive.append(send.slice(send.start, moved, lenders), moved, lenders));
          send.drop(send.start + moved);
          if (peek < receive.length) {
            const window = receive.peek(peek, 10);
            assert.equal(window[0], (got + peek) % 251);
          }
          for (let left = Math.min(get, receive.length); left > 0; ) {
            const bytes = receive.peek(0, left);
            assert.ok(bytes.every((b, i) => b === (got + i) % 251));
            got += bytes.length;
            left -= bytes.length;
            receive.drop(bytes.length);
          }
        }
        send.close();
        receive.close();
        assert.equal(kmem.usedBytes, 0);
        mostSpare = Math.max(mostSpare, pool.spareCount);
      }),
      { numRuns: 200 },
    );
    assert.ok(mostSpare > 0 && mostSpare <= 64);
  });

  it("use a chunk again when all that refer to it are done, and not where a packet was seen by others", () => {
    const kmem = new KernelMemory(1 << 24);
    const pool = new ChunkPool();
    const send = new SendBuffer(kmem, pool);
    const receive = new RecvBuffer(kmem);
    const transfer = (meanwhile: (m: Mbuf) => void): void => {
      send.commit(send.space(65536).length);
      const m = Mbuf.empty();
      const lenders: Chunk[] = [];
      m.chunks = send.slice(send.start, 65536, lenders);
      m.lenders = lenders;
      meanwhile(m);
      receive.append(m.chunks, 65536, m.lenders);
      send.drop(send.end);
    };
    transfer(() => {});
    assert.equal(pool.spareCount, 0, "it waits to be read");
    receive.drop(65535);
    assert.equal(pool.spareCount, 0, "a byte of it does");
    receive.drop(1);
    assert.equal(pool.spareCount, 1);
    transfer((m) => m.clone());
    receive.drop(65536);
    assert.equal(pool.spareCount, 0, "the clone may be read still");
  });

  it("of received bytes hold few pieces, however small they come", () => {
    const kmem = new KernelMemory(1 << 24);
    const b = new RecvBuffer(kmem);
    for (let i = 0; i < 100_000; i++) assert.ok(b.append([Uint8Array.of(i)], 1));
    let pieces = 0;
    for (let at = 0; at < b.length; pieces++) at += b.peek(at, 1 << 20).length;
    assert.ok(pieces <= 30, `${pieces}`);
    b.close();
  });
});

describe("the scoreboard", () => {
  it("always knows its sums", () => {
    const op = fc.record({
      kind: fc.nat(5),
      at: fc.nat(40),
      length: fc.integer({ min: 2, max: 50 }),
    });
    fc.assert(
      fc.property(fc.array(op, { maxLength: 100 }), (ops) => {
        const b = new Scoreboard();
        let end = 0;
        for (const { kind, at, length } of ops) {
          let s = b.head;
          for (let i = 0; s && i < at; i++) s = s.next;
          if (kind === 0 || !s) {
            b.push(new SentSegment(end, end + length, 0, 1));
            end += length;
          } else if (kind === 1) b.markSacked(s);
          else if (kind === 2) b.markLost(s);
          else if (kind === 3 && !s.isSacked) b.markRetransmitted(s, 2);
          else if (kind === 4 && s.end - s.start > 1) b.split(s, s.start + 1);
          else if (kind === 5) b.shift();
          const sums = { sacked: 0, lost: 0, retrans: 0, count: 0 };
          for (let x = b.head; x; x = x.next) {
            sums.count++;
            if (x.isSacked) sums.sacked += x.end - x.start;
            if (x.isLost) sums.lost += x.end - x.start;
            if (x.isRetransmitted) sums.retrans += x.end - x.start;
            if (!x.next) assert.equal(b.tail, x);
          }
          assert.deepEqual(sums, {
            sacked: b.sackedBytes,
            lost: b.lostBytes,
            retrans: b.retransBytes,
            count: b.count,
          });
        }
      }),
    );
  });
});

describe("round trips", () => {
  it("follow RFC 6298", () => {
    const r = new RttEstimator();
    assert.equal(r.rtoNs, 1e9);
    r.sample(100e6, 0);
    assert.equal(r.srttNs, 100e6);
    assert.equal(r.rttvarNs, 50e6);
    assert.equal(r.rtoNs, 300e6);
    r.sample(200e6, 0);
    assert.equal(r.rttvarNs, 62.5e6);
    assert.equal(r.srttNs, 112.5e6);
    r.backOff();
    assert.equal(r.rtoNs, 2 * (112.5e6 + 250e6));
    for (let i = 0; i < 20; i++) r.backOff();
    assert.equal(r.rtoNs, 120e9);
  });
});

describe("cubic", () => {
  it("comes back to the window of the loss after K seconds, slowly near it (RFC 9438 4.2)", () => {
    const c = new Cubic();
    const mss = 1000;
    const view = {
      mss,
      cwnd: 1000 * mss,
      ssthresh: Number.POSITIVE_INFINITY,
      srttNs: 100e6,
      minRttNs: 100e6,
    };
    view.ssthresh = c.ssthresh(view);
    assert.equal(view.ssthresh, 700 * mss);
    view.cwnd = view.ssthresh;
    const k = Math.cbrt(300 / 0.4);
    const at: Record<number, number> = {};
    for (let round = 0; round <= 200; round++) {
      const now = 1e9 + round * 100e6;
      // A window's worth of acknowledgements per round trip.
      for (let i = 0; i < 10; i++) c.acked(view, view.cwnd / 10, now);
      at[round] = view.cwnd / mss;
    }
    const atK = at[Math.round(k * 10)]!;
    assert.ok(Math.abs(atK - 1000) < 15, `${atK} segments after K = ${k} s`);
    assert.ok(at[10]! > 780 && at[10]! < 800, `${at[10]} after a second: 1000 - 0.4 (K - 1.1)^3`);
    assert.ok(at[200]! > 1400, "then it looks for more");
  });
});

describe("initial sequence numbers", () => {
  it("are others for other keys and flows, and go on with time", () => {
    const a = new SequenceKeys(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    const b = new SequenceKeys(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 9));
    const flow = {
      laddr: "\x7f\0\0\x01",
      lport: 80,
      faddr: "\x0a\0\0\x01",
      fport: 1000,
      ifindex: 0,
    };
    assert.notEqual(a.initialSeq(flow, 0), b.initialSeq(flow, 0));
    assert.notEqual(a.initialSeq(flow, 0), a.initialSeq({ ...flow, fport: 1001 }, 0));
    assert.equal((a.initialSeq(flow, 64e3) - a.initialSeq(flow, 0)) >>> 0, 1000);
    const seen = new Set<number>();
    for (let port = 0; port < 20_000; port++)
      seen.add(a.initialSeq({ ...flow, fport: port }, 0) >>> 12);
    assert.ok(seen.size > 19_500, "as good as random");
  });
});
