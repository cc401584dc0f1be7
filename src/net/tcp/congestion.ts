/**
 * Congestion control: how the window grows while all goes well, and what is left of it after a loss.
 *
 * The window itself, and recovery, belong to the connection; an algorithm keeps
 * what it must remember. Windows are bytes, times nanoseconds. See RFC 5681, cc(9).
 */
import { Cubic } from "./cubic.ts";
import { Reno } from "./reno.ts";

/** What an algorithm sees of a connection. */
export interface CongestionView {
  readonly mss: number;
  cwnd: number;
  ssthresh: number;
  readonly srttNs: number;
  readonly minRttNs: number;
}

export interface CongestionControl {
  readonly name: string;
  /** `bytes` were acknowledged, in order, while the window was in use. */
  acked(c: CongestionView, bytes: number, nowNs: number): void;
  /** The slow start threshold after a loss with the window as it is. */
  ssthresh(c: CongestionView, nowNs: number): number;
  /** A timeout. */
  timedOut(nowNs: number): void;
  /** The loss was none: what `ssthresh` forgot is remembered. */
  undo(): void;
  /** Nothing was sent for so long: time that does not count. */
  wasIdle(ns: number): void;
}

export const CONGESTION_NAMES = ["cubic", "reno"];

/** Null for a name that nobody knows. */
export function congestionControl(name: string): CongestionControl | null {
  if (name === "cubic") return new Cubic();
  return name === "reno" ? new Reno() : null;
}
