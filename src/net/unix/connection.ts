/**
 * Connections over UNIX sockets, which streams and sequenced packets share:
 * listen(2), connect(2), accept(2), and what the other side hears of an end.
 *
 * connect(2) makes the server's socket, connected, and leaves it in the
 * listener's queue: the client may send before accept(2).
 */
import { ECONNREFUSED, ECONNRESET, EINVAL, EISCONN, type Errno, failed } from "../../abi/errno.ts";
import type { Thread } from "../../kern/thread.ts";
import { WaitQueue } from "../../kern/waitqueue.ts";
import { RCV_SHUTDOWN, SEND_SHUTDOWN, type Socket } from "../socket.ts";
import { checkAddress } from "./address.ts";
import { identityOf, UnixSocket } from "./unixsocket.ts";

export abstract class UnixConnection extends UnixSocket {
  /** Connections that wait to be accepted, while it listens. */
  #backlog: UnixConnection[] = [];
  #maxBacklog = 0;
  /** A server's socket has the name of its listener, though it is not bound to it. */
  #nameOfListener: Uint8Array | null = null;
  #wasAccepted = false;
  /** Those who wait for room in the backlog. */
  readonly #connecting = new WaitQueue();

  override get isListening(): boolean {
    return this.state === "listening";
  }

  override embryos(): Iterable<UnixSocket> {
    return this.#backlog;
  }

  get maxBacklog(): number {
    return this.#maxBacklog;
  }

  get backlogLength(): number {
    return this.#backlog.length;
  }

  override listen(td: Thread, backlog: number): number {
    if (!this.address) return EINVAL;
    if (this.state !== "closed" && this.state !== "listening") return EINVAL;
    const limit = this.tunables.somaxconn.get();
    const most = backlog < 0 || backlog > limit ? limit : backlog;
    const isMore = most > this.#maxBacklog;
    this.#maxBacklog = most;
    this.state = "listening";
    this.peerIdentity = identityOf(td);
    if (isMore) this.#connecting.wakeup();
    return 0;
  }

  override connect(td: Thread, address: Uint8Array, isNonblocking: boolean): number {
    const bad = checkAddress(address);
    if (bad !== 0) return bad;
    if (this.options.passcred) {
      const r = this.autobind();
      if (r < 0) return r;
    }
    const listener = this.find(td, address);
    if (failed(listener)) return listener;
    if (!(listener instanceof UnixConnection) || !listener.isListening) return ECONNREFUSED;
    if ((listener.closed & RCV_SHUTDOWN) !== 0) return ECONNREFUSED;
    if (listener.#backlog.length > listener.#maxBacklog) {
      const timeout = this.options.sndTimeoutNs;
      return this.block(td, listener.#connecting, "unix_wait_for_peer", timeout, isNonblocking, 0);
    }
    if (this.state !== "closed") return this.state === "established" ? EISCONN : EINVAL;
    return this.#meet(td, listener);
  }

  #meet(td: Thread, listener: UnixConnection): number {
    const server = this.domain.make(this.net, this.type, this.protocol);
    if (failed(server)) return server;
    server.address = null;
    const accepted = server as UnixConnection;
    accepted.#nameOfListener = listener.address;
    accepted.peer = this;
    accepted.peerIdentity = identityOf(td);
    accepted.state = "established";
    accepted.options.passcred = listener.options.passcred;
    this.peer = accepted;
    this.peerIdentity = listener.peerIdentity;
    this.state = "established";
    listener.#backlog.push(accepted);
    listener.readable.wakeup();
    this.changed();
    return 0;
  }

  override name(): Uint8Array {
    return this.#nameOfListener ?? super.name();
  }

  /** The name that goes with what it sends; null if it has none. */
  get sentName(): Uint8Array | null {
    return this.#nameOfListener ?? this.address;
  }

  override accept(td: Thread, isNonblocking: boolean): Socket | Errno {
    if (this.state !== "listening") return EINVAL;
    const next = this.#backlog.shift();
    if (next) {
      next.#wasAccepted = true;
      this.#connecting.wakeup();
      return next;
    }
    if ((this.closed & RCV_SHUTDOWN) !== 0) return EINVAL;
    const timeout = this.options.rcvTimeoutNs;
    return this.block(td, this.readable, "unix_accept", timeout, isNonblocking, 0) as Errno;
  }

  override shutdown(how: number): number {
    const r = super.shutdown(how);
    this.#connecting.wakeup();
    return r;
  }

  /** Something that was sent to it was not read. */
  protected abstract get hasUnread(): boolean;
  /** Throws away what waits in it. */
  protected abstract purge(): void;

  close(): void {
    if (this.isDead) return;
    const isEmbryo = this.#nameOfListener !== null && !this.#wasAccepted;
    const { peer } = this;
    const backlog = this.#backlog;
    this.#backlog = [];
    const isReset = this.hasUnread || isEmbryo;
    this.forget();
    this.peer = null;
    this.#connecting.wakeup();
    if (peer && !peer.isDead) {
      peer.closed = RCV_SHUTDOWN | SEND_SHUTDOWN;
      if (isReset) peer.error = ECONNRESET;
      peer.changed();
    }
    this.changed();
    for (const embryo of backlog) embryo.close();
    this.purge();
  }
}
