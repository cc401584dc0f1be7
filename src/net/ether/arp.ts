/** ARP: who has an IPv4 address on this link. See arp(4), RFC 826. */
import { ETH_P_ARP, ETH_P_IP, PACKET_OTHERHOST } from "../../abi/netdevice.ts";
import { ANY4, type InetAddr, isMulticast, readAddr, writeAddr } from "../address.ts";
import { interfaceSource4 } from "../ip/path.ts";
import { Mbuf } from "../mbuf.ts";
import type { NetStack } from "../netstack.ts";
import { ETHER_BROADCAST, ETHER_BYTES } from "./address.ts";
import { EtherIf } from "./etherif.ts";

const ARP_BYTES = 28;
const HTYPE_ETHER = 1;
const REQUEST = 1;
const REPLY = 2;
const SENDER_MAC = 8;
const SENDER = 14;
const TARGET_MAC = 18;
const TARGET = 24;

/** Asks for `addr`: all, or one who is to confirm that he has it still. */
export function sendArpRequest(ifp: EtherIf, addr: InetAddr, to: Uint8Array | null): void {
  const own = interfaceSource4(ifp.stack, ifp, addr);
  const message = messageOf(ifp, REQUEST, own === "" ? ANY4 : own, new Uint8Array(6), addr);
  ifp.sendTo(message, to ?? ETHER_BROADCAST);
}

function messageOf(
  ifp: EtherIf,
  op: number,
  own: InetAddr,
  targetMac: Uint8Array,
  target: InetAddr,
): Mbuf {
  const m = Mbuf.empty();
  const at = m.prepend(ARP_BYTES);
  const { head, view } = m;
  view.setUint16(at, HTYPE_ETHER);
  view.setUint16(at + 2, ETH_P_IP);
  head[at + 4] = ETHER_BYTES;
  head[at + 5] = 4;
  view.setUint16(at + 6, op);
  head.set(ifp.hwaddr, at + SENDER_MAC);
  writeAddr(head, at + SENDER, own, 4);
  head.set(targetMac, at + TARGET_MAC);
  writeAddr(head, at + TARGET, target, 4);
  m.family = ETH_P_ARP;
  return m;
}

export function arpInput(stack: NetStack, m: Mbuf): void {
  const ifp = m.rcvif;
  if (!(ifp instanceof EtherIf) || m.type === PACKET_OTHERHOST || !m.pullup(ARP_BYTES)) return;
  const { head, view, off } = m;
  const isSound =
    view.getUint16(off) === HTYPE_ETHER &&
    view.getUint16(off + 2) === ETH_P_IP &&
    head[off + 4] === ETHER_BYTES &&
    head[off + 5] === 4;
  const op = view.getUint16(off + 6);
  if (!isSound || (op !== REQUEST && op !== REPLY)) return;
  const sender = readAddr(head, off + SENDER, 4);
  const target = readAddr(head, off + TARGET, 4);
  const mac = head.slice(off + SENDER_MAC, off + SENDER_MAC + ETHER_BYTES);
  if (isMulticast(target) || isMulticast(sender)) return;
  const isForUs = stack.localRoute(target) !== null && !ifp.isLoopback;
  const isProbe = sender === ANY4;
  if (op === REQUEST && isForUs) {
    if (!isProbe) stack.neighbours.learn(ifp, sender, mac, { isAnswer: false, mayCreate: true });
    ifp.sendTo(messageOf(ifp, REPLY, target, mac, sender), mac);
    return;
  }
  if (isProbe) return;
  stack.neighbours.learn(ifp, sender, mac, { isAnswer: op === REPLY && isForUs, mayCreate: false });
}
