/** SOCK_SEQPACKET over a UNIX socket: connected, and messages stay apart. See unix(7). */
import { EINVAL, EMSGSIZE, ENOTCONN, EOPNOTSUPP, EPIPE, failed } from "../../abi/errno.ts";
import { POLLERR, POLLHUP, POLLRDHUP } from "../../abi/poll.ts";
import { MSG_OOB } from "../../abi/socket.ts";
import type { Thread } from "../../kern/thread.ts";
import type { PollTable } from "../../vfs/poll.ts";
import type { Uio } from "../../vm/uio.ts";
import type { Receiving, Sending } from "../message.ts";
import { RCV_SHUTDOWN, READABLE, SEND_SHUTDOWN, WRITABLE } from "../socket.ts";
import { UnixConnection } from "./connection.ts";
import { makePacket, PACKET_OVERHEAD, PacketQueue, type PacketSender } from "./packets.ts";
import type { Rights } from "./rights.ts";

export class UnixSeqpacket extends UnixConnection implements PacketSender {
  readonly #queue = new PacketQueue(this);
  wmem = 0;

  override rights(): Iterable<Rights> {
    return this.#queue.rights();
  }

  takeRights(): Rights[] {
    return this.#queue.takeRights();
  }

  protected get hasUnread(): boolean {
    return this.#queue.length > 0;
  }

  protected purge(): void {
    this.#queue.purge();
  }

  /** An address is not looked at: the connection says where to. */
  send(td: Thread, uio: Uio, sending: Sending, isNonblocking: boolean): number {
    if (this.error !== 0) return this.takeError();
    const peer = this.peer as UnixSeqpacket | null;
    if (this.state !== "established" || !peer) return ENOTCONN;
    if ((sending.flags & MSG_OOB) !== 0) return EOPNOTSUPP;
    const { options } = this;
    const length = uio.resid;
    if (length > options.sndbuf - PACKET_OVERHEAD) return EMSGSIZE;
    if ((this.closed & SEND_SHUTDOWN) !== 0) return EPIPE;
    if (this.wmem >= options.sndbuf) {
      const timeout = options.sndTimeoutNs;
      return this.block(td, this.writable, "sock_wait_wmem", timeout, isNonblocking, 0);
    }
    if (peer.isDead || (peer.closed & RCV_SHUTDOWN) !== 0) return EPIPE;
    const packet = makePacket(td, this, peer, uio, sending);
    if (failed(packet)) return packet;
    peer.#queue.put(packet);
    return length;
  }

  receive(
    td: Thread,
    uio: Uio,
    flags: number,
    receiving: Receiving | null,
    isNonblocking: boolean,
  ): number {
    if (this.state !== "established") return ENOTCONN;
    if ((flags & MSG_OOB) !== 0) return EOPNOTSUPP;
    if (this.error !== 0) return this.takeError();
    const n = this.#queue.get(uio, flags, receiving);
    if (n !== null) return n;
    if ((this.closed & RCV_SHUTDOWN) !== 0) return 0;
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
    if (this.#queue.length > 0 || this.backlogLength > 0) events |= READABLE;
    if (this.state === "closed") events |= POLLHUP;
    if (this.state !== "listening" && this.wmem * 4 <= this.options.sndbuf) events |= WRITABLE;
    return events;
  }

  bytesReadable(): number {
    return this.state === "listening" ? EINVAL : this.#queue.bytes;
  }

  bytesUnsent(): number {
    return this.state === "listening" ? EINVAL : this.wmem;
  }
}
