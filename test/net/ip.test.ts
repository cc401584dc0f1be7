/** The IP layer over a wire whose other end is the test: answers, errors, fragments, forwarding, routes. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ENOBUFS, failed } from "../../src/abi/errno.ts";
import { KernelMemory } from "../../src/kern/kmem.ts";
import { addr4, isInPrefix, parseAddr, prefixOf } from "../../src/net/address.ts";
import { type IpHow, ipOutput } from "../../src/net/ip/output.ts";
import { findPath } from "../../src/net/ip/path.ts";
import { Mbuf } from "../../src/net/mbuf.ts";
import { Fib } from "../../src/net/route.ts";
import { RouteEntry } from "../../src/net/routeentry.ts";
import { addWire, icmp, icmp6, ip4, ip6, isSound, makeNet, random, udp } from "./wire.ts";

const US = "192.0.2.1";
const THEM = "192.0.2.2";
const US6 = "2001:db8::1";
const THEM6 = "2001:db8::2";
const DATA = Uint8Array.from({ length: 100 }, (_, i) => i);

function be16(p: Uint8Array, at: number): number {
  return p[at]! * 256 + p[at + 1]!;
}

describe("IPv4", () => {
  it("answers echo requests with the same bytes", () => {
    const { wire } = makeNet();
    wire.arrive(ip4({ src: THEM, dst: US, proto: 1 }, icmp(8, 0, 0x12340001, DATA)));
    const [p, ...more] = wire.take();
    assert.equal(more.length, 0);
    assert.ok(isSound(p!));
    assert.deepEqual([p![9], p![20], p![21]], [1, 0, 0]);
    assert.deepEqual(p!.subarray(24), icmp(8, 0, 0x12340001, DATA).subarray(4));
    assert.deepEqual(p!.subarray(12, 16), Uint8Array.of(192, 0, 2, 1));
  });

  it("does not answer broadcasts, groups, martians, or packets for others", () => {
    const { wire } = makeNet();
    const echo = icmp(8, 0, 1, DATA);
    for (const [src, dst] of [
      [THEM, "192.0.2.255"],
      [THEM, "255.255.255.255"],
      [THEM, "224.0.0.1"],
      ["127.0.0.1", US],
      [THEM, "127.0.0.1"],
      ["224.0.0.1", US],
      ["255.255.255.255", US],
      ["0.0.0.0", US],
      [US, US],
      ["240.1.2.3", US],
      [THEM, "198.51.100.7"],
      [THEM, "0.0.0.0"],
    ] as const) {
      wire.arrive(ip4({ src, dst, proto: 1 }, echo));
      assert.deepEqual(wire.take(), [], `${src} > ${dst}`);
    }
  });

  it("says that a port or protocol is unreachable, and quotes the packet", () => {
    const { wire } = makeNet();
    const packet = ip4({ src: THEM, dst: US, proto: 17 }, udp(THEM, 1000, US, 9, DATA));
    wire.arrive(packet);
    wire.arrive(ip4({ src: THEM, dst: US, proto: 250 }, DATA));
    const [a, b] = wire.take();
    assert.deepEqual([a![20], a![21], b![20], b![21]], [3, 3, 3, 2]);
    assert.ok(isSound(a!) && isSound(b!));
    assert.deepEqual(a!.subarray(28), packet);
  });

  it("says so to one peer no more than six times in a row", () => {
    const { stack, wire } = makeNet();
    // So that time does not count.
    stack.ip4.icmpRatelimit.set(0x7fffffff);
    const answers = (src: string): number => {
      for (let i = 0; i < 20; i++) wire.arrive(ip4({ src, dst: US, proto: 250 }, DATA));
      return wire.take().length;
    };
    assert.deepEqual([answers(THEM), answers("192.0.2.3"), answers(THEM)], [6, 6, 0]);
    wire.arrive(ip4({ src: THEM, dst: US, proto: 1 }, icmp(8, 0, 1, DATA)));
    assert.equal(wire.take().length, 1, "echoes are not limited");
  });

  it("never answers an error with an error, or a fragment that is not the first", () => {
    const { wire } = makeNet();
    const lost = ip4({ src: US, dst: THEM, proto: 250 }, DATA);
    wire.arrive(ip4({ src: THEM, dst: US, proto: 1 }, icmp(3, 2, 0, lost)));
    const field = 0x2000 | 10;
    wire.arrive(ip4({ src: THEM, dst: US, proto: 250, frag: field }, DATA.subarray(0, 96)));
    assert.deepEqual(wire.take(), []);
  });

  it("puts fragments together in any order, and answers the whole", () => {
    const next = random(7);
    const { wire } = makeNet();
    for (let round = 0; round < 50; round++) {
      const length = 8 + next(4000);
      const whole = icmp(
        8,
        0,
        round,
        Uint8Array.from({ length }, () => next(256)),
      );
      const pieces: Uint8Array[] = [];
      for (let at = 0; at < whole.length; ) {
        const n = Math.min(8 * (1 + next(60)), whole.length - at);
        const isLast = at + n === whole.length;
        const frag = (at >> 3) | (isLast ? 0 : 0x2000);
        pieces.push(
          ip4({ src: THEM, dst: US, proto: 1, id: round, frag }, whole.subarray(at, at + n)),
        );
        at += n;
      }
      for (let i = pieces.length - 1; i > 0; i--) {
        const k = next(i + 1);
        [pieces[i], pieces[k]] = [pieces[k]!, pieces[i]!];
      }
      // One of them twice.
      const doubled = pieces[next(pieces.length)]!;
      if (pieces.length > 1) wire.arrive(doubled);
      for (const p of pieces) wire.arrive(p);
      const answer = joined4(wire.take());
      assert.deepEqual(answer.subarray(4), whole.subarray(4));
    }
  });

  it("throws packets away whose pieces overlap, and forgets them", () => {
    const { stack, wire } = makeNet();
    const before = stack.kmem.usedBytes;
    const piece = (offset: number, n: number, more: boolean): void =>
      wire.arrive(
        ip4(
          { src: THEM, dst: US, proto: 1, frag: (offset >> 3) | (more ? 0x2000 : 0) },
          DATA.subarray(0, n),
        ),
      );
    piece(0, 16, true);
    piece(8, 16, true);
    assert.equal(stack.fragments.count(false), 0);
    assert.equal(stack.kmem.usedBytes, before);
    piece(24, 8, false);
    piece(40, 8, false);
    assert.equal(stack.fragments.count(false), 0);
    assert.equal(stack.mib.ip.get("ReasmFails"), 2);
    assert.deepEqual(wire.take(), []);
  });

  it("keeps no more of fragments than net.ipv4.ipfrag_high_thresh, and not for ever", () => {
    const { kernel, stack, wire } = makeNet();
    // No more errors than a burst of them.
    stack.ip4.icmpMsgsPerSec.set(0);
    stack.ip4.icmpRatelimit.set(0);
    const before = stack.kmem.usedBytes;
    const body = new Uint8Array(1400);
    for (let id = 0; id < 6000; id++) {
      wire.arrive(ip4({ src: THEM, dst: US, proto: 1, id, frag: 0x2000 }, body));
    }
    assert.ok(stack.fragments.bytes4 <= 4194304 && stack.fragments.bytes4 > 3e6);
    const { callouts } = kernel.kernel.cpu;
    const sent = wire.take().length;
    for (let i = 0; i < 10; i++) callouts.run(stack.nowNs() + 31e9);
    assert.equal(stack.fragments.count(false), 0);
    assert.equal(stack.kmem.usedBytes, before);
    // "Fragment reassembly time exceeded", as many as the limit of a second.
    const errors = wire.take();
    assert.deepEqual([sent, errors.length], [0, 50]);
    assert.deepEqual([errors[0]![20], errors[0]![21]], [11, 1]);
  });

  it("cuts packets that are longer than the path", () => {
    const { stack, wire } = makeNet();
    const path = findPath(stack, { dst: parseAddr(THEM)! });
    assert.ok(!failed(path));
    assert.equal(path.mtu, 1500);
    const bytes = Uint8Array.from({ length: 9001 }, (_, i) => i * 7);
    const how = { src: "", dst: path.dst, proto: 250, ttl: 9, tos: 0, isUncut: false };
    assert.equal(ipOutput(stack, Mbuf.referring([bytes], bytes.length), path, how), 0);
    const pieces = wire.take();
    assert.ok(pieces.length === 7 && pieces.every((p) => p.length <= 1500 && isSound(p)));
    assert.deepEqual(joined4(pieces), bytes);
    const uncut = { ...how, isUncut: true };
    assert.equal(ipOutput(stack, Mbuf.referring([bytes], bytes.length), path, uncut), -90);
  });

  it("learns how long packets may be from ICMP, of its own packets only", () => {
    const { stack, wire } = makeNet();
    const mtu = (): number => {
      const path = findPath(stack, { dst: parseAddr(THEM)! });
      return failed(path) ? path : path.mtu;
    };
    const quote = (src: string): Uint8Array =>
      ip4({ src, dst: THEM, proto: 17 }, udp(src, 1, THEM, 2, DATA));
    wire.arrive(ip4({ src: THEM, dst: US, proto: 1 }, icmp(3, 4, 1000, quote("198.51.100.1"))));
    assert.equal(mtu(), 1500);
    wire.arrive(ip4({ src: THEM, dst: US, proto: 1 }, icmp(3, 4, 1000, quote(US))));
    assert.equal(mtu(), 1000);
    wire.arrive(ip4({ src: THEM, dst: US, proto: 1 }, icmp(3, 4, 68, quote(US))));
    assert.equal(mtu(), 552, "not less than anybody needs");
  });

  it("passes packets on where it may, and says why not", () => {
    const { stack, wire } = makeNet();
    const other = addWire(stack, "wire1", "198.51.100.1", "2001:db8:1::1", 1000);
    const packet = (ttl: number, n: number, frag = 0): Uint8Array =>
      ip4({ src: THEM, dst: "198.51.100.9", proto: 250, ttl, frag }, new Uint8Array(n));
    wire.arrive(packet(64, 10));
    assert.equal(other.take().length + wire.take().length, 0, "no router by default");
    stack.ip4.ipForward.set(1);
    wire.arrive(packet(64, 10));
    const [p] = other.take();
    assert.ok(p![8] === 63 && isSound(p!));
    wire.arrive(packet(1, 10));
    assert.deepEqual(
      wire.take().map((e) => [e[20], e[21]]),
      [[11, 0]],
    );
    wire.arrive(packet(64, 1200, 0x4000));
    const [e] = wire.take();
    assert.deepEqual([e![20], e![21], be16(e!, 26)], [3, 4, 1000]);
    wire.arrive(packet(64, 1200));
    assert.equal(other.take().length, 2, "cut");
    wire.arrive(ip4({ src: THEM, dst: "203.0.113.1", proto: 250 }, DATA));
    assert.equal(
      wire.take().length + other.take().length,
      0,
      "no route: not even to the local table",
    );
  });

  it("drops source routes and points at broken options", () => {
    const { wire } = makeNet();
    const echo = icmp(8, 0, 1, DATA);
    const send = (options: number[]): Uint8Array[] => {
      wire.arrive(ip4({ src: THEM, dst: US, proto: 1, options: Uint8Array.from(options) }, echo));
      return wire.take();
    };
    assert.equal(send([1, 1, 1, 0])[0]![20 + 4], 0, "no-operations are copied to the answer");
    assert.deepEqual(send([131, 7, 4, 1, 2, 3, 4, 0]), []);
    const [bad] = send([7, 200, 4, 0]);
    assert.deepEqual([bad![20], bad![24]], [12, 20]);
    assert.deepEqual(send([7, 1, 4, 0])[0]![20], 12);
    const [recorded] = send([7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert.deepEqual([...recorded!.subarray(20, 31)], [7, 11, 12, 192, 0, 2, 1, 192, 0, 2, 1]);
  });
});

/** The payload of the pieces of a packet, which need not be cut. */
function joined4(pieces: readonly Uint8Array[]): Uint8Array {
  let end = 0;
  for (const p of pieces) end = Math.max(end, (be16(p, 6) & 0x1fff) * 8 + p.length - 20);
  const out = new Uint8Array(end);
  for (const p of pieces) out.set(p.subarray(20), (be16(p, 6) & 0x1fff) * 8);
  return out;
}

describe("IPv6", () => {
  it("answers echo requests, and says that a port or header is unknown", () => {
    const { wire } = makeNet();
    wire.arrive(ip6(THEM6, US6, 58, icmp6(THEM6, US6, 128, 0, 77, DATA)));
    const [p] = wire.take();
    assert.ok(isSound(p!) && p![40] === 129);
    assert.deepEqual(p!.subarray(44), icmp6(THEM6, US6, 128, 0, 77, DATA).subarray(4));
    wire.arrive(ip6(THEM6, US6, 17, udp(THEM6, 1, US6, 9, DATA)));
    wire.arrive(ip6(THEM6, US6, 250, DATA));
    const [a, b] = wire.take();
    assert.ok(isSound(a!) && isSound(b!));
    assert.deepEqual([a![40], a![41]], [1, 4]);
    assert.deepEqual([b![40], b![41], b![47]], [4, 1, 6]);
  });

  it("walks over extension headers, and obeys unknown options", () => {
    const { wire } = makeNet();
    const echo = icmp6(THEM6, US6, 128, 0, 1, DATA);
    const through = (first: number, ...headers: number[]): number[] => {
      wire.arrive(ip6(THEM6, US6, first, Uint8Array.from([...headers, ...echo])));
      return wire.take().map((p) => p[40]!);
    };
    assert.deepEqual(through(0, 60, 0, 1, 4, 0, 0, 0, 0, 58, 0, 1, 4, 0, 0, 0, 0), [129]);
    assert.deepEqual(through(60, 58, 0, 0x1e, 4, 0, 0, 0, 0), [129], "skip");
    assert.deepEqual(through(60, 58, 0, 0x5e, 4, 0, 0, 0, 0), [], "drop");
    assert.deepEqual(through(60, 58, 0, 0x9e, 4, 0, 0, 0, 0), [4], "complain");
    assert.deepEqual(through(60, 58, 0, 1, 9, 0, 0, 0, 0), [], "longer than its header");
    assert.deepEqual(through(60, 58, 99, 1, 4, 0, 0, 0, 0), [], "longer than the packet");
    assert.deepEqual(
      through(60, 0, 0, 1, 4, 0, 0, 0, 0, 58, 0, 1, 4, 0, 0, 0, 0),
      [4],
      "hop-by-hop comes first",
    );
    assert.deepEqual(through(43, 58, 0, 0, 0, 0, 0, 0, 0), [129], "a routing header at its end");
    assert.deepEqual(through(43, 58, 0, 0, 1, 0, 0, 0, 0), [4], "RFC 5095");
    wire.arrive(
      ip6(
        THEM6,
        US6,
        60,
        Uint8Array.from(Array.from({ length: 60 }, () => [60, 0, 1, 4, 0, 0, 0, 0]).flat()),
      ),
    );
    assert.deepEqual(wire.take(), [], "a chain without end");
  });

  it("cuts and puts together", () => {
    const next = random(3);
    const { stack, wire } = makeNet();
    const path = findPath(stack, { dst: parseAddr(THEM6)! });
    assert.ok(!failed(path));
    for (let i = 0; i < 20; i++) {
      const length = 1400 + next(20000);
      const echo = icmp6(
        US6,
        THEM6,
        128,
        0,
        i,
        Uint8Array.from({ length }, () => next(256)),
      );
      const how: IpHow = { src: "", dst: path.dst, proto: 58, ttl: 9, tos: 0, isUncut: false };
      assert.equal(ipOutput(stack, Mbuf.referring([echo], echo.length), path, how), 0);
      const pieces = wire.take();
      assert.ok(pieces.length > 1 && pieces.every((p) => p.length <= 1500));
      // Back again, as if they were from there: the sum does not mind who is who.
      for (const p of pieces) {
        const src = p.slice(8, 24);
        p.copyWithin(8, 24, 40);
        p.set(src, 24);
      }
      pieces.sort(() => next(3) - 1);
      for (const p of pieces) wire.arrive(p);
      const answer = wire.take();
      assert.ok(answer.length === pieces.length, "answered in as many pieces");
      assert.equal(stack.fragments.count(true), 0);
    }
  });

  it("takes an atomic fragment for a whole packet, and no odd piece", () => {
    const { wire } = makeNet();
    const echo = icmp6(THEM6, US6, 128, 0, 1, DATA);
    wire.arrive(ip6(THEM6, US6, 44, Uint8Array.from([58, 0, 0, 0, 0, 0, 0, 1, ...echo])));
    assert.equal(wire.take()[0]![40], 129);
    wire.arrive(
      ip6(THEM6, US6, 44, Uint8Array.from([58, 0, 0, 1, 0, 0, 0, 2, ...echo.subarray(0, 13)])),
    );
    const [e] = wire.take();
    assert.deepEqual([e![40], e![41], e![47]], [4, 0, 4]);
  });
});

describe("routes", () => {
  it("finds the longest prefix, as looking at all of them does", () => {
    const { stack, wire } = makeNet();
    const next = random(11);
    const fib = new Fib(false);
    const all: RouteEntry[] = [];
    for (let i = 0; i < 500; i++) {
      // Few addresses, so that prefixes nest.
      const dst = addr4((10 * 2 ** 24 + next(4096) * 2 ** 12 + next(16)) >>> 0);
      const e = new RouteEntry({ dst, bits: next(33), metric: next(3), ifp: wire });
      if (fib.add(e) === 0) all.push(e);
      if (all.length > 0 && next(5) === 0) {
        const [gone] = all.splice(next(all.length), 1);
        assert.equal(fib.remove(gone!), 0);
      }
      for (let k = 0; k < 20; k++) {
        const a = addr4((10 * 2 ** 24 + next(4096) * 2 ** 12 + next(16)) >>> 0);
        const fits = all.filter((r) => isInPrefix(a, prefixOf(r.dst, r.bits), r.bits));
        fits.sort((x, y) => y.bits - x.bits || x.metric - y.metric);
        const found = fib.lookup({ dst: a });
        if (fits.length === 0) assert.ok(failed(found));
        else assert.equal(found, fits[0]);
      }
    }
    assert.equal(fib.count, all.length);
    assert.ok(stack.isLocal(parseAddr("127.9.9.9")!) && !stack.isLocal(parseAddr(THEM)!));
  });

  it("are told in order of their prefixes, whatever came and went", () => {
    const next = random(5);
    const fib = new Fib(false);
    const all = new Set<RouteEntry>();
    for (let i = 0; i < 300; i++) {
      const e = new RouteEntry({ dst: addr4(next(2 ** 31) * 2), bits: 8 + next(25), ifp: null });
      if (fib.add(e) === 0) all.add(e);
      const [first] = all;
      if (first && next(4) === 0 && fib.remove(first) === 0) all.delete(first);
      const told = [...fib.entries()];
      assert.deepEqual(new Set(told), all);
      for (const [k, r] of told.entries()) {
        if (k === 0) continue;
        const before = told[k - 1]!;
        assert.ok(before.dst < r.dst || (before.dst === r.dst && before.bits < r.bits));
      }
    }
  });

  it("and rules are paid for, and go with their network", () => {
    const kmem = new KernelMemory(1e6);
    const fib = new Fib(false);
    fib.kmem = kmem;
    const rule = { ...fib.rules.all[1]!, priority: 100 };
    let added = 0;
    while (fib.addRule({ ...rule, table: 1000 + added }) === 0) added++;
    assert.ok(added > 200 && kmem.usedBytes >= added * 256);
    fib.removeRule(fib.rules.all[0]!);
    fib.removeRule(fib.rules.all[0]!);
    fib.end();
    assert.equal(kmem.usedBytes, 0);
    fib.kmem = new KernelMemory(0);
    assert.equal(fib.addRule(rule), ENOBUFS);
    assert.ok(!fib.rules.has(rule));
  });

  it("are not many to one prefix, however many there are", () => {
    const { wire } = makeNet();
    const fib = new Fib(false);
    const to = (metric: number): RouteEntry =>
      new RouteEntry({ dst: addr4(0x0a000000), bits: 8, metric, ifp: wire });
    let added = 0;
    while (fib.add(to(100_000 - added)) === 0) added++;
    assert.ok(added >= 4096 && added < 10_000);
    assert.equal(fib.add(to(200_000)), ENOBUFS);
    assert.equal(fib.removeInterface(wire).length, added);
    assert.equal(fib.count, 0);
  });

  it("leads nowhere when the interface is down, and comes back with it", () => {
    const { stack, wire } = makeNet();
    const dst = parseAddr(THEM)!;
    stack.setFlags(wire, wire.flags & ~1);
    assert.ok(failed(findPath(stack, { dst })));
    assert.ok(!stack.isLocal(parseAddr(US6)!), "IPv6 addresses went");
    stack.setFlags(wire, wire.flags | 1);
    const path = findPath(stack, { dst });
    assert.ok(!failed(path) && path.ifp === wire && path.src === parseAddr(US));
    stack.detach(wire);
    assert.ok(failed(findPath(stack, { dst })) && stack.fib4.count === 3);
  });
});
