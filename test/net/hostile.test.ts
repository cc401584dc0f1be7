/**
 * Packets that nobody sane sends: random bytes, and sound packets with bytes changed, cut or swapped, into sockets of
 * all kinds. No exception, no answer without measure, no memory that does not come back.
 */
import assert from "node:assert/strict";
import { it } from "node:test";
import { failed } from "../../src/abi/errno.ts";
import { IPPROTO_ICMP, IPPROTO_ICMPV6 } from "../../src/abi/inet.ts";
import { AF_INET, AF_INET6, SOCK_DGRAM, SOCK_RAW } from "../../src/abi/socket.ts";
import type { InetDatagram } from "../../src/net/inet/datagram.ts";
import { Receiving } from "../../src/net/message.ts";
import { makeSockaddr } from "../../src/net/sockaddr.ts";
import { Uio } from "../../src/vm/uio.ts";
import { icmp, icmp6, ip4, ip6, isSound, makeNet, type Net, random, udp } from "./wire.ts";

const US = "192.0.2.1";
const THEM = "192.0.2.2";
const US6 = "2001:db8::1";
const THEM6 = "2001:db8::2";
const PORT = 4000;

function open(
  { kernel, stack }: Net,
  family: number,
  type: number,
  protocol: number,
): InetDatagram {
  const td = kernel.init;
  const maker = stack.network.makers.find(
    (m) => m.types.includes(type) && m.takes(family, type, protocol),
  )!;
  const s = maker.socket(td, stack, family, type, protocol);
  assert.ok(!failed(s));
  return s as InetDatagram;
}

function openAll(net: Net): InetDatagram[] {
  const { kernel, stack } = net;
  stack.ip4.pingGroupRange.write("0 1000", kernel.init.cred);
  const all = [
    open(net, AF_INET6, SOCK_DGRAM, 0),
    open(net, AF_INET, SOCK_RAW, IPPROTO_ICMP),
    open(net, AF_INET6, SOCK_RAW, IPPROTO_ICMPV6),
    open(net, AF_INET, SOCK_RAW, 250),
    open(net, AF_INET, SOCK_DGRAM, IPPROTO_ICMP),
    open(net, AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6),
  ];
  assert.equal(all[0]!.bind(kernel.init, makeSockaddr(AF_INET6, "", PORT)), 0);
  for (const s of all) {
    s.ip.recverr4 = s.ip.recverr6 = true;
    s.ip.recv4 = s.ip.recv6 = 0xffff;
  }
  return all;
}

function samples(next: (below: number) => number): Uint8Array[] {
  const data = Uint8Array.from({ length: next(120) }, () => next(256));
  const ours = ip4({ src: US, dst: THEM, proto: 17 }, udp(US, PORT, THEM, 9, data));
  const ours6 = ip6(US6, THEM6, 17, udp(US6, PORT, THEM6, 9, data));
  const piece = Uint8Array.of(58, 0, next(256), next(256), 0, 0, 0, next(4), ...data);
  return [
    ip4({ src: THEM, dst: US, proto: 17 }, udp(THEM, 9, US, PORT, data)),
    ip4({ src: THEM, dst: US, proto: 1 }, icmp(8, 0, 5, data)),
    ip4(
      { src: THEM, dst: US, proto: 1 },
      icmp([3, 4, 5, 11, 12][next(5)]!, next(16), next(2000), ours),
    ),
    ip4({ src: THEM, dst: US, proto: 250, options: Uint8Array.of(7, 7, 4, 0, 0, 0, 0, 0) }, data),
    ip4({ src: THEM, dst: US, proto: next(256), id: next(4), frag: next(65536) }, data),
    ip4(
      { src: THEM, dst: US, proto: 6 },
      Uint8Array.from({ length: 20 + next(40) }, () => next(256)),
    ),
    ip6(THEM6, US6, 17, udp(THEM6, 9, US6, PORT, data)),
    ip6(THEM6, US6, 58, icmp6(THEM6, US6, 128, 0, 7, data)),
    ip6(THEM6, US6, 58, icmp6(THEM6, US6, 1 + next(4), next(8), next(70000), ours6)),
    ip6(THEM6, US6, 44, piece),
    ip6(
      THEM6,
      US6,
      [0, 43, 60][next(3)]!,
      Uint8Array.of(17, next(3), next(256), next(16), 0, 0, 0, 0, ...data),
    ),
    Uint8Array.from({ length: next(200) }, () => next(256)),
  ];
}

function mutate(p: Uint8Array, next: (below: number) => number): Uint8Array {
  let out = p.slice();
  for (let i = next(5); i > 0 && out.length > 0; i--) {
    const at = next(out.length);
    switch (next(4)) {
      case 0:
        out[at] = next(256);
        break;
      case 1:
        out[at]! ^= 1 << next(8);
        break;
      case 2:
        out = out.slice(0, at);
        break;
      default:
        out[next(Math.min(48, out.length))] = [0, 1, 0x7f, 0x80, 0xff][next(5)]!;
    }
  }
  // Else hardly any would come past the first look.
  if (out.length >= 20 && out[0]! >> 4 === 4 && next(2) === 0) {
    const hlen = Math.min((out[0]! & 15) * 4, out.length);
    out[10] = out[11] = 0;
    let s = 0;
    for (let i = 0; i < hlen; i += 2) s += out[i]! * 256 + (out[i + 1] ?? 0);
    while (s > 65535) s = (s & 65535) + (s >> 16);
    out[10] = (~s >> 8) & 255;
    out[11] = ~s & 255;
  }
  return out;
}

it("hostile packets do no harm", () => {
  const net = makeNet();
  const { kernel, stack, wire } = net;
  const next = random(2026);
  const before = stack.kmem.usedBytes;
  const sockets = openAll(net);
  const buffer = new Uint8Array(256);
  let arrived = 0;
  let answers = 0;
  for (let i = 0; i < 3000; i++) {
    for (const p of samples(next)) {
      wire.arrive(mutate(p, next));
      arrived++;
      for (const answer of wire.take()) {
        answers++;
        assert.ok(isSound(answer));
      }
    }
    if (i % 10 === 0) {
      for (const s of sockets) {
        for (const flags of [0, 0x2000, 2, 0x20]) {
          s.receive(
            kernel.init,
            Uio.kernel(buffer.subarray(0, next(256))),
            flags,
            new Receiving(flags),
            true,
          );
        }
      }
    }
  }
  assert.ok(answers > arrived / 100 && answers <= arrived);
  assert.ok(stack.mib.udp.get("InDatagrams") > 0 && stack.mib.udp6.get("Udp6InDatagrams") > 0);
  for (const s of sockets) s.close();
  for (let i = 0; i < 20; i++) kernel.kernel.cpu.callouts.run(stack.nowNs() + 3600e9);
  assert.equal(stack.fragments.count(false) + stack.fragments.count(true), 0);
  assert.equal(stack.kmem.usedBytes, before);
});

it("options and control messages of random bytes do no harm", () => {
  const net = makeNet();
  const { kernel, stack } = net;
  const next = random(14);
  const td = kernel.init;
  const before = stack.kmem.usedBytes;
  const sockets = openAll(net);
  const levels = [0, 1, 6, 17, 41, 58, 136, 255];
  let taken = 0;
  const bytes = (most: number): Uint8Array =>
    Uint8Array.from({ length: next(most) }, () => [next(256), 0, 0, 1, 2, 10][next(6)]!);
  for (let i = 0; i < 40_000; i++) {
    const s = sockets[next(sockets.length)]!;
    const level = levels[next(levels.length)]!;
    // SO_ATTACH_FILTER and its kin read the memory of a program, which there is none of.
    const name = level === 1 ? 1 + next(25) : next(130);
    const value = next(2) === 0 ? Uint8Array.of(next(3), 0, 0, 0) : bytes(300);
    if (s.setOption(td, level, name, value) === 0) taken++;
    s.getOption(td, level, name, next(40));
    const control = s.control(td, controlOf(bytes(64), next));
    const uio = Uio.kernel(bytes(100));
    const name4 = makeSockaddr(AF_INET, "\x7f\0\0\x01", PORT);
    const flags = next(4) === 0 ? 0x8000 : 0;
    s.send(
      td,
      uio,
      { flags, name: next(2) === 0 ? name4 : bytes(30), control: failed(control) ? null : control },
      true,
    );
    if (i % 50 === 0) {
      const receiving = new Receiving(0);
      s.receive(td, Uio.kernel(new Uint8Array(100)), [0, 0x2000][next(2)]!, receiving, true);
    }
    if (i % 400 === 0) s.connect(td, next(2) === 0 ? name4 : bytes(30));
  }
  assert.ok(taken > 1000);
  for (const s of sockets) s.close();
  for (let i = 0; i < 20; i++) kernel.kernel.cpu.callouts.run(stack.nowNs() + 3600e9);
  assert.equal(stack.kmem.usedBytes, before);
});

/** `data` behind a struct cmsghdr that is mostly right. */
function controlOf(data: Uint8Array, next: (below: number) => number): Uint8Array {
  const out = new Uint8Array(16 + data.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, next(8) === 0 ? next(100) : out.length, true);
  view.setInt32(8, [0, 1, 17, 41][next(4)]!, true);
  view.setInt32(12, next(110), true);
  out.set(data, 16);
  return out;
}
