/** IPv6 extension headers: a chain that is walked with bounds. See RFC 8200, section 4. */
import { IPPROTO_DSTOPTS, IPPROTO_FRAGMENT, IPPROTO_IP, IPPROTO_ROUTING } from "../../abi/inet.ts";
import type { Mbuf } from "../mbuf.ts";

export const IPPROTO_HOPOPTS = IPPROTO_IP;
const IP6_HEADER = 40;
const IP6_NEXT = 6;
/** More extension headers than this nobody sends. */
const MAX_HEADERS = 16;

/** Where a transport's header is in a packet that starts with its IPv6 header, and what leads there. */
export interface HeaderWalk {
  /** IPPROTO_* of what is at `offset`. */
  readonly proto: number;
  /** From the start of the packet. */
  readonly offset: number;
  /** Offset of the byte that names `proto`. */
  readonly nextAt: number;
}

/**
 * Walks over extension headers up to a fragment header or what is none. Null: they do not fit
 * the packet. The packet's head has all that was walked over.
 */
export function walkHeaders(m: Mbuf): HeaderWalk | null {
  let nextAt = IP6_NEXT;
  let offset = IP6_HEADER;
  for (let i = 0; i < MAX_HEADERS; i++) {
    const proto = m.head[m.off + nextAt]!;
    if (proto !== IPPROTO_HOPOPTS && proto !== IPPROTO_ROUTING && proto !== IPPROTO_DSTOPTS) {
      return { proto, offset, nextAt };
    }
    if (!m.pullup(offset + 8)) return null;
    const length = (m.head[m.off + offset + 1]! + 1) << 3;
    if (!m.pullup(offset + length)) return null;
    nextAt = offset;
    offset += length;
  }
  return null;
}

/** What every fragment of a packet of ours repeats: its header and extension headers up to the routing header. */
export function unfragmentableBytes(m: Mbuf): { readonly bytes: number; readonly nextAt: number } {
  let nextAt = IP6_NEXT;
  let offset = IP6_HEADER;
  let keep = { bytes: IP6_HEADER, nextAt: IP6_NEXT };
  for (let i = 0; i < MAX_HEADERS; i++) {
    const proto = m.head[m.off + nextAt]!;
    if (proto === IPPROTO_FRAGMENT) break;
    if (proto !== IPPROTO_HOPOPTS && proto !== IPPROTO_ROUTING && proto !== IPPROTO_DSTOPTS) break;
    if (!m.pullup(offset + 8)) break;
    const length = (m.head[m.off + offset + 1]! + 1) << 3;
    if (!m.pullup(offset + length)) break;
    nextAt = offset;
    offset += length;
    if (proto !== IPPROTO_DSTOPTS) keep = { bytes: offset, nextAt };
  }
  return keep;
}
