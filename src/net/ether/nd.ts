/** Neighbour discovery: who has an IPv6 address on this link. See RFC 4861. */
import { IPPROTO_ICMPV6 } from "../../abi/inet.ts";
import { ETH_P_IPV6 } from "../../abi/netdevice.ts";
import {
  ANY6,
  type InetAddr,
  isAny,
  isMulticast,
  LINK_LOCAL_ALLNODES,
  readAddr,
  solicitedNode,
  writeAddr,
} from "../address.ts";
import { checksum, packetSum, pseudoSum } from "../checksum.ts";
import { selectSource } from "../ip/source.ts";
import { Mbuf } from "../mbuf.ts";
import type { NetStack } from "../netstack.ts";
import { ETHER_BYTES } from "./address.ts";
import { EtherIf, groupAddress } from "./etherif.ts";

const SOLICITATION = 135;
const ADVERTISEMENT = 136;
/** Nobody beyond the link can send one that arrives with this. */
const HOP_LIMIT = 255;
const HEADER = 24;
const TARGET = 8;
const OPTION_SOURCE_LINK = 1;
const OPTION_TARGET_LINK = 2;
const LINK_OPTION_BYTES = 8;
const FLAG_SOLICITED = 0x40000000;
const FLAG_OVERRIDE = 0x20000000;
const IP6_HEADER = 40;

export function isNeighbourDiscovery(type: number): boolean {
  return type === SOLICITATION || type === ADVERTISEMENT;
}

/** Asks for `addr`: its solicited-node group, or one who is to confirm that he has it still. */
export function sendSolicitation(ifp: EtherIf, addr: InetAddr, to: Uint8Array | null): void {
  const group = solicitedNode(addr);
  const dst = to ? addr : group;
  const src = selectSource(ifp.stack, ifp, addr);
  if (src === "") return;
  send(ifp, SOLICITATION, 0, src, dst, addr, OPTION_SOURCE_LINK, to ?? groupAddress(group));
}

function send(
  ifp: EtherIf,
  type: number,
  flags: number,
  src: InetAddr,
  dst: InetAddr,
  target: InetAddr,
  option: number,
  to: Uint8Array,
): void {
  const length = HEADER + LINK_OPTION_BYTES;
  const m = Mbuf.empty();
  const at = m.prepend(length);
  const { head, view } = m;
  head.fill(0, at, at + length);
  head[at] = type;
  view.setUint32(at + 4, flags);
  writeAddr(head, at + TARGET, target, 16);
  head[at + HEADER] = option;
  head[at + HEADER + 1] = 1;
  head.set(ifp.hwaddr, at + HEADER + 2);
  const sum = packetSum(m, pseudoSum(src, dst, IPPROTO_ICMPV6, length));
  view.setUint16(at + 2, checksum(sum));
  const ip = m.prepend(IP6_HEADER);
  view.setUint32(ip, 0x60000000);
  view.setUint16(ip + 4, length);
  head[ip + 6] = IPPROTO_ICMPV6;
  head[ip + 7] = HOP_LIMIT;
  writeAddr(head, ip + 8, src, 16);
  writeAddr(head, ip + 24, dst, 16);
  m.family = ETH_P_IPV6;
  m.network = ip;
  ifp.sendTo(m, to);
}

/** A message of neighbour discovery, its sum looked at; `m.off` is at the ICMPv6 header. */
export function ndInput(stack: NetStack, m: Mbuf): void {
  const ifp = m.rcvif;
  if (!(ifp instanceof EtherIf) || m.ttl !== HOP_LIMIT || !m.pullup(m.length)) return;
  const { head, view, off, end } = m;
  if (m.length < HEADER || head[off + 1] !== 0) return;
  const target = readAddr(head, off + TARGET, 16);
  if (isMulticast(target)) return;
  const isQuestion = head[off] === SOLICITATION;
  const mac = linkOption(
    head,
    off + HEADER,
    end,
    isQuestion ? OPTION_SOURCE_LINK : OPTION_TARGET_LINK,
  );
  if (isQuestion) question(stack, ifp, m, target, mac);
  else if (mac) {
    const isAnswer = (view.getUint32(off + 4) & FLAG_SOLICITED) !== 0;
    stack.neighbours.learn(ifp, target, mac, { isAnswer, mayCreate: false });
  }
}

function question(
  stack: NetStack,
  ifp: EtherIf,
  m: Mbuf,
  target: InetAddr,
  mac: Uint8Array | null,
): void {
  if (!ifp.findAddr(target)) return;
  const isProbe = isAny(m.src);
  if (!isProbe && mac) {
    stack.neighbours.learn(ifp, m.src, mac, { isAnswer: false, mayCreate: true });
  }
  const dst = isProbe ? LINK_LOCAL_ALLNODES : m.src;
  const to = isProbe
    ? groupAddress(LINK_LOCAL_ALLNODES)
    : (mac ?? stack.neighbours.find(ifp, m.src)?.hwaddr);
  if (!to) return;
  const flags = (isProbe ? 0 : FLAG_SOLICITED) | FLAG_OVERRIDE;
  send(
    ifp,
    ADVERTISEMENT,
    flags,
    target === ANY6 ? ANY6 : target,
    dst,
    target,
    OPTION_TARGET_LINK,
    to,
  );
}

/** The link address in an option of a kind; null. A list that makes no sense has none. */
function linkOption(head: Uint8Array, from: number, end: number, kind: number): Uint8Array | null {
  for (let at = from; at + 2 <= end; ) {
    const length = head[at + 1]! * 8;
    if (length === 0 || at + length > end) return null;
    if (head[at] === kind) return head.slice(at + 2, at + 2 + ETHER_BYTES);
    at += length;
  }
  return null;
}
