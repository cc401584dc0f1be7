/**
 * Messages that wait in a UNIX socket of datagrams or sequenced packets: each
 * comes whole or not at all.
 *
 * A message is charged to its sender's buffer until it is read, with what
 * Linux needs for it beside its bytes, so that as many fit.
 */
import { EFAULT, ENOBUFS, type Errno, failed } from "../../abi/errno.ts";
import { MSG_PEEK, MSG_TRUNC } from "../../abi/socket.ts";
import type { Timespec } from "../../kern/clock.ts";
import type { Thread } from "../../kern/thread.ts";
import { WaitQueue } from "../../kern/waitqueue.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { Uio } from "../../vm/uio.ts";
import type { PeerCred, Receiving, Sending } from "../message.ts";
import type { Rights } from "./rights.ts";
import type { Scm } from "./scm.ts";
import { UNKNOWN } from "./stream.ts";
import { senderCreds, type UnixSocket } from "./unixsocket.ts";

/** Of Linux: struct sk_buff, what follows the bytes of one, and the least block. */
const SKB_BYTES = 256;
const SKB_SHARED_BYTES = 320;
const SKB_MIN_BYTES = 512;
const SKB_HEAD_MAX = 16384;
/** However large a buffer may be asked for. */
const MAX_BYTES = 4 * 1024 * 1024;

/** A message must leave so much of its sender's buffer, bytes. */
export const PACKET_OVERHEAD = 32;

/** A socket that sends messages. */
export interface PacketSender extends UnixSocket {
  /** Bytes that its messages under way are charged with. */
  wmem: number;
  /** The name that goes with what it sends. */
  readonly sentName: Uint8Array | null;
}

export class Packet {
  readonly bytes: Uint8Array;
  readonly sender: PacketSender;
  readonly creds: PeerCred | null;
  readonly time: Timespec | null;
  rights: Rights | null;
  readonly cost: number;

  constructor(
    bytes: Uint8Array,
    sender: PacketSender,
    creds: PeerCred | null,
    time: Timespec | null,
    rights: Rights | null,
    cost: number,
  ) {
    this.bytes = bytes;
    this.sender = sender;
    this.creds = creds;
    this.time = time;
    this.rights = rights;
    this.cost = cost;
  }
}

/** What a message of `length` bytes is charged with. */
function costOf(length: number): number {
  let block = SKB_MIN_BYTES;
  const need = Math.ceil(length / 64) * 64 + SKB_SHARED_BYTES;
  while (block < need && block < SKB_HEAD_MAX) block *= 2;
  return SKB_BYTES + Math.max(block, need);
}

export class PacketQueue {
  readonly #owner: UnixSocket;
  #packets: Packet[] = [];
  /** Those who wait for somebody else's queue to be shorter. */
  readonly space = new WaitQueue();

  constructor(owner: UnixSocket) {
    this.#owner = owner;
  }

  get length(): number {
    return this.#packets.length;
  }

  get first(): Packet | null {
    return this.#packets[0] ?? null;
  }

  get bytes(): number {
    let sum = 0;
    for (const p of this.#packets) sum += p.bytes.length;
    return sum;
  }

  *rights(): Generator<Rights> {
    for (const p of this.#packets) if (p.rights) yield p.rights;
  }

  takeRights(): Rights[] {
    const taken = [...this.rights()];
    for (const p of this.#packets) p.rights = null;
    return taken;
  }

  put(packet: Packet): void {
    this.#packets.push(packet);
    this.#owner.readable.wakeup();
  }

  /** Takes the first message, or looks at it: its bytes that fit, or with MSG_TRUNC its length. Null: there is none. */
  get(uio: Uio, flags: number, receiving: Receiving | null): number | null {
    const { options } = this.#owner;
    const isPeek = (flags & MSG_PEEK) !== 0;
    let skip = isPeek ? Math.max(0, options.peekOff) : 0;
    let at = 0;
    // A peek offset goes over whole messages.
    while (isPeek && options.peekOff >= 0 && at < this.#packets.length) {
      const { length } = this.#packets[at]!.bytes;
      if (skip < length || (skip === 0 && length === 0)) break;
      skip -= length;
      at++;
    }
    const packet = this.#packets[at];
    if (!packet) return null;
    const length = packet.bytes.length - skip;
    const size = Math.min(uio.resid, length);
    let n = 0;
    while (n < size) {
      const r = uio.copyout(packet.bytes.subarray(skip + n, skip + size));
      if (r < 0) return r;
      n += r;
    }
    if (receiving) this.#tell(receiving, packet, length > size, isPeek);
    if (isPeek) {
      if (options.peekOff >= 0) options.peekOff += size;
    } else {
      if (options.peekOff >= 0) {
        options.peekOff = Math.max(0, options.peekOff - packet.bytes.length);
      }
      this.#packets.shift();
      this.#free(packet);
      this.space.wakeup();
    }
    return (flags & MSG_TRUNC) !== 0 ? length : size;
  }

  #tell(receiving: Receiving, packet: Packet, isCut: boolean, isPeek: boolean): void {
    const { options, domain } = this.#owner;
    receiving.name = packet.sender.sentName;
    if (isCut) receiving.outFlags |= MSG_TRUNC;
    if (options.passcred) receiving.creds = packet.creds ?? UNKNOWN;
    if (options.timestamp !== 0) receiving.time = packet.time;
    const { rights } = packet;
    if (!rights) return;
    if (isPeek) receiving.files = rights.files.map((fp) => fp.hold());
    else {
      receiving.files = domain.inFlight.arrive(rights);
      packet.rights = null;
    }
  }

  /** Throws all away. */
  purge(): void {
    const packets = this.#packets;
    this.#packets = [];
    for (const p of packets) this.#free(p);
    if (packets.length > 0) this.space.wakeup();
  }

  #free(packet: Packet): void {
    const { sender, rights } = packet;
    this.#owner.domain.kmem.give(packet.cost);
    sender.wmem -= packet.cost;
    if (!sender.writable.isEmpty && sender.wmem * 4 <= sender.options.sndbuf) {
      sender.writable.wakeup();
    }
    packet.rights = null;
    if (rights) this.#owner.domain.inFlight.drop(rights);
  }
}

/** The message that `sender` sends to `to`, paid for: EFAULT, ENOBUFS, ETOOMANYREFS. */
export function makePacket(
  td: Thread,
  sender: PacketSender,
  to: UnixSocket,
  uio: Uio,
  sending: Sending,
): Packet | Errno {
  const { domain } = sender;
  const length = uio.resid;
  if (length > MAX_BYTES) return ENOBUFS;
  const cost = costOf(length);
  if (!domain.kmem.take(cost)) return ENOBUFS;
  const bytes = new Uint8Array(length);
  let error: Errno | 0 = 0;
  if (length > 0 && uio.copyin(bytes) !== length) error = EFAULT;
  let rights: Rights | null = null;
  const scm = sending.control as Scm | null;
  if (error === 0 && scm && scm.files.length > 0) {
    const departed = domain.inFlight.depart(td as Lwp, scm.files);
    if (failed(departed)) error = departed as Errno;
    else {
      rights = departed as Rights;
      // The message has them now.
      scm.files = [];
    }
  }
  if (error !== 0) {
    domain.kmem.give(cost);
    return error;
  }
  const isTold = sender.options.passcred || to.options.passcred || to.file === null;
  const creds = scm?.creds ?? (isTold ? senderCreds(td) : null);
  const time = to.options.timestamp !== 0 ? td.cpu.clock.realtime() : null;
  sender.wmem += cost;
  return new Packet(bytes, sender, creds, time, rights, cost);
}
