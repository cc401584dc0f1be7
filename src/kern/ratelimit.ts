/** So many messages in an interval, which begins with the first of them. See ___ratelimit() in Linux. */
export class RateLimit {
  #beganNs = Number.NEGATIVE_INFINITY;
  #said = 0;
  /** Kept back since the interval before last began. */
  missed = 0;

  /** Whether one more may be said now; an interval of 0 knows no limit. */
  allows(nowNs: number, intervalNs: number, burst: number): boolean {
    if (intervalNs <= 0) return true;
    if (nowNs - this.#beganNs >= intervalNs) {
      this.#beganNs = nowNs;
      this.#said = 0;
    }
    if (this.#said >= burst) {
      this.missed++;
      return false;
    }
    this.#said++;
    return true;
  }
}
