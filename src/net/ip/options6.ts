/** Options in hop-by-hop and destination headers: what is unknown says itself what is to be done. RFC 8200, 4.2. */
import { ICMPV6_PARAMPROB } from "../../abi/icmp.ts";
import { isMulticast } from "../address.ts";
import { icmp6Error } from "../icmp/error.ts";
import type { Mbuf } from "../mbuf.ts";
import type { NetStack } from "../netstack.ts";

const OPT_PAD1 = 0;
const OPT_PADN = 1;
const OPT_ROUTER_ALERT = 5;
const OPT_HOME_ADDRESS = 201;
const UNKNOWN_OPTION = 2;

/** True if the packet was dropped for the sake of an option in its header at `at`. */
export function badOption(stack: NetStack, m: Mbuf, at: number, length: number): boolean {
  const end = m.network + at + length;
  let p = m.network + at + 2;
  while (p < end) {
    const kind = m.head[p]!;
    if (kind === OPT_PAD1) {
      p++;
      continue;
    }
    const size = p + 1 < end ? m.head[p + 1]! + 2 : 0;
    if (size === 0 || p + size > end) {
      stack.mib.ip6.count("Ip6InHdrErrors");
      return true;
    }
    const isKnown = kind === OPT_PADN || kind === OPT_ROUTER_ALERT || kind === OPT_HOME_ADDRESS;
    const action = kind >> 6;
    if (!isKnown && action !== 0) {
      stack.mib.ip6.count("Ip6InHdrErrors");
      if (action === 2 || (action === 3 && !isMulticast(m.dst))) {
        icmp6Error(stack, m, ICMPV6_PARAMPROB, UNKNOWN_OPTION, p - m.network);
      }
      return true;
    }
    p += size;
  }
  return false;
}
