/**
 * IPv4 options of packets that come in: checked for soundness, and route and time recorded where that is asked.
 * Source routes are refused, as everywhere today. RFC 791, section 3.1.
 */

import { ICMP_PARAMETERPROB } from "../../abi/icmp.ts";
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
      const bad = recordRoute(m, at, length);
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

/** Enters the address that the packet reached us by; the offset of what is wrong, or 0. */
function recordRoute(m: Mbuf, at: number, length: number): number {
  if (length < 3) return 1;
  const pointer = m.head[m.off + at + 2]!;
  if (pointer < 4) return 2;
  if (pointer > length) return 0;
  if (pointer + 3 > length) return 2;
  for (let i = 0; i < 4; i++) m.head[m.off + at + pointer - 1 + i] = m.dst.charCodeAt(i);
  m.head[m.off + at + 2] = pointer + 4;
  return 0;
}

function refuse(stack: NetStack, m: Mbuf, pointer: number): false {
  stack.mib.ip.count("InHdrErrors");
  icmpError(stack, m, ICMP_PARAMETERPROB, 0, (pointer << 24) >>> 0);
  return false;
}
