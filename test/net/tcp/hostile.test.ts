/**
 * Segments that nobody in his right mind would send, into every state: nothing
 * breaks, what is remembered stays bounded and adds up, and it can be closed afterwards.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KernelMemory } from "../../../src/kern/kmem.ts";
import { Segment, TH_ACK, TH_SYN } from "../../../src/net/tcp/segment.ts";
import { wire } from "../../../src/net/tcp/seq.ts";
import type { Tcb } from "../../../src/net/tcp/tcb.ts";
import { connected, MS, randomFrom, SEC, type SimSocket, World } from "./sim.ts";

function checkBlock(tp: Tcb): void {
  if (tp.state === 7) return;
  assert.ok(tp.sndUna <= tp.sndNxt, "una, nxt");
  let at = tp.sndUna;
  let count = 0;
  for (let s = tp.board.head; s; s = s.next, count++) {
    assert.equal(s.start, at, "the scoreboard has no gaps");
    at = s.end;
  }
  assert.equal(at, tp.sndNxt, "and covers all");
  assert.equal(count, tp.board.count);
  assert.ok(tp.sndNxt <= tp.sndEnd);
  assert.ok(tp.inFlight >= 0, "in flight");
  assert.ok(tp.cwnd >= 0 && Number.isFinite(tp.cwnd));
  assert.ok(tp.recvbuf.length <= tp.buffers.rcvbuf);
  assert.ok(tp.reasm.chargedBytes <= Math.max(tp.buffers.rcvbuf, 4096) + 1024);
  assert.ok(tp.copied + tp.recvbuf.length <= tp.rcvNxt);
}

/** Something like what is expected, mostly. */
function evil(seg: Segment, tp: Tcb, random: () => number): void {
  const near = (of: number): number => {
    const r = random();
    if (r < 0.4) return of;
    if (r < 0.7) return of + Math.floor((random() - 0.5) * 5000);
    if (r < 0.9) return of + Math.floor((random() - 0.5) * 300_000);
    return Math.floor(random() * 2 ** 32);
  };
  seg.reset();
  seg.flags = random() < 0.7 ? TH_ACK : Math.floor(random() * 256);
  if (random() < 0.2) seg.flags |= 1 << Math.floor(random() * 8);
  seg.seq = wire(Math.max(near(tp.rcvNxt), 0));
  seg.ack = wire(Math.max(near(random() < 0.5 ? tp.sndNxt : tp.sndUna), 0));
  seg.window = random() < 0.2 ? 0 : Math.floor(random() * 65536);
  seg.urgent = Math.floor(random() * 65536);
  if (random() < 0.5) {
    seg.hasTimestamp = true;
    seg.tsval =
      random() < 0.6
        ? (tp.tsRecent + Math.floor(random() * 10)) >>> 0
        : Math.floor(random() * 2 ** 32);
    seg.tsecr = Math.floor(random() * 2 ** 32);
  }
  if (random() < 0.3) {
    seg.sackCount = 1 + Math.floor(random() * 4);
    for (let i = 0; i < 2 * seg.sackCount; i++) seg.sack[i] = wire(Math.max(near(tp.sndUna), 0));
  }
  if ((seg.flags & TH_SYN) !== 0 && random() < 0.5) {
    seg.mss = Math.floor(random() * 2000);
    seg.wscale = Math.floor(random() * 15);
  }
  if (random() < 0.5) {
    const length = Math.floor(random() ** 3 * 3000);
    if (length > 0) seg.setData([new Uint8Array(length)], length);
  }
}

describe("hostile segments", () => {
  it("do no harm in any state", () => {
    const reached = new Set<number>();
    for (let seed = 1; seed <= 1000; seed++) {
      const world = new World(seed, { delayNs: MS });
      const random = randomFrom(seed * 77);
      const { a, b, client, server } = connected(world, (s) => {
        if (seed % 3 === 0) s.host.tunables.sack.set(0);
        if (seed % 5 === 0) s.host.tunables.timestamps.set(0);
      });
      const seg = new Segment();
      const ends: SimSocket[] = [client, server];
      // What both say goes nowhere from now on: only the stranger is heard.
      world.filter = () => random() < 0.1;
      for (let i = 0; i < 120; i++) {
        const s = ends[i & 1]!;
        const r = random();
        if (r < 0.2 && !s.tp.isSndShutdown && s.tp.state !== 7)
          s.write(new Uint8Array(Math.floor(random() * 20_000)));
        else if (r < 0.25) s.shutdown();
        else if (r < 0.3) s.read(Math.floor(random() * 5000));
        else if (r < 0.31 && !s.isClosed && !s.tp.isOrphan) s.close();
        else if (r < 0.4) world.run(random() * 3 * SEC);
        else {
          evil(seg, s.tp, random);
          const { flow } = s.tp;
          seg.srcPort = flow.fport;
          seg.dstPort = flow.lport;
          s.host.segment(flow.faddr, seg);
        }
        reached.add(s.tp.state);
        checkBlock(client.tp);
        checkBlock(server.tp);
        assert.ok(a.kmem.usedBytes < 1e7 && b.kmem.usedBytes < 1e7);
      }
      for (const s of ends) {
        if (s.tp.state !== 7 && !s.tp.isOrphan) s.close();
        else if (!s.tp.isOrphan && s.tp.recvbuf.length > 0) s.read();
      }
      world.run(4000 * SEC);
      assert.ok(
        client.isDead && server.isDead,
        `seed ${seed}: ${client.tp.state} ${server.tp.state}`,
      );
      b.listeners.get(80)!.listener.close();
      world.run(200 * SEC);
      assert.equal(
        world.callouts.nextDeadlineNs,
        Number.POSITIVE_INFINITY,
        `seed ${seed}: a timer is left`,
      );
      assert.equal(a.orphans + b.orphans, 0);
    }
    for (const state of [1, 4, 5, 7, 8, 9, 11])
      assert.ok(reached.has(state), `state ${state} was tried`);
  });

  it("of handshakes fill no more than the queue", () => {
    const world = new World(1, { delayNs: MS });
    const h = world.host("a", 1500, new KernelMemory(1 << 24));
    h.listen(80, 100);
    const seg = new Segment();
    for (let i = 0; i < 20_000; i++) {
      seg.reset();
      seg.flags = TH_SYN;
      seg.srcPort = i & 0xffff;
      seg.dstPort = 80;
      seg.seq = i * 12345;
      h.segment(`x${i >> 8}`, seg);
    }
    assert.ok(h.listeners.get(80)!.listener.handshakes <= 100);
    assert.ok(h.kmem.usedBytes < 1e5);
    world.run(300 * SEC);
    assert.equal(h.listeners.get(80)!.listener.handshakes, 0);
    assert.equal(h.kmem.usedBytes, 0);
  });

  it("of handshakes keep nobody out who answers: SYN cookies (RFC 4987)", () => {
    for (const options of ["", "nots"]) {
      const world = new World(3, { delayNs: MS });
      const a = world.host("a");
      const b = world.host("b");
      if (options === "nots") a.tunables.timestamps.set(0);
      const l = b.listen(80, 16);
      const seg = new Segment();
      for (let i = 0; i < 1000; i++) {
        seg.reset();
        seg.flags = TH_SYN;
        seg.srcPort = i;
        seg.dstPort = 80;
        b.segment("nobody", seg);
      }
      assert.ok(b.mib.SyncookiesSent > 900);
      const before = l.listener.handshakes;
      const client = a.connect("b", 80);
      world.run(10 * MS);
      assert.equal(client.tp.state, 1);
      const server = l.accept()!;
      assert.ok(server, "the cookie is a connection");
      assert.equal(l.listener.handshakes, before);
      assert.equal(server.tp.hasSack, options === "");
      assert.equal(server.tp.sndWscale, client.tp.rcvWscale);
      assert.ok(server.tp.mss > 1200);
      client.write(new Uint8Array(5000));
      world.run(SEC, () => server.read() + server.receivedBytes >= 5000);
      assert.equal(server.receivedBytes, 5000);
      // What was made up is no cookie.
      for (let i = 0; i < 1000; i++) {
        seg.reset();
        seg.flags = TH_ACK;
        seg.srcPort = i + 2000;
        seg.dstPort = 80;
        seg.seq = i * 7919;
        seg.ack = i * 104729;
        b.segment("nobody", seg);
      }
      assert.equal(b.mib.SyncookiesRecv, 1);
    }
  });

  it("of TIME-WAITs neither", () => {
    const world = new World(1, { delayNs: 0 });
    const a = world.host("a");
    const b = world.host("b");
    a.tunables.maxTwBuckets.set(50);
    const l = b.listen(80, 1000);
    for (let i = 0; i < 100; i++) {
      const c = a.connect("b", 80);
      world.run(MS);
      const s = l.accept()!;
      c.close();
      world.run(MS);
      s.close();
      world.run(MS);
    }
    assert.equal(a.timeWait.count, 50);
    world.run(61 * SEC);
    assert.equal(a.timeWait.count, 0);
    assert.equal(a.kmem.usedBytes, 0);
  });

  it("do not make a sender walk without end", () => {
    const world = new World(1, { delayNs: 10 * MS });
    const { client } = connected(world, (s) => {
      s.buffers.sndbuf = 4e6;
      s.tp.settings.isSndbufLocked = true;
      s.tp.settings.isNodelay = true;
    });
    client.tp.cwnd = 1e9;
    client.tp.sndWnd = 1e9;
    for (let i = 0; i < 30_000 && client.tp.sndUsed < 4e6; i++) client.write(new Uint8Array(1));
    assert.ok(client.tp.board.count < 20_000, "what is under way is charged by the segment");
  });
});
