/**
 * IP_RECVERR, IPV6_RECVERR: what went wrong with packets that a socket sent, kept until recvmsg(2) with MSG_ERRQUEUE.
 *
 * Each keeps the payload of its packet as far as it was quoted; it is charged to the socket's receive buffer. See ip(7).
 */
import type { InetAddr } from "../address.ts";
import type { InetSocket } from "./inetsocket.ts";

export interface QueuedError {
  /** struct sock_extended_err, fields of it. */
  readonly errno: number;
  /** SO_EE_ORIGIN_*. */
  readonly origin: number;
  readonly type: number;
  readonly code: number;
  readonly info: number;
  /** Who sent the ICMP message; ANY where it came from inside. */
  readonly offender: InetAddr;
  /** Where the packet was to go. */
  readonly dst: InetAddr;
  readonly dstPort: number;
  readonly ifindex: number;
  readonly payload: Uint8Array;
}

const OVERHEAD_BYTES = 512;

export class ErrorQueue {
  #list: QueuedError[] = [];
  bytes = 0;

  get isEmpty(): boolean {
    return this.#list.length === 0;
  }

  get first(): QueuedError | null {
    return this.#list[0] ?? null;
  }

  /** False if there is no room: then it is lost. */
  put(s: InetSocket, e: QueuedError): boolean {
    const cost = e.payload.length + OVERHEAD_BYTES;
    if (this.bytes + cost > s.options.rcvbuf || !s.stack.kmem.take(cost)) return false;
    this.bytes += cost;
    this.#list.push(e);
    s.readable.wakeup();
    return true;
  }

  /** Takes the first. */
  take(s: InetSocket): QueuedError | null {
    const e = this.#list.shift() ?? null;
    if (e) this.#paid(s, e);
    return e;
  }

  purge(s: InetSocket): void {
    for (const e of this.#list) this.#paid(s, e);
    this.#list = [];
  }

  #paid(s: InetSocket, e: QueuedError): void {
    const cost = e.payload.length + OVERHEAD_BYTES;
    this.bytes -= cost;
    s.stack.kmem.give(cost);
  }
}
