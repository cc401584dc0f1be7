/** Reno: one segment more per round trip, half after a loss. See RFC 5681, RFC 3465. */
import type { CongestionControl, CongestionView } from "./congestion.ts";

export class Reno implements CongestionControl {
  readonly name = "reno";
  #acked = 0;

  acked(c: CongestionView, bytes: number): void {
    const rest = slowStart(c, bytes);
    if (rest === 0) return;
    this.#acked += rest;
    if (this.#acked >= c.cwnd) {
      this.#acked -= c.cwnd;
      c.cwnd += c.mss;
    }
  }

  ssthresh(c: CongestionView): number {
    return Math.max(c.cwnd / 2, 2 * c.mss);
  }

  timedOut(): void {
    this.#acked = 0;
  }

  undo(): void {}
  wasIdle(): void {}
}

/** Opens the window by what was acknowledged, up to the threshold; what is left of that. */
export function slowStart(c: CongestionView, bytes: number): number {
  if (c.cwnd >= c.ssthresh) return bytes;
  const grown = Math.min(c.cwnd + bytes, Math.max(c.ssthresh, c.cwnd));
  const rest = bytes - (grown - c.cwnd);
  c.cwnd = grown;
  return rest;
}
