/** TCP over IP over a wire, between two machines: checksums, both families, paths that carry less, errors on the way. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ECONNREFUSED, EHOSTUNREACH, EINPROGRESS, failed } from "../../../src/abi/errno.ts";
import { AF_INET, AF_INET6 } from "../../../src/abi/socket.ts";
import { parseAddr } from "../../../src/net/address.ts";
import { plainSending } from "../../../src/net/message.ts";
import { makeSockaddr } from "../../../src/net/sockaddr.ts";
import { tcpMaker, tcpOf } from "../../../src/net/tcp/maker.ts";
import type { TcpSocket } from "../../../src/net/tcp/tcpsocket.ts";
import { Uio } from "../../../src/vm/uio.ts";
import { addWire, icmp, icmp6, ip4, ip6, isSound, makeNet, type Net, type Wire } from "../wire.ts";

const A = "198.51.100.1";
const B = "198.51.100.2";
const A6 = "2001:db8:1::1";
const B6 = "2001:db8:1::2";

interface End {
  readonly net: Net;
  readonly wire: Wire;
}

function machine(addr: string, addr6: string): End {
  const net = makeNet();
  return { net, wire: addWire(net.stack, "wire1", addr, addr6) };
}

function socketOf({ net }: End, family: number): TcpSocket {
  const s = tcpMaker.socket(net.kernel.init, net.stack, family, 1, 0);
  assert.ok(!failed(s));
  return s as TcpSocket;
}

function sockaddr(family: number, text: string, port: number): Uint8Array {
  return makeSockaddr(family, parseAddr(text)!, port);
}

/** Carries what both ends sent, until they are quiet; `judge` may answer a packet itself (true: it is gone). */
function carry(a: End, b: End, judge: (p: Uint8Array, from: End) => boolean = () => false): number {
  let count = 0;
  for (let quiet = false; !quiet; ) {
    quiet = true;
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      for (const p of from.wire.take()) {
        quiet = false;
        count++;
        assert.ok(isSound(p), "the checksums of what leaves are right");
        if (!judge(p, from)) to.wire.arrive(p);
      }
    }
    assert.ok(count < 100_000);
  }
  return count;
}

function connect(a: End, b: End, family: number): { client: TcpSocket; server: TcpSocket } {
  const td = a.net.kernel.init;
  const l = socketOf(b, family);
  const to = family === AF_INET ? B : B6;
  assert.equal(l.bind(b.net.kernel.init, sockaddr(family, to, 80)), 0);
  assert.equal(l.listen(b.net.kernel.init, 5), 0);
  const client = socketOf(a, family);
  assert.equal(client.connect(td, sockaddr(family, to, 80), true), EINPROGRESS);
  carry(a, b);
  const server = l.accept(b.net.kernel.init, true);
  assert.ok(!failed(server));
  l.close();
  return { client, server: server as TcpSocket };
}

/** Sends `bytes` and receives them at the other side. */
function transfer(
  a: End,
  b: End,
  client: TcpSocket,
  server: TcpSocket,
  bytes: Uint8Array,
  judge?: (p: Uint8Array, from: End) => boolean,
): void {
  const got = new Uint8Array(bytes.length);
  const buffer = new Uint8Array(65536);
  let sent = 0;
  let received = 0;
  for (let i = 0; received < bytes.length; i++) {
    assert.ok(i < 10_000, `stuck at ${received}`);
    const td = a.net.kernel.init;
    if (sent < bytes.length) {
      const uio = Uio.kernel(bytes.slice(sent, sent + 65536));
      const n = client.send(td, uio, plainSending(0), true);
      if (n > 0) sent += n;
      td.restart.done = 0;
    }
    carry(a, b, judge);
    const tdb = b.net.kernel.init;
    const n = server.receive(tdb, Uio.kernel(buffer), 0, null, true);
    tdb.restart.done = 0;
    if (n > 0) {
      got.set(buffer.subarray(0, n), received);
      received += n;
    }
    carry(a, b, judge);
  }
  assert.deepEqual(Buffer.from(got), Buffer.from(bytes));
}

function bytesUpTo(n: number): Uint8Array {
  return Uint8Array.from({ length: n }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
}

describe("tcp over a wire", () => {
  for (const family of [AF_INET, AF_INET6]) {
    const name = family === AF_INET ? "IPv4" : "IPv6";

    it(`carries ${name}, in segments of the MTU`, () => {
      const a = machine(A, A6);
      const b = machine(B, B6);
      const { client, server } = connect(a, b, family);
      let longest = 0;
      transfer(a, b, client, server, bytesUpTo(500_000), (p) => {
        longest = Math.max(longest, p.length);
        return false;
      });
      assert.equal(longest, 1500);
      client.close();
      server.close();
      carry(a, b);
      assert.equal(tcpOf(a.net.stack).timeWait.count, 1);
    });

    it(`throws away ${name} segments whose checksum is wrong, and repairs that`, () => {
      const a = machine(A, A6);
      const b = machine(B, B6);
      const { client, server } = connect(a, b, family);
      let n = 0;
      transfer(a, b, client, server, bytesUpTo(200_000), (p, from) => {
        if (from === b || p.length < 1000 || ++n !== 20) return false;
        const bad = p.slice();
        bad[bad.length - 1]! ^= 1;
        b.wire.arrive(bad);
        return true;
      });
      assert.equal(tcpOf(b.net.stack).mib.InCsumErrors, 1);
      assert.ok(tcpOf(a.net.stack).mib.RetransSegs >= 1);
    });

    it(`sends ${name} in smaller segments when a router says that the path carries less`, () => {
      const a = machine(A, A6);
      const b = machine(B, B6);
      const { client, server } = connect(a, b, family);
      const mtu = family === AF_INET ? 900 : 1300;
      let refused = 0;
      transfer(a, b, client, server, bytesUpTo(200_000), (p, from) => {
        if (from === b || p.length <= mtu) return false;
        refused++;
        const router = family === AF_INET ? "198.51.100.9" : "2001:db8:1::9";
        const quoted = p.subarray(0, family === AF_INET ? 28 : 200);
        a.wire.arrive(
          family === AF_INET
            ? ip4({ src: router, dst: A, proto: 1 }, icmp(3, 4, mtu, quoted))
            : ip6(router, A6, 58, icmp6(router, A6, 2, 0, mtu, quoted)),
        );
        return true;
      });
      assert.ok(refused > 0 && refused < 60, `${refused}`);
      const expected = mtu - (family === AF_INET ? 20 : 40) - 32;
      assert.equal(client.tp!.mss, expected);
    });
  }

  it("hears of errors while it connects, and believes those that quote its own number", () => {
    const a = machine(A, A6);
    const td = a.net.kernel.init;
    for (const [code, errno] of [
      [1, EHOSTUNREACH],
      [3, ECONNREFUSED],
    ] as const) {
      const s = socketOf(a, AF_INET);
      assert.equal(s.connect(td, sockaddr(AF_INET, B, 80), true), EINPROGRESS);
      const [syn] = a.wire.take();
      const forged = syn!.slice(0, 28);
      forged[24]! ^= 0x55;
      a.wire.arrive(ip4({ src: B, dst: A, proto: 1 }, icmp(3, code, 0, forged)));
      assert.equal(s.tp!.error, 0);
      a.wire.arrive(ip4({ src: B, dst: A, proto: 1 }, icmp(3, code, 0, syn!.subarray(0, 28))));
      assert.equal(s.takeError(), errno);
      s.close();
    }
  });

  it("answers what belongs to nothing with a reset, and groups not at all", () => {
    const a = machine(A, A6);
    const b = machine(B, B6);
    const td = a.net.kernel.init;
    const s = socketOf(a, AF_INET);
    assert.equal(s.connect(td, sockaddr(AF_INET, B, 81), true), EINPROGRESS);
    const [syn] = a.wire.take();
    b.wire.arrive(syn!);
    const [rst, ...more] = b.wire.take();
    assert.equal(more.length, 0);
    assert.equal(rst![33], 0x14, "RST and ACK");
    assert.ok(isSound(rst!));
    a.wire.arrive(rst!);
    assert.equal(s.takeError(), ECONNREFUSED);
    s.close();
  });
});
