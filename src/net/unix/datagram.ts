/**
 * SOCK_DGRAM over a UNIX socket: messages, reliable and in order, to whoever
 * has a name. See unix(7).
 *
 * A receiver who is not connected back to its senders lets a few messages wait;
 * who sends more waits for him. A peer that closed is found out by the next send.
 */
import {
  EAGAIN,
  ECONNREFUSED,
  ECONNRESET,
  EINVAL,
  EMSGSIZE,
  ENOTCONN,
  EOPNOTSUPP,
  EPERM,
  EPIPE,
  failed,
} from "../../abi/errno.ts";
import { POLLERR, POLLHUP, POLLRDHUP } from "../../abi/poll.ts";
import { AF_UNSPEC, MSG_OOB } from "../../abi/socket.ts";
import type { Thread } from "../../kern/thread.ts";
import type { PollTable } from "../../vfs/poll.ts";
import type { Uio } from "../../vm/uio.ts";
import type { Receiving, Sending } from "../message.ts";
import { RCV_SHUTDOWN, READABLE, SEND_SHUTDOWN, WRITABLE } from "../socket.ts";
import { checkAddress, familyOf, PATH_OFFSET } from "./address.ts";
import { makePacket, PACKET_OVERHEAD, PacketQueue, type PacketSender } from "./packets.ts";
import type { Rights } from "./rights.ts";
import { UnixSocket } from "./unixsocket.ts";

export class UnixDatagram extends UnixSocket implements PacketSender {
  readonly #queue = new PacketQueue(this);
  wmem = 0;

  get sentName(): Uint8Array | null {
    return this.address;
  }

  override rights(): Iterable<Rights> {
    return this.#queue.rights();
  }

  takeRights(): Rights[] {
    return this.#queue.takeRights();
  }

  /** A peer hears of a shutdown only where there is a connection. */
  protected override connected(): null {
    return null;
  }

  override connect(td: Thread, address: Uint8Array): number {
    if (address.length < PATH_OFFSET) return EINVAL;
    if (familyOf(address) === AF_UNSPEC) {
      this.#setPeer(null);
      return 0;
    }
    const bad = checkAddress(address);
    if (bad !== 0) return bad;
    if (this.options.passcred) {
      const r = this.autobind();
      if (r < 0) return r;
    }
    const other = this.find(td, address);
    if (failed(other)) return other;
    if (!this.#maySendTo(other)) return EPERM;
    this.#setPeer(other as UnixDatagram);
    return 0;
  }

  #setPeer(peer: UnixDatagram | null): void {
    const old = this.peer as UnixDatagram | null;
    this.peer = peer;
    this.state = peer ? "established" : "closed";
    if (old && old !== peer) this.#disconnected(old);
    this.writable.wakeup();
  }

  /** What the old peer sent is lost, and he is told if he counted on it. */
  #disconnected(old: UnixDatagram): void {
    if (this.#queue.length > 0) this.#queue.purge();
    if (old.isDead || old.peer !== this) return;
    old.error = ECONNRESET;
    old.changed();
  }

  /** Who is connected hears from his peer alone. */
  #maySendTo(other: UnixSocket): boolean {
    return other.peer === null || other.peer === this;
  }

  send(td: Thread, uio: Uio, sending: Sending, isNonblocking: boolean): number {
    if ((sending.flags & MSG_OOB) !== 0) return EOPNOTSUPP;
    const { name } = sending;
    if (name !== null) {
      const bad = checkAddress(name);
      if (bad !== 0) return bad;
    } else if (!this.peer) return ENOTCONN;
    const { options } = this;
    if (options.passcred) {
      const r = this.autobind();
      if (r < 0) return r;
    }
    const length = uio.resid;
    if (length > options.sndbuf - PACKET_OVERHEAD) return EMSGSIZE;
    if (this.error !== 0) return this.takeError();
    if ((this.closed & SEND_SHUTDOWN) !== 0) return EPIPE;
    const timeout = options.sndTimeoutNs;
    if (this.wmem >= options.sndbuf) {
      return this.block(td, this.writable, "sock_wait_wmem", timeout, isNonblocking, 0);
    }
    const found = name === null ? this.peer! : this.find(td, name);
    if (failed(found)) return found;
    const other = found as UnixDatagram;
    if (!this.#maySendTo(other)) return EPERM;
    if (other.isDead) {
      this.#setPeer(null);
      return ECONNREFUSED;
    }
    if ((other.closed & RCV_SHUTDOWN) !== 0) return EPIPE;
    if (other.#isFullFor(this)) {
      return this.block(td, other.#queue.space, "unix_wait_for_peer", timeout, isNonblocking, 0);
    }
    const packet = makePacket(td, this, other, uio, sending);
    if (failed(packet)) return packet;
    other.#queue.put(packet);
    return length;
  }

  #isFullFor(sender: UnixDatagram): boolean {
    if (this === sender || this.peer === sender) return false;
    return this.#queue.length > this.tunables.maxDgramQlen.get();
  }

  receive(
    td: Thread,
    uio: Uio,
    flags: number,
    receiving: Receiving | null,
    isNonblocking: boolean,
  ): number {
    if ((flags & MSG_OOB) !== 0) return EOPNOTSUPP;
    if (this.error !== 0) return this.takeError();
    const n = this.#queue.get(uio, flags, receiving);
    if (n !== null) return n;
    if ((this.closed & RCV_SHUTDOWN) !== 0) return isNonblocking ? EAGAIN : 0;
    const timeout = this.options.rcvTimeoutNs;
    return this.block(td, this.readable, "skb_wait_packets", timeout, isNonblocking, 0);
  }

  poll(_td: Thread, table: PollTable | null): number {
    table?.watch(this.readable, READABLE | POLLRDHUP | POLLHUP | POLLERR);
    table?.watch(this.writable, WRITABLE | POLLHUP | POLLERR);
    let events = 0;
    if (this.error !== 0) events |= POLLERR;
    if (this.closed === (RCV_SHUTDOWN | SEND_SHUTDOWN)) events |= POLLHUP;
    if ((this.closed & RCV_SHUTDOWN) !== 0) events |= POLLRDHUP | READABLE;
    if (this.#queue.length > 0) events |= READABLE;
    if (this.wmem * 4 > this.options.sndbuf) return events;
    const peer = this.peer as UnixDatagram | null;
    if (!peer || peer.isDead) return events | WRITABLE;
    table?.watch(peer.#queue.space, WRITABLE);
    return peer.#isFullFor(this) ? events : events | WRITABLE;
  }

  /** Of the first message alone. */
  bytesReadable(): number {
    return this.#queue.first?.bytes.length ?? 0;
  }

  bytesUnsent(): number {
    return this.wmem;
  }

  close(): void {
    if (this.isDead) return;
    this.forget();
    this.peer = null;
    this.#queue.purge();
    this.#queue.space.wakeup();
    this.changed();
  }
}
