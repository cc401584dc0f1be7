/** A bucket of tokens: so many a second, and as many at once. */
const NS_PER_SEC = 1e9;

export class TokenBucket {
  #tokens = 0;
  #lastNs = Number.NEGATIVE_INFINITY;

  /** Takes one, if there is one. */
  take(nowNs: number, perSecond: number, burst: number): boolean {
    if (this.#lastNs === Number.NEGATIVE_INFINITY) this.#tokens = burst;
    else {
      const more = ((nowNs - this.#lastNs) / NS_PER_SEC) * perSecond;
      this.#tokens = Math.min(burst, this.#tokens + more);
    }
    this.#lastNs = nowNs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}

/** So many messages in a row to one peer, before it must wait. As XRLIM_BURST_FACTOR of Linux. */
const PEER_BURST = 6;
const MAX_PEERS = 1024;
const NS_PER_MS = 1e6;

interface PeerTokens {
  tokens: number;
  lastNs: number;
}

/** Messages to each peer: one every `intervalMs`, and a few at once. */
export class PeerLimits {
  readonly #peers = new Map<string, PeerTokens>();

  /** Whether `peer` may be sent one now; `intervalMs` 0: always. */
  take(peer: string, nowNs: number, intervalMs: number): boolean {
    if (intervalMs === 0) return true;
    let p = this.#peers.get(peer);
    if (!p) {
      // Who is forgotten begins anew: a peer can gain a burst by that, no more.
      if (this.#peers.size >= MAX_PEERS) this.#peers.clear();
      p = { tokens: PEER_BURST, lastNs: nowNs };
      this.#peers.set(peer, p);
    }
    const more = (nowNs - p.lastNs) / (intervalMs * NS_PER_MS);
    p.tokens = Math.min(PEER_BURST, p.tokens + more);
    p.lastNs = nowNs;
    if (p.tokens < 1) return false;
    p.tokens--;
    return true;
  }
}
