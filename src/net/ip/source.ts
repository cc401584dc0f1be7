/** Which of our IPv6 addresses speaks to a destination: the rules of RFC 6724, section 5, that apply without mobility. */
import { IFA_F_DEPRECATED, IFA_F_TENTATIVE } from "../../abi/route.ts";
import {
  ANY,
  commonBits,
  type InetAddr,
  isLinkLocal,
  isLoopback,
  isMulticast,
} from "../address.ts";
import type { IfAddr } from "../ifaddr.ts";
import type { Ifnet } from "../ifnet.ts";
import type { NetStack } from "../netstack.ts";

const SCOPE_NODE = 1;
const SCOPE_LINK = 2;
const SCOPE_SITE = 5;
const SCOPE_GLOBAL = 14;

/** The scope of an address, by the numbers that multicast addresses carry. */
export function scopeOf(a: InetAddr): number {
  if (isMulticast(a)) return a.charCodeAt(1) & 0xf;
  if (isLinkLocal(a)) return SCOPE_LINK;
  if (isLoopback(a)) return SCOPE_NODE;
  if (a.charCodeAt(0) === 0xfe && (a.charCodeAt(1) & 0xc0) === 0xc0) return SCOPE_SITE;
  return SCOPE_GLOBAL;
}

/** ANY if there is none. */
export function selectSource(stack: NetStack, ifp: Ifnet, dst: InetAddr): InetAddr {
  const scope = scopeOf(dst);
  let best: IfAddr | null = null;
  let bestIfp: Ifnet | null = null;
  for (const other of stack.interfaces.values()) {
    // A destination on a link is spoken to from that link.
    if (other !== ifp && (isMulticast(dst) || scope <= SCOPE_LINK)) continue;
    if (!other.isUp) continue;
    for (const ia of other.addrs6) {
      if ((ia.flags & IFA_F_TENTATIVE) !== 0) continue;
      if (!best || isBetter(ia, other, best, bestIfp!, dst, ifp, scope)) {
        best = ia;
        bestIfp = other;
      }
    }
  }
  return best?.addr ?? ANY;
}

function isBetter(
  a: IfAddr,
  aIfp: Ifnet,
  b: IfAddr,
  bIfp: Ifnet,
  dst: InetAddr,
  ifp: Ifnet,
  scope: number,
): boolean {
  if ((a.addr === dst) !== (b.addr === dst)) return a.addr === dst;
  const sa = scopeOf(a.addr);
  const sb = scopeOf(b.addr);
  if (sa !== sb) return sa < sb ? sa >= scope : sb < scope;
  const isOldA = (a.flags & IFA_F_DEPRECATED) !== 0;
  const isOldB = (b.flags & IFA_F_DEPRECATED) !== 0;
  if (isOldA !== isOldB) return isOldB;
  if ((aIfp === ifp) !== (bIfp === ifp)) return aIfp === ifp;
  return Math.min(commonBits(a.addr, dst), a.bits) > Math.min(commonBits(b.addr, dst), b.bits);
}
