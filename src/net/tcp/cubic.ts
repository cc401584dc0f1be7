/**
 * CUBIC: the window as a cubic function of the time since the last loss. See RFC 9438.
 *
 * Windows are counted in segments here, times in seconds, as the RFC does.
 */
import type { CongestionControl, CongestionView } from "./congestion.ts";
import { slowStart } from "./reno.ts";

/** How fast it grows, and what is left after a loss. */
const C = 0.4;
const BETA = 0.7;
/** Reno's growth with this BETA. */
const ALPHA = (3 * (1 - BETA)) / (1 + BETA);
const NS = 1e9;

export class Cubic implements CongestionControl {
  readonly name = "cubic";
  /** The window before the last loss, and the one before that, in segments. */
  #wMax = 0;
  #wMaxBefore = 0;
  /** Window that Reno would have. */
  #wEst = 0;
  #epochNs = 0;
  #k = 0;
  #origin = 0;

  acked(c: CongestionView, bytes: number, nowNs: number): void {
    const rest = slowStart(c, bytes);
    if (rest === 0) return;
    const cwnd = c.cwnd / c.mss;
    const acked = rest / c.mss;
    if (this.#epochNs === 0) this.#begin(cwnd, nowNs);
    const rtt = (Number.isFinite(c.minRttNs) ? c.minRttNs : c.srttNs) / NS;
    const t = (nowNs - this.#epochNs) / NS + rtt;
    const wCubic = this.#origin + C * (t - this.#k) ** 3;
    const target = Math.min(Math.max(wCubic, cwnd), 1.5 * cwnd);
    const alpha = this.#wEst >= this.#wMax ? 1 : ALPHA;
    this.#wEst += (alpha * acked) / cwnd;
    const next =
      wCubic < this.#wEst
        ? Math.max(cwnd, Math.min(this.#wEst, cwnd + acked))
        : cwnd + ((target - cwnd) / cwnd) * acked;
    c.cwnd = next * c.mss;
  }

  ssthresh(c: CongestionView): number {
    const cwnd = c.cwnd / c.mss;
    this.#wMaxBefore = this.#wMax;
    // Fast convergence: who loses below the last maximum makes room for others.
    this.#wMax = cwnd < this.#wMax ? (cwnd * (1 + BETA)) / 2 : cwnd;
    this.#epochNs = 0;
    return Math.max(c.cwnd * BETA, 2 * c.mss);
  }

  timedOut(): void {
    this.#epochNs = 0;
  }

  undo(): void {
    this.#wMax = Math.max(this.#wMaxBefore, this.#wMax);
    this.#epochNs = 0;
  }

  wasIdle(ns: number): void {
    if (this.#epochNs > 0) this.#epochNs += ns;
  }

  #begin(cwnd: number, nowNs: number): void {
    this.#epochNs = Math.max(nowNs, 1);
    this.#wEst = cwnd;
    if (cwnd < this.#wMax) {
      this.#k = Math.cbrt((this.#wMax - cwnd) / C);
      this.#origin = this.#wMax;
    } else {
      this.#k = 0;
      this.#origin = cwnd;
    }
  }
}
