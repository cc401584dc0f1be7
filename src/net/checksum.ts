/** The Internet checksum: the one's complement sum of 16-bit words. See RFC 1071. */
import type { InetAddr } from "./address.ts";
import type { Mbuf } from "./mbuf.ts";

/**
 * Adds `bytes` to a sum that is not folded yet. `isOdd`: the bytes before them
 * were an odd number.
 */
export function addSum(
  sum: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  isOdd = false,
): number {
  let s = 0;
  let i = start;
  for (; i + 2 <= end; i += 2) s += (bytes[i]! << 8) | bytes[i + 1]!;
  if (i < end) s += bytes[i]! << 8;
  if (!isOdd) return sum + s;
  const f = foldSum(s);
  return sum + (((f & 0xff) << 8) | (f >> 8));
}

/** Down to 16 bits, not complemented. A sum of up to 2^53 is fine. */
export function foldSum(sum: number): number {
  let s = sum;
  while (s > 0xffff) s = (s % 0x10000) + Math.floor(s / 0x10000);
  return s;
}

/** What goes into a header. */
export function checksum(sum: number): number {
  return ~foldSum(sum) & 0xffff;
}

/** The sum of a pseudo-header, of either family. RFC 768, RFC 8200 section 8.1. */
export function pseudoSum(src: InetAddr, dst: InetAddr, proto: number, length: number): number {
  let s = proto + (length & 0xffff) + (length >>> 16);
  for (let i = 0; i < src.length; i += 2) {
    s += (src.charCodeAt(i) << 8) | src.charCodeAt(i + 1);
    s += (dst.charCodeAt(i) << 8) | dst.charCodeAt(i + 1);
  }
  return s;
}

/** The sum of a packet from its byte `from` on. */
export function packetSum(m: Mbuf, sum: number, from = 0): number {
  const start = Math.min(m.off + from, m.end);
  let s = addSum(sum, m.head, start, m.end);
  let count = m.end - start;
  let skip = m.off + from - start;
  for (const chunk of m.chunks) {
    if (skip >= chunk.length) {
      skip -= chunk.length;
      continue;
    }
    s = addSum(s, chunk, skip, chunk.length, (count & 1) !== 0);
    count += chunk.length - skip;
    skip = 0;
  }
  return s;
}
