/**
 * Internet addresses: byte strings of 4 (IPv4) or 16 (IPv6) bytes, so that they
 * can be keys and compared by `===` (docs/decisions/byte-strings.md).
 *
 * The empty string is "any address", of either family. An IPv4 address is
 * always the 4-byte form in the kernel; its IPv4-mapped form exists only in what
 * programs give and are told at IPv6 sockets. See RFC 4291.
 */

export type InetAddr = string;

/** No address in particular: what an unbound socket has. */
export const ANY: InetAddr = "";
export const ANY4: InetAddr = "\0\0\0\0";
export const ANY6: InetAddr = "\0".repeat(16);
export const BROADCAST4: InetAddr = "\xff\xff\xff\xff";
export const LOOPBACK4: InetAddr = "\x7f\0\0\x01";
export const LOOPBACK6: InetAddr = `${"\0".repeat(15)}\x01`;
/** All nodes, all routers: of an interface and of a link. */
export const NODE_LOCAL_ALLNODES: InetAddr = `\xff\x01${"\0".repeat(13)}\x01`;
export const LINK_LOCAL_ALLNODES: InetAddr = `\xff\x02${"\0".repeat(13)}\x01`;
export const LINK_LOCAL_ALLROUTERS: InetAddr = `\xff\x02${"\0".repeat(13)}\x02`;
/** 224.0.0.1. */
export const ALL_HOSTS4: InetAddr = "\xe0\0\0\x01";

const MAPPED_PREFIX = `${"\0".repeat(10)}\xff\xff`;

export function isV4(a: InetAddr): boolean {
  return a.length === 4;
}

/** The empty string, or all zeroes. */
export function isAny(a: InetAddr): boolean {
  return a === ANY || a === ANY4 || a === ANY6;
}

export function isLoopback(a: InetAddr): boolean {
  return a.length === 4 ? a.charCodeAt(0) === 127 : a === LOOPBACK6;
}

export function isMulticast(a: InetAddr): boolean {
  return a.length === 4 ? (a.charCodeAt(0) & 0xf0) === 0xe0 : a.charCodeAt(0) === 0xff;
}

/** 169.254/16, fe80::/10. */
export function isLinkLocal(a: InetAddr): boolean {
  const first = a.charCodeAt(0);
  const second = a.charCodeAt(1);
  if (a.length === 4) return first === 169 && second === 254;
  return first === 0xfe && (second & 0xc0) === 0x80;
}

/** True for addresses that mean something only together with an interface: link-local ones of IPv6. */
export function needsScope(a: InetAddr): boolean {
  if (a.length !== 16) return false;
  if (isLinkLocal(a)) return true;
  if (a.charCodeAt(0) !== 0xff) return false;
  const scope = a.charCodeAt(1) & 0xf;
  return scope === 1 || scope === 2;
}

/** 0/8, and 240/4 but for the limited broadcast address: nobody has these. */
export function isReserved4(a: InetAddr): boolean {
  const first = a.charCodeAt(0);
  return first === 0 || (first >= 240 && a !== BROADCAST4);
}

/** ::ffff:a.b.c.d of an IPv4 address; an IPv6 address as it is. */
export function mapped(a: InetAddr): InetAddr {
  return a.length === 4 ? MAPPED_PREFIX + a : a;
}

/** The IPv4 address in an IPv4-mapped one; others as they are. */
export function unmapped(a: InetAddr): InetAddr {
  return a.length === 16 && a.startsWith(MAPPED_PREFIX) ? a.slice(12) : a;
}

export function addr4(n: number): InetAddr {
  return String.fromCharCode(n >>> 24, (n >>> 16) & 0xff, (n >>> 8) & 0xff, n & 0xff);
}

/** The address as an unsigned number in host order. */
export function num4(a: InetAddr): number {
  return (
    ((a.charCodeAt(0) << 24) |
      (a.charCodeAt(1) << 16) |
      (a.charCodeAt(2) << 8) |
      a.charCodeAt(3)) >>>
    0
  );
}

export function readAddr(bytes: Uint8Array, at: number, length: 4 | 16): InetAddr {
  const of = String.fromCharCode;
  let s = of(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!);
  for (let i = at + 4; i < at + length; i += 4) {
    s += of(bytes[i]!, bytes[i + 1]!, bytes[i + 2]!, bytes[i + 3]!);
  }
  return s;
}

/** `ANY` is written as `length` zeroes. */
export function writeAddr(bytes: Uint8Array, at: number, a: InetAddr, length: number): void {
  for (let i = 0; i < length; i++) bytes[at + i] = i < a.length ? a.charCodeAt(i) : 0;
}

/** The first `bits` of an address, the rest zero. */
export function prefixOf(a: InetAddr, bits: number): InetAddr {
  if (bits >= a.length * 8) return a;
  const whole = bits >> 3;
  const rest = bits & 7;
  let s = a.slice(0, whole);
  if (rest > 0) s += String.fromCharCode(a.charCodeAt(whole) & (0xff00 >> rest) & 0xff);
  return s.padEnd(a.length, "\0");
}

export function isInPrefix(a: InetAddr, prefix: InetAddr, bits: number): boolean {
  return a.length === prefix.length && prefixOf(a, bits) === prefix;
}

/** How many leading bits are the same. */
export function commonBits(a: InetAddr, b: InetAddr): number {
  for (let i = 0; i < a.length; i++) {
    const x = a.charCodeAt(i) ^ b.charCodeAt(i);
    if (x !== 0) return i * 8 + Math.clz32(x) - 24;
  }
  return a.length * 8;
}

/** 255.255.255.0 of 24. */
export function netmask4(bits: number): InetAddr {
  return prefixOf(BROADCAST4, bits);
}

/** Solicited-node multicast address of an IPv6 address. RFC 4291, 2.7.1. */
export function solicitedNode(a: InetAddr): InetAddr {
  return `\xff\x02${"\0".repeat(9)}\x01\xff${a.slice(13)}`;
}

/** As inet_ntop(3) writes it; IPv6 as in RFC 5952. */
export function printAddr(a: InetAddr): string {
  if (a.length === 4) return [...a].map((c) => c.charCodeAt(0)).join(".");
  if (a === ANY) return "any";
  const low = a.slice(0, 12);
  if (low === MAPPED_PREFIX) return `::ffff:${printAddr(a.slice(12))}`;
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((a.charCodeAt(i) << 8) | a.charCodeAt(i + 1));
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && groups[i + n] === 0) n++;
    if (n > bestLength) [best, bestLength] = [i, n];
    i += n;
  }
  const hex = groups.map((g) => g.toString(16));
  if (best < 0) return hex.join(":");
  return `${hex.slice(0, best).join(":")}::${hex.slice(best + bestLength).join(":")}`;
}

/** What inet_pton(3) takes; null if it is no address. */
export function parseAddr(text: string): InetAddr | null {
  return text.includes(":") ? parse6(text) : parse4(text);
}

function parse4(text: string): InetAddr | null {
  const m = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (!m) return null;
  const parts = m.slice(1).map(Number);
  return parts.some((n) => n > 255) ? null : String.fromCharCode(...parts);
}

function parse6(text: string): InetAddr | null {
  let rest = text;
  let tail = "";
  const dotted = /^(.*:)([^:]*\.[^:]*)$/.exec(rest);
  if (dotted) {
    const a = parse4(dotted[2]!);
    if (a === null) return null;
    tail = a;
    rest = dotted[1]!;
    if (!rest.endsWith("::")) rest = rest.slice(0, -1);
  }
  const halves = rest.split("::");
  if (halves.length > 2) return null;
  const front = groupsOf(halves[0]!);
  const back = halves.length === 2 ? groupsOf(halves[1]!) : "";
  if (front === null || back === null) return null;
  const bytes = front.length + back.length + tail.length;
  if (halves.length === 1) return bytes === 16 ? front + tail : null;
  return bytes <= 14 ? front + "\0".repeat(16 - bytes) + back + tail : null;
}

function groupsOf(text: string): string | null {
  if (text === "") return "";
  let s = "";
  for (const group of text.split(":")) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return null;
    const n = Number.parseInt(group, 16);
    s += String.fromCharCode(n >> 8, n & 0xff);
  }
  return s;
}
