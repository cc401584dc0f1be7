/**
 * IP output: a packet of a transport gets its network header and leaves over its path, in fragments if
 * it is too long and may be cut. See ip_output(9), RFC 791, RFC 8200.
 */
import type { InetAddr } from "../address.ts";
import type { Mbuf } from "../mbuf.ts";
import type { NetStack } from "../netstack.ts";
import { ipOutput4 } from "./output4.ts";
import { ipOutput6 } from "./output6.ts";
import type { IpPath } from "./path.ts";

/** What goes into the network header, beside lengths. */
export interface IpHow {
  readonly src: InetAddr;
  /** Whom it is for: with a source route not the first stop. */
  readonly dst: InetAddr;
  /** IPPROTO_*. */
  readonly proto: number;
  /** Time to live or hop limit. */
  readonly ttl: number;
  /** Type of service or traffic class. */
  readonly tos: number;
  /** IPv4: the don't-fragment bit; IPv6: not to be fragmented here. A packet that is too long: EMSGSIZE. */
  readonly isUncut: boolean;
  /** Of IPv6. */
  readonly flowlabel?: number;
  /** IPv4 options, or IPv6 extension headers, as they go on the wire; null. */
  readonly options?: Uint8Array | null;
  /** With extension headers: IPPROTO_* of the first. */
  readonly firstHeader?: number;
  /** Multicast: members on this host hear it as well. */
  readonly isLooped?: boolean;
  readonly mark?: number;
  readonly priority?: number;
}

/**
 * Sends `m`, which starts with its transport header, over `path`. 0; EMSGSIZE, ENETDOWN, ENOBUFS.
 * Sets the source of `how`, or of the path where that is ANY. The caller drains the netisr when it is done.
 */
export function ipOutput(stack: NetStack, m: Mbuf, path: IpPath, how: IpHow): number {
  return how.dst.length === 4 ? ipOutput4(stack, m, path, how) : ipOutput6(stack, m, path, how);
}
