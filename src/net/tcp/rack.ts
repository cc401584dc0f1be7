/**
 * RACK: a segment is lost if one that was sent sufficiently later has arrived. See RFC 8985, section 6.
 *
 * "Sufficiently" is nothing until reordering was seen on the path, and then a
 * quarter of the least round trip, growing with every duplicate that tells that it was too little.
 */
import type { SentSegment } from "./scoreboard.ts";
import { isOlder } from "./seq.ts";
import { CA_RECOVERY, type Tcb } from "./tcb.ts";
import { XMIT_REO } from "./timers.ts";

/** Duplicate acknowledgements that mean a loss where nothing better is known. */
export const DUP_THRESHOLD = 3;
const REO_PERSIST = 16;
const MIN_REO_NS = 1000;
const MAX_STEPS = 255;

/** `s` has arrived; to be called before it is marked. */
export function rackDelivered(tp: Tcb, s: SentSegment): void {
  const { stack } = tp;
  const rtt = stack.nowNs - s.sentNs;
  if (s.end > tp.fack) tp.fack = s.end;
  else if (s.end < tp.fack && s.sends === 1 && !s.isSacked) {
    tp.isReorderingSeen = true;
    tp.reordSeen++;
  }
  // Which of two copies arrived? Hardly the last one, if it took less than any other ever did.
  if (s.sends > 1 && rtt < tp.rtt.minNs) return;
  if (s.sentNs > tp.rackSentNs || (s.sentNs === tp.rackSentNs && s.end > tp.rackEnd)) {
    tp.rackSentNs = s.sentNs;
    tp.rackEnd = s.end;
    tp.rackRttNs = rtt;
  }
}

/** Marks what must be lost by now; arms the timer for what will be if nothing comes. */
export function rackDetect(tp: Tcb): void {
  const { stack, board } = tp;
  if (tp.rackSentNs === 0) return;
  const reo = reorderWindow(tp);
  let timeout = 0;
  for (let s = board.head; s; s = s.next) {
    if (s.isSacked || (s.isLost && !s.isRetransmitted)) continue;
    const isBefore = s.sentNs < tp.rackSentNs || (s.sentNs === tp.rackSentNs && s.end < tp.rackEnd);
    if (!isBefore) continue;
    const left = s.sentNs + tp.rackRttNs + reo - stack.nowNs;
    if (left <= 0) {
      if (s.isRetransmitted) stack.mib.TCPLostRetransmit++;
      board.markLost(s);
    } else timeout = Math.max(timeout, left);
  }
  if (timeout > 0) tp.timer.setXmit(XMIT_REO, stack.nowNs + timeout + MIN_REO_NS);
}

/** A duplicate was reported: what was believed lost was late. */
export function rackDuplicate(tp: Tcb, ack: number): void {
  if (ack < tp.reoDsackRound) return;
  tp.reoWndSteps = Math.min(tp.reoWndSteps + 1, MAX_STEPS);
  tp.reoPersist = REO_PERSIST;
  tp.reoDsackRound = tp.sndNxt;
}

/** A recovery ended: after many of them without duplicates the window shrinks again. */
export function rackRecovered(tp: Tcb): void {
  if (tp.reoPersist > 0 && --tp.reoPersist === 0) tp.reoWndSteps = 1;
}

function reorderWindow(tp: Tcb): number {
  if (!tp.isReorderingSeen) {
    if (tp.caState >= CA_RECOVERY || tp.board.sackedCount >= DUP_THRESHOLD) return 0;
  }
  const { rtt } = tp;
  const min = Number.isFinite(rtt.minNs) ? rtt.minNs : rtt.srttNs;
  return Math.min((tp.reoWndSteps * min) / 4, rtt.srttNs);
}

/** True if the answer was made before the first retransmission went: that one was not needed. */
export function answersOriginal(tp: Tcb, tsecr: number): boolean {
  return tp.undoTsval >= 0 && tsecr !== 0 && isOlder(tsecr, tp.undoTsval);
}
