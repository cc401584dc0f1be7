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
