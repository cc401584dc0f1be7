/**
 * Packets that wait in a socket until a program reads them.
 *
 * Bounded by SO_RCVBUF as Linux counts (what is there may pass the limit by one packet), and paid for; what does
 * not fit is dropped and counted, never waited for.
 */
import type { Mbuf } from "../mbuf.ts";
import type { InetSocket } from "./inetsocket.ts";

export class RcvQueue {
  /** Places before `#at` are empty. */
  #packets: (Mbuf | undefined)[] = [];
  #at = 0;
  /** What they cost. */
  rmem = 0;
  drops = 0;

  get length(): number {
    return this.#packets.length - this.#at;
  }

  get first(): Mbuf | null {
    return this.#packets[this.#at] ?? null;
  }

  /** The packet `n` places behind the first. */
  at(n: number): Mbuf | null {
    return this.#packets[this.#at + n] ?? null;
  }

  /** False if it was dropped. */
  put(s: InetSocket, m: Mbuf): boolean {
    const cost = m.truesize;
    if (this.rmem > s.options.rcvbuf || !s.stack.kmem.take(cost)) {
      this.drops++;
      return false;
    }
    m.cost = cost;
    this.rmem += cost;
    this.#packets.push(m);
    return true;
  }

  /** Takes the first, which is there. */
  take(s: InetSocket): Mbuf {
    const m = this.#packets[this.#at]!;
    this.#packets[this.#at++] = undefined;
    if (this.#at === this.#packets.length) {
      this.#packets = [];
      this.#at = 0;
    } else if (this.#at >= COMPACT_AT) {
      this.#packets = this.#packets.slice(this.#at);
      this.#at = 0;
    }
    this.rmem -= m.cost;
    s.stack.kmem.give(m.cost);
    return m;
  }

  purge(s: InetSocket): void {
    while (this.length > 0) this.take(s);
  }
}

const COMPACT_AT = 64;
