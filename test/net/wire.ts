/**
 * For tests of the stack: a network of a kernel in the test's own process, and a wire on it whose other end is the test.
 *
 * The checksums here are the test's own, straight from RFC 1071.
 */
import {
  ETH_P_IP,
  ETH_P_IPV6,
  IFF_BROADCAST,
  IFF_MULTICAST,
  IFF_UP,
} from "../../src/abi/netdevice.ts";
import { RT_SCOPE_UNIVERSE } from "../../src/abi/route.ts";
import { type InetAddr, parseAddr } from "../../src/net/address.ts";
import { completeChecksum } from "../../src/net/csumhelp.ts";
import { IfAddr } from "../../src/net/ifaddr.ts";
import { Ifnet } from "../../src/net/ifnet.ts";
import { lastOf } from "../../src/net/ifroutes.ts";
import { Mbuf } from "../../src/net/mbuf.ts";
import type { NetStack } from "../../src/net/netstack.ts";
import { TestKernel } from "../harness/kernel.ts";

const ARPHRD_NONE = 0xfffe;

/** Keeps what is sent over it. */
export class Wire extends Ifnet {
  sent: { readonly bytes: Uint8Array; readonly nextHop: InetAddr }[] = [];

  constructor(name: string, mtu = 1500) {
    super({ name, type: ARPHRD_NONE, flags: IFF_BROADCAST | IFF_MULTICAST, mtu });
  }

  protected transmit(m: Mbuf, nextHop: InetAddr): number {
    completeChecksum(m);
    this.sent.push({ bytes: m.flat().slice(), nextHop });
    return 0;
  }

  /** A packet comes in, and the stack does what it does. */
  arrive(bytes: Uint8Array): void {
    const m = Mbuf.of(bytes.slice());
    m.family = bytes[0]! >> 4 === 6 ? ETH_P_IPV6 : ETH_P_IP;
    this.receive(m);
    this.stack.netisr.drain();
  }

  take(): Uint8Array[] {
    const out = this.sent.map((s) => s.bytes);
    this.sent = [];
    return out;
  }
}

export interface Net {
  readonly kernel: TestKernel;
  readonly stack: NetStack;
  readonly wire: Wire;
}

/** 192.0.2.1/24 and 2001:db8::1/64 on wire0, whose MTU is 1500. */
export function makeNet(): Net {
  const kernel = new TestKernel(64);
  const stack = kernel.kernel.table.ns.net.contents as NetStack;
  const wire = addWire(stack, "wire0", "192.0.2.1", "2001:db8::1");
  return { kernel, stack, wire };
}

export function addWire(
  stack: NetStack,
  name: string,
  addr4: string,
  addr6: string,
  mtu = 1500,
): Wire {
  const wire = new Wire(name, mtu);
  stack.attach(wire);
  stack.setFlags(wire, wire.flags | IFF_UP);
  const scope = RT_SCOPE_UNIVERSE;
  const a = parseAddr(addr4)!;
  stack.addAddress(wire, new IfAddr({ addr: a, bits: 24, scope, broadcast: lastOf(a, 24) }));
  stack.addAddress(wire, new IfAddr({ addr: parseAddr(addr6)!, bits: 64, scope }));
  return wire;
}

export function sum16(bytes: Uint8Array, start = 0): number {
  let s = start;
  for (let i = 0; i < bytes.length; i += 2) s += bytes[i]! * 256 + (bytes[i + 1] ?? 0);
  while (s > 0xffff) s = (s & 0xffff) + Math.floor(s / 65536);
  return s;
}

export function bytesOfAddr(text: string): Uint8Array {
  return Uint8Array.from([...parseAddr(text)!].map((c) => c.charCodeAt(0)));
}

export interface Ip4Fields {
  readonly src: string;
  readonly dst: string;
  readonly proto: number;
  readonly ttl?: number;
  readonly id?: number;
  /** Flags and offset. */
  readonly frag?: number;
  readonly options?: Uint8Array;
}

export function ip4(f: Ip4Fields, payload: Uint8Array): Uint8Array {
  const options = f.options ?? new Uint8Array(0);
  const hlen = 20 + options.length;
  const out = new Uint8Array(hlen + payload.length);
  const view = new DataView(out.buffer);
  out[0] = 0x40 | (hlen >> 2);
  view.setUint16(2, out.length);
  view.setUint16(4, f.id ?? 1);
  view.setUint16(6, f.frag ?? 0);
  out[8] = f.ttl ?? 64;
  out[9] = f.proto;
  out.set(bytesOfAddr(f.src), 12);
  out.set(bytesOfAddr(f.dst), 16);
  out.set(options, 20);
  view.setUint16(10, ~sum16(out.subarray(0, hlen)) & 0xffff);
  out.set(payload, hlen);
  return out;
}

export function ip6(
  src: string,
  dst: string,
  next: number,
  payload: Uint8Array,
  hops = 64,
): Uint8Array {
  const out = new Uint8Array(40 + payload.length);
  out[0] = 0x60;
  new DataView(out.buffer).setUint16(4, payload.length);
  out[6] = next;
  out[7] = hops;
  out.set(bytesOfAddr(src), 8);
  out.set(bytesOfAddr(dst), 24);
  out.set(payload, 40);
  return out;
}

function pseudo(src: string, dst: string, proto: number, length: number): number {
  return sum16(bytesOfAddr(src)) + sum16(bytesOfAddr(dst)) + proto + length;
}

export function udp(
  src: string,
  sport: number,
  dst: string,
  dport: number,
  data: Uint8Array,
): Uint8Array {
  const out = new Uint8Array(8 + data.length);
  const view = new DataView(out.buffer);
  view.setUint16(0, sport);
  view.setUint16(2, dport);
  view.setUint16(4, out.length);
  out.set(data, 8);
  view.setUint16(6, ~sum16(out, pseudo(src, dst, 17, out.length)) & 0xffff);
  return out;
}

export function icmp(type: number, code: number, word: number, data: Uint8Array): Uint8Array {
  const out = new Uint8Array(8 + data.length);
  const view = new DataView(out.buffer);
  out[0] = type;
  out[1] = code;
  view.setUint32(4, word);
  out.set(data, 8);
  view.setUint16(2, ~sum16(out) & 0xffff);
  return out;
}

export function icmp6(
  src: string,
  dst: string,
  type: number,
  code: number,
  word: number,
  data: Uint8Array,
): Uint8Array {
  const out = icmp(type, code, word, data);
  const view = new DataView(out.buffer);
  view.setUint16(2, 0);
  view.setUint16(2, ~sum16(out, pseudo(src, dst, 58, out.length)) & 0xffff);
  return out;
}

/** Whether the header's and the transport's checksums of a whole packet are right. */
export function isSound(p: Uint8Array): boolean {
  const is4 = p[0]! >> 4 === 4;
  const hlen = is4 ? (p[0]! & 15) * 4 : 40;
  if (is4 && sum16(p.subarray(0, hlen)) !== 0xffff) return false;
  const view = new DataView(p.buffer, p.byteOffset, p.length);
  if ((is4 ? view.getUint16(2) : view.getUint16(4) + 40) !== p.length) return false;
  const proto = is4 ? p[9]! : p[6]!;
  const isPiece = is4 ? (view.getUint16(6) & 0x3fff) !== 0 : proto === 44;
  if (isPiece) return true;
  const body = p.subarray(hlen);
  let start = 0;
  if (proto !== 1)
    start = sum16(is4 ? p.subarray(12, 20) : p.subarray(8, 40)) + proto + body.length;
  if (![1, 6, 17, 58].includes(proto)) return true;
  return sum16(body, start) === 0xffff;
}

/** A generator of numbers that are the same every time: mulberry32. */
export function random(seed: number): (below: number) => number {
  let a = seed | 0;
  return (below) => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}
