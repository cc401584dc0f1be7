/**
 * Round trip times and the retransmission timeout of one connection. See RFC 6298, with
 * Linux's least and greatest timeouts, and its floor under the variance.
 *
 * Times are nanoseconds.
 */
const MS = 1e6;
export const RTO_MIN_NS = 200 * MS;
export const RTO_MAX_NS = 120_000 * MS;
export const RTO_INITIAL_NS = 1000 * MS;
/** How long the least round trip time of the last while is believed. */
const MIN_RTT_WINDOW_NS = 300_000 * MS;

export class RttEstimator {
  /** 0 until something was measured. */
  srttNs = 0;
  rttvarNs = 0;
  rtoNs = RTO_INITIAL_NS;
  /** Least of the last five minutes; Infinity until something was measured. */
  minNs = Number.POSITIVE_INFINITY;
  #minAtNs = 0;

  sample(rttNs: number, nowNs: number): void {
    const r = Math.max(rttNs, 1);
    if (r <= this.minNs || nowNs - this.#minAtNs > MIN_RTT_WINDOW_NS) {
      this.minNs = r;
      this.#minAtNs = nowNs;
    }
    if (this.srttNs === 0) {
      this.srttNs = r;
      this.rttvarNs = r / 2;
    } else {
      const error = r - this.srttNs;
      this.rttvarNs += (Math.abs(error) - this.rttvarNs) / 4;
      this.srttNs += error / 8;
    }
    this.resetRto();
  }

  /** Takes back what timeouts have made of the timeout. */
  resetRto(): void {
    if (this.srttNs === 0) return;
    const rto = this.srttNs + Math.max(4 * this.rttvarNs, RTO_MIN_NS);
    this.rtoNs = Math.min(rto, RTO_MAX_NS);
  }

  /** After a timeout. */
  backOff(): void {
    this.rtoNs = Math.min(this.rtoNs * 2, RTO_MAX_NS);
  }
}
