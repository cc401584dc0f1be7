/**
 * IPv4 options of packets that come in: checked for soundness, and route and time recorded where that is asked.
 * Source routes are refused, as everywhere today. RFC 791, section 3.1.
 */

import { ICMP_PARAMETERPROB } from "../../abi/icmp.ts";
import type { InetAddr } from "../address.ts";
import { addSum, checksum } from "../checksum.ts";
import { icmpError } from "../icmp/error.ts";
import type { Mbuf } from "../mbuf.ts";
import type { NetStack } from "../netstack.ts";

const HEADER = 20;
export const IPOPT_END = 0;
export const IPOPT_NOOP = 1;
export const IPOPT_RR = 7;
export const IPOPT_TS = 68;
export const IPOPT_LSRR = 131;
export const IPOPT_SSRR = 137;

/** False if the packet was dropped. */
export function checkOptions(stack: NetStack, m: Mbuf): boolean {
  const end = m.networkBytes;
  let at = HEADER;
  let isChanged = false;
  while (at < end) {
    const kind = m.head[m.off + at]!;
    if (kind === IPOPT_END) break;
    if (kind === IPOPT_NOOP) {
      at++;
      continue;
    }
    const length = at + 1 < end ? m.head[m.off + at + 1]! : 0;
    if (length < 2 || at + length > end) return refuse(stack, m, at);
    if (kind === IPOPT_LSRR || kind === IPOPT_SSRR) {
      stack.mib.ip.count("InHdrErrors");
      return false;
    }
    if (kind === IPOPT_RR) {
      const bad = recordRoute(m.head, m.off + at, length, m.dst);
      if (bad > 0) return refuse(stack, m, at + bad);
      isChanged = true;
    }
    at += length;
  }
  if (isChanged) {
    m.view.setUint16(m.off + 10, 0);
    m.view.setUint16(m.off + 10, checksum(addSum(0, m.head, m.off, m.off + end)));
  }
  return true;
}

/** Enters an address into the option at `at`: the packet came by it, or leaves by it. The offset of what is wrong, or 0. */
function recordRoute(bytes: Uint8Array, at: number, length: number, by: InetAddr): number {
  if (length < 3) return 1;
  const pointer = bytes[at + 2]!;
  if (pointer < 4) return 2;
  if (pointer > length) return 0;
  if (pointer + 3 > length) return 2;
  for (let i = 0; i < 4; i++) bytes[at + pointer - 1 + i] = by.charCodeAt(i);
  bytes[at + 2] = pointer + 4;
  return 0;
}

/** Enters the address that a packet of ours leaves from. `bytes` from `start` to `end` are its options, which are sound. */
export function recordSource(bytes: Uint8Array, start: number, end: number, src: InetAddr): void {
  for (let at = start; at < end; ) {
    const kind = bytes[at]!;
    if (kind === IPOPT_END) return;
    const length = kind === IPOPT_NOOP ? 1 : bytes[at + 1]!;
    if (kind === IPOPT_RR) recordRoute(bytes, at, length, src);
    at += Math.max(length, 1);
  }
}

function refuse(stack: NetStack, m: Mbuf, pointer: number): false {
  stack.mib.ip.count("InHdrErrors");
  icmpError(stack, m, ICMP_PARAMETERPROB, 0, (pointer << 24) >>> 0);
  return false;
}
