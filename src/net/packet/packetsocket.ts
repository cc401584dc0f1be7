/**
 * A packet socket: a tap on one interface or all, with a filter of its own; and
 * a way to send frames past the protocols. See packet(7); Linux net/packet/af_packet.c.
 *
 * Who asks for one protocol sees what comes in of it; who asks for all sees what goes out, too.
 */
import * as e from "../../abi/errno.ts";
import { ETH_P_ALL, PACKET_OUTGOING } from "../../abi/netdevice.ts";
import * as pk from "../../abi/packet.ts";
import { POLLERR, POLLHUP } from "../../abi/poll.ts";
import { AF_PACKET, MSG_OOB, MSG_PEEK, MSG_TRUNC, SOCK_RAW } from "../../abi/socket.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { NetNamespace } from "../../vfs/netns.ts";
import type { PollTable } from "../../vfs/poll.ts";
import type { VmObject } from "../../vm/object.ts";
import type { Uio } from "../../vm/uio.ts";
import type { Ifnet, PacketTap } from "../ifnet.ts";
import { CSUM_PARTIAL, Mbuf } from "../mbuf.ts";
import type { Receiving, Sending } from "../message.ts";
import type { NetStack } from "../netstack.ts";
import { READABLE, Socket, WRITABLE } from "../socket.ts";
import { intOf, intValue, viewOf } from "../sockopt.ts";
import { addressOf, boundAddress } from "./address.ts";
import { ETHER_HEADER_BYTES, linkHeader } from "./linkheader.ts";
import { PacketMemberships } from "./memberships.ts";
import { type HeldPacket, PacketQueue } from "./packetqueue.ts";
import { PacketRing } from "./ring.ts";

export const PACKET_SOCKET_BYTES = 2048;
const MAX_FRAME_BYTES = 65536 + ETHER_HEADER_BYTES;
const MAX_RESERVE = 65536;
/** What it was bound to is gone. */
const NOWHERE = -1;
const NOTHING = new Uint8Array(0);

export class PacketSocket extends Socket implements PacketTap {
  readonly stack: NetStack;
  /** ETH_P_*; 0: nothing comes in. */
  ethertype: number;
  /** 0: all interfaces. */
  ifindex = 0;
  drops = 0;
  readonly #queue: PacketQueue;
  #tapped: Ifnet | null = null;
  readonly #memberships = new PacketMemberships();
  #hasAuxdata = false;
  #version = pk.TPACKET_V1;
  #reserve = 0;
  #ring: PacketRing | null = null;
  #ignoresOutgoing = false;
  #isSending = false;
  /** Since PACKET_STATISTICS was asked last. */
  #seen = 0;
  #lost = 0;

  constructor(stack: NetStack, type: number, protocol: number) {
    const { network } = stack;
    super(AF_PACKET, type, protocol, network.vfs.anonymousIno(), network.tunables);
    this.stack = stack;
    stack.ns.hold();
    this.ethertype = swap16(protocol);
    this.#queue = new PacketQueue(stack.kmem);
    stack.packetSockets.add(this);
    this.#hook(null);
  }

  override get netns(): NetNamespace {
    return this.stack.ns;
  }

  get rmem(): number {
    return this.#queue.rmem;
  }

  /** Begins to listen at an interface, or at all. */
  #hook(ifp: Ifnet | null): void {
    this.#unhook();
    if (this.ethertype === 0) return;
    this.#tapped = ifp;
    (ifp ?? this.stack).taps.add(this);
  }

  #unhook(): void {
    (this.#tapped ?? this.stack).taps.delete(this);
    this.#tapped = null;
  }

  /** The interface that it is bound to goes down, which is an error that is told once, or comes up. */
  interfaceChanged(ifp: Ifnet): void {
    if (this.ifindex !== ifp.index) return;
    if (ifp.isUp) {
      this.#hook(ifp);
      return;
    }
    if (!this.#tapped) return;
    this.#unhook();
    this.error = e.ENETDOWN;
    this.readable.wakeup();
  }

  /** An interface leaves: nothing of this socket stays with it. */
  interfaceGone(ifp: Ifnet): void {
    this.#memberships.drop(ifp);
    this.interfaceChanged(ifp);
    if (this.ifindex === ifp.index) this.ifindex = NOWHERE;
  }

  tap(m: Mbuf, ifp: Ifnet): void {
    const isOutgoing = m.type === PACKET_OUTGOING;
    if (isOutgoing && (this.#ignoresOutgoing || this.#isSending)) return;
    if (this.ethertype !== ETH_P_ALL && (isOutgoing || m.family !== this.ethertype)) return;
    const link = this.type === SOCK_RAW ? linkHeader(m, ifp) : null;
    const linkBytes = link?.length ?? 0;
    const length = linkBytes + m.length;
    let keep = length;
    const { filter } = this.options;
    let bytes: Uint8Array | null = null;
    if (filter) {
      bytes = bytesOf(m, link, length);
      const facts = {
        networkOffset: linkBytes,
        protocol: m.family,
        type: m.type,
        ifindex: ifp.index,
        hatype: ifp.type,
        mark: m.mark,
      };
      keep = Math.min(length, filter.run(bytes, facts));
      if (keep === 0) return;
    }
    this.#seen++;
    const ring = this.#ring;
    if (!ring && !this.#queue.hasRoom(this.options.rcvbuf)) {
      this.#lose();
      return;
    }
    bytes = bytes ? bytes.subarray(0, keep) : bytesOf(m, link, keep);
    const isPartial = m.csum === CSUM_PARTIAL;
    const sum = isPartial ? pk.TP_STATUS_CSUMNOTREADY : pk.TP_STATUS_CSUM_VALID;
    const from = addressOf(m, ifp);
    const time = this.stack.cpu.clock.realtime();
    const status = pk.TP_STATUS_USER | sum;
    let isHeld: boolean;
    if (ring) {
      const losing = this.#lost > 0 ? pk.TP_STATUS_LOSING : 0;
      const { sec, nsec } = time;
      isHeld = ring.put({ bytes, length, linkBytes, from, status: status | losing, sec, nsec });
    } else isHeld = this.#queue.put({ bytes, length, linkBytes, from, status, time });
    if (isHeld) this.readable.wakeup();
    else this.#lose();
  }

  #lose(): void {
    this.drops++;
    this.#lost++;
  }

  override bind(_td: Thread, address: Uint8Array): number {
    if (address.length < pk.SockaddrLl.sizeof) return e.EINVAL;
    const view = viewOf(address);
    if (pk.SockaddrLl.sll_family.get(view, 0) !== AF_PACKET) return e.EINVAL;
    const index = pk.SockaddrLl.sll_ifindex.get(view, 0);
    const ifp = index === 0 ? null : this.stack.byIndex(index);
    if (index !== 0 && !ifp) return e.ENODEV;
    this.#unhook();
    this.ethertype = pk.SockaddrLl.sll_protocol.get(view, 0) || this.ethertype;
    this.ifindex = index;
    if (!ifp || ifp.isUp) this.#hook(ifp);
    else this.error = e.ENETDOWN;
    return 0;
  }

  name(): Uint8Array {
    const ifp = this.ifindex === 0 ? null : this.stack.byIndex(this.ifindex);
    return boundAddress(this.ethertype, this.ifindex, ifp);
  }

  peerName(): e.Errno {
    return e.EOPNOTSUPP;
  }

  send(_td: Thread, uio: Uio, sending: Sending, _isNonblocking: boolean): number {
    const { name } = sending;
    let index = this.ifindex;
    let protocol = this.ethertype;
    let to: Uint8Array = new Uint8Array(6);
    if (name !== null) {
      if (name.length < pk.SockaddrLl.sizeof) return e.EINVAL;
      const view = viewOf(name);
      if (pk.SockaddrLl.sll_family.get(view, 0) !== AF_PACKET) return e.EINVAL;
      index = pk.SockaddrLl.sll_ifindex.get(view, 0);
      protocol = pk.SockaddrLl.sll_protocol.get(view, 0);
      to = name.slice(pk.SLL_ADDR_OFFSET, pk.SLL_ADDR_OFFSET + 6);
    }
    const ifp = this.stack.byIndex(index);
    if (!ifp) return e.ENXIO;
    if (!ifp.isUp) return e.ENETDOWN;
    const isRaw = this.type === SOCK_RAW;
    const length = uio.resid;
    if (length > MAX_FRAME_BYTES || length > ifp.mtu + (isRaw ? ETHER_HEADER_BYTES : 0)) {
      return e.EMSGSIZE;
    }
    if (isRaw && length < ETHER_HEADER_BYTES) return e.EINVAL;
    const frame = new Uint8Array(length + (isRaw ? 0 : ETHER_HEADER_BYTES));
    const into = isRaw ? frame : frame.subarray(ETHER_HEADER_BYTES);
    if (length > 0 && uio.copyin(into) !== length) return e.EFAULT;
    if (!isRaw) {
      frame.set(to);
      frame.set(ifp.hwaddr, 6);
      frame[12] = protocol >> 8;
      frame[13] = protocol;
    }
    this.#isSending = true;
    const r = ifp.sendFrame(Mbuf.of(frame));
    this.#isSending = false;
    this.stack.netisr.drain();
    return r < 0 ? r : length;
  }

  receive(
    td: Thread,
    uio: Uio,
    flags: number,
    receiving: Receiving | null,
    isNonblocking: boolean,
  ): number {
    if ((flags & MSG_OOB) !== 0) return e.EINVAL;
    if (this.error !== 0) return this.takeError();
    const p = this.#queue.first;
    if (!p) {
      const { rcvTimeoutNs } = this.options;
      return this.block(td, this.readable, "skb_wait_packets", rcvTimeoutNs, isNonblocking, 0);
    }
    const size = Math.min(uio.resid, p.bytes.length);
    for (let n = 0; n < size; ) {
      const r = uio.copyout(p.bytes.subarray(n, size));
      if (r < 0) return r;
      n += r;
    }
    if (receiving) this.#tell(receiving, p, size < p.bytes.length);
    if ((flags & MSG_PEEK) === 0) this.#queue.drop();
    return (flags & MSG_TRUNC) !== 0 ? p.bytes.length : size;
  }

  #tell(receiving: Receiving, p: HeldPacket, isCut: boolean): void {
    receiving.name = p.from;
    if (isCut) receiving.outFlags |= MSG_TRUNC;
    if (this.options.timestamp !== 0) receiving.time = p.time;
    if (!this.#hasAuxdata) return;
    const data = new Uint8Array(pk.TpacketAuxdata.sizeof);
    const view = viewOf(data);
    pk.TpacketAuxdata.tp_status.set(view, 0, p.status);
    pk.TpacketAuxdata.tp_len.set(view, 0, p.length);
    pk.TpacketAuxdata.tp_snaplen.set(view, 0, p.bytes.length);
    pk.TpacketAuxdata.tp_net.set(view, 0, p.linkBytes);
    receiving.control.push({ level: pk.SOL_PACKET, type: pk.PACKET_AUXDATA, data });
  }

  shutdown(): number {
    return e.EOPNOTSUPP;
  }

  poll(_td: Thread, table: PollTable | null): number {
    table?.watch(this.readable, READABLE | POLLERR | POLLHUP);
    let events = WRITABLE;
    if (this.error !== 0) events |= POLLERR;
    if (this.#queue.first || this.#ring?.hasPacket) events |= READABLE;
    return events;
  }

  bytesReadable(): number {
    return this.#queue.first?.bytes.length ?? 0;
  }

  bytesUnsent(): number {
    return 0;
  }

  override setOption(td: Thread, level: number, name: number, value: Uint8Array): number {
    if (level !== pk.SOL_PACKET) return super.setOption(td, level, name, value);
    switch (name) {
      case pk.PACKET_ADD_MEMBERSHIP:
      case pk.PACKET_DROP_MEMBERSHIP:
        return this.#memberships.change(this.stack, name === pk.PACKET_ADD_MEMBERSHIP, value);
      case pk.PACKET_AUXDATA:
        if (value.length < 4) return e.EINVAL;
        this.#hasAuxdata = intOf(value) !== 0;
        return 0;
      case pk.PACKET_ORIGDEV:
        return value.length < 4 ? e.EINVAL : 0;
      case pk.PACKET_IGNORE_OUTGOING: {
        if (value.length !== 4) return e.EINVAL;
        const n = intOf(value);
        if (n < 0 || n > 1) return e.EINVAL;
        this.#ignoresOutgoing = n === 1;
        return 0;
      }
      case pk.PACKET_VERSION: {
        if (value.length !== 4) return e.EINVAL;
        const version = intOf(value);
        if (version !== pk.TPACKET_V1 && version !== pk.TPACKET_V2) return e.EINVAL;
        if (this.#ring) return e.EBUSY;
        this.#version = version;
        return 0;
      }
      case pk.PACKET_RESERVE: {
        if (value.length !== 4) return e.EINVAL;
        const reserve = intOf(value) >>> 0;
        if (reserve > MAX_RESERVE) return e.EINVAL;
        if (this.#ring) return e.EBUSY;
        this.#reserve = reserve;
        return 0;
      }
      case pk.PACKET_COPY_THRESH:
      case pk.PACKET_TIMESTAMP:
        return value.length === 4 ? 0 : e.EINVAL;
      case pk.PACKET_RX_RING:
        return this.#setRing(td as Lwp, value);
      default:
        return e.ENOPROTOOPT;
    }
  }

  /** Makes a ring, or with no blocks lets it go: EBUSY while somebody has it mapped. Rings of version 1 there are not. */
  #setRing(td: Lwp, value: Uint8Array): number {
    if (value.length < pk.TpacketReq.sizeof) return e.EINVAL;
    const view = viewOf(value);
    const shape = {
      blockBytes: pk.TpacketReq.tp_block_size.get(view, 0),
      blocks: pk.TpacketReq.tp_block_nr.get(view, 0),
      frameBytes: pk.TpacketReq.tp_frame_size.get(view, 0),
      frames: pk.TpacketReq.tp_frame_nr.get(view, 0),
    };
    const old = this.#ring;
    if (old && old.object.mappings.size > 0) return e.EBUSY;
    if (shape.blocks === 0) {
      if (shape.frames !== 0) return e.EINVAL;
      this.#dropRing();
      return 0;
    }
    if (old) return e.EBUSY;
    if (this.#version !== pk.TPACKET_V2) return e.EINVAL;
    const ring = PacketRing.make(td.proc.vmspace.frames, shape, this.#reserve);
    if (e.failed(ring)) return ring;
    this.#ring = ring;
    this.#queue.clear();
    return 0;
  }

  #dropRing(): void {
    this.#ring?.object.release();
    this.#ring = null;
  }

  override object(): VmObject | e.Errno {
    return this.#ring?.object ?? e.EINVAL;
  }

  override getOption(
    td: Thread,
    level: number,
    name: number,
    room: number,
    asked: Uint8Array = NOTHING,
  ): Uint8Array | e.Errno {
    if (level !== pk.SOL_PACKET) return super.getOption(td, level, name, room, asked);
    switch (name) {
      case pk.PACKET_STATISTICS: {
        const words = Uint32Array.of(this.#seen, this.#lost);
        this.#seen = this.#lost = 0;
        return new Uint8Array(words.buffer);
      }
      case pk.PACKET_AUXDATA:
        return intValue(this.#hasAuxdata ? 1 : 0);
      case pk.PACKET_ORIGDEV:
        return intValue(0);
      case pk.PACKET_IGNORE_OUTGOING:
        return intValue(this.#ignoresOutgoing ? 1 : 0);
      case pk.PACKET_HDRLEN:
        // Of the version that the caller says in the same place.
        if (asked.length < 4) return e.EINVAL;
        if (intOf(asked) === pk.TPACKET_V1) return intValue(pk.TPACKET1_HDR_BYTES);
        return intOf(asked) === pk.TPACKET_V2 ? intValue(pk.Tpacket2Hdr.sizeof) : e.EINVAL;
      case pk.PACKET_VERSION:
        return intValue(this.#version);
      case pk.PACKET_RESERVE:
        return intValue(this.#reserve);
      default:
        return e.ENOPROTOOPT;
    }
  }

  close(): void {
    if (!this.stack.packetSockets.delete(this)) return;
    this.#unhook();
    this.#memberships.drop(null);
    this.#queue.clear();
    this.#dropRing();
    this.stack.kmem.give(PACKET_SOCKET_BYTES);
    this.stack.ns.release();
  }
}

function bytesOf(m: Mbuf, link: Uint8Array | null, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const linkBytes = Math.min(link?.length ?? 0, length);
  if (link) bytes.set(link.subarray(0, linkBytes));
  m.copyTo(bytes, linkBytes, 0, length - linkBytes);
  return bytes;
}

function swap16(n: number): number {
  return ((n & 0xff) << 8) | ((n >> 8) & 0xff);
}
