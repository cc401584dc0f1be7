/** Packets for this host, whole, to who waits for them: raw sockets first, then the transport. */
import {
  ICMP_DEST_UNREACH,
  ICMP_PROT_UNREACH,
  ICMPV6_PARAMPROB,
  ICMPV6_UNK_NEXTHDR,
} from "../../abi/icmp.ts";
import { IPPROTO_NONE } from "../../abi/inet.ts";
import { icmp6Error, icmpError } from "../icmp/error.ts";
import type { Mbuf } from "../mbuf.ts";
import type { NetStack } from "../netstack.ts";
import { IP_MF, IP_OFFSET_MASK } from "./output4.ts";
import { reassemble4 } from "./reassembly.ts";

/** `m.off` is at the IPv4 header. */
export function deliver4(stack: NetStack, fragment: Mbuf): void {
  let m = fragment;
  const field = m.view.getUint16(m.network + 6);
  if ((field & (IP_MF | IP_OFFSET_MASK)) !== 0) {
    const whole = reassemble4(stack, m);
    if (!whole) return;
    m = whole;
  }
  m.adj(m.networkBytes);
  m.transport = m.off;
  const { mib } = stack;
  const heard = stack.raw.input(stack, m);
  const protocol = stack.protocols.get(m.proto);
  if (protocol) {
    mib.ip.values[mib.ipInDelivers]!++;
    protocol.input(m);
  } else if (heard) mib.ip.values[mib.ipInDelivers]!++;
  else {
    mib.ip.count("InUnknownProtos");
    icmpError(stack, m, ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, 0);
  }
}

/** `m.off` is at what `m.proto` says, `nextAt` the offset from `m.network` of the byte that says it. */
export function deliver6(stack: NetStack, m: Mbuf, nextAt: number): void {
  m.transport = m.off;
  const { mib } = stack;
  if (m.proto === IPPROTO_NONE) return;
  const heard = stack.raw.input(stack, m);
  const protocol = stack.protocols.get(m.proto);
  if (protocol) {
    mib.ip6.values[mib.ip6InDelivers]!++;
    protocol.input(m);
  } else if (heard) mib.ip6.values[mib.ip6InDelivers]!++;
  else {
    mib.ip6.count("Ip6InUnknownProtos");
    icmp6Error(stack, m, ICMPV6_PARAMPROB, ICMPV6_UNK_NEXTHDR, nextAt);
  }
}
