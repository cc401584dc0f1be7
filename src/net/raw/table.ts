/** Raw sockets of a NetStack, by protocol: each gets its own copy of what comes for it. See raw(7). */
import type { Mbuf } from "../mbuf.ts";
import type { NetStack } from "../netstack.ts";
import type { IpNotice } from "../protocol.ts";

/** What the table needs to know of a raw socket. */
export interface RawListener {
  /** AF_INET or AF_INET6, and IPPROTO_*. */
  readonly family: number;
  readonly protocol: number;
  /** Whether a packet is for it; `m.off` is at the transport header. */
  wants(m: Mbuf): boolean;
  /** A copy that is its own. */
  take(m: Mbuf): void;
  notice(notice: IpNotice): void;
}

export class RawTable {
  readonly #byProtocol = new Map<number, Set<RawListener>>();

  add(s: RawListener): void {
    let set = this.#byProtocol.get(s.protocol);
    if (!set) {
      set = new Set();
      this.#byProtocol.set(s.protocol, set);
    }
    set.add(s);
  }

  remove(s: RawListener): void {
    const set = this.#byProtocol.get(s.protocol);
    set?.delete(s);
    if (set?.size === 0) this.#byProtocol.delete(s.protocol);
  }

  *all(): Generator<RawListener> {
    for (const set of this.#byProtocol.values()) yield* set;
  }

  /** Shows a packet to those who want it. False if nobody did. */
  input(_stack: NetStack, m: Mbuf): boolean {
    const set = this.#byProtocol.get(m.proto);
    if (!set) return false;
    let isHeard = false;
    for (const s of set) {
      if (!s.wants(m)) continue;
      isHeard = true;
      s.take(m.clone());
    }
    return isHeard;
  }

  /** An ICMP error about something that may have been sent by one of them. */
  notice(notice: IpNotice, protocol: number): void {
    const set = this.#byProtocol.get(protocol);
    if (set) for (const s of set) s.notice(notice);
  }
}
