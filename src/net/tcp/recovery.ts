/**
 * Losses: when one is believed, what is sent again, and what becomes of the window.
 *
 * Open: all is well. Disorder: there are gaps. Recovery: a loss was inferred from
 * what arrived; the window goes down in proportion to what is delivered (PRR).
 * Loss: a timeout; all starts anew from one segment. Both end when all that was
 * sent before them is acknowledged, or when it shows that nothing was lost.
 * See RFC 5681, RFC 6582 (without SACK), RFC 6675, RFC 6937, RFC 8985, RFC 3522.
 */
import { sendMss, sendRange, timestampNow, transmitSyn } from "./output.ts";
import { DUP_THRESHOLD, rackDetect, rackRecovered } from "./rack.ts";
import type { SentSegment } from "./scoreboard.ts";
import { TH_SYN } from "./segment.ts";
import { CA_DISORDER, CA_LOSS, CA_OPEN, CA_RECOVERY, type Tcb } from "./tcb.ts";
import { XMIT_REO } from "./timers.ts";

/** Sends a segment again. */
export function retransmit(tp: Tcb, s: SentSegment): void {
  const { stack, board } = tp;
  stack.mib.RetransSegs++;
  tp.totalRetrans++;
  if (tp.undoTsval < 0 && tp.undoCwnd > 0) tp.undoTsval = timestampNow(tp);
  if (tp.undoCwnd > 0) tp.undoRetrans++;
  if ((s.flags & TH_SYN) !== 0) {
    board.markRetransmitted(s, stack.nowNs);
    transmitSyn(tp);
    return;
  }
  const mss = sendMss(tp);
  // The path may carry less than it did; the window may have been taken back.
  let most = mss;
  const usable = tp.sndUna + tp.sndWnd - s.start;
  if (usable > 0 && usable < most) most = usable;
  if (Math.min(s.end, tp.sendbuf.end) - s.start > most) board.split(s, s.start + most);
  board.markRetransmitted(s, stack.nowNs);
  const length = Math.min(s.end, tp.sendbuf.end) - s.start;
  tp.bytesRetrans += length;
  if (tp.caState === CA_RECOVERY) tp.prrOut += s.end - s.start;
  if (tp.caState === CA_LOSS) stack.mib.TCPSlowStartRetrans++;
  else stack.mib.TCPFastRetrans++;
  sendRange(tp, s.start, length, s.flags);
}

/** Sends again what is lost, as far as the window lets. */
export function retransmitLost(tp: Tcb): void {
  const { board } = tp;
  if (board.lostCount === board.retransCount) return;
  for (let s = board.head; s; s = s.next) {
    if (tp.inFlight >= tp.cwnd) break;
    if (!s.isLost || s.isRetransmitted) continue;
    // What is beyond a window that was taken back waits, but for the first.
    if (s.start >= tp.sndUna + tp.sndWnd && s !== board.head) break;
    retransmit(tp, s);
  }
}

/** A timeout: RFC 5681 3.1, RFC 6298 5.4 to 5.6. */
export function enterLoss(tp: Tcb): void {
  const { board, stack } = tp;
  if (board.head?.isSacked) {
    // It was said to be there and yet is not acknowledged: it was thrown away.
    stack.mib.TCPSACKReneging++;
    board.forgetSacks();
  }
  if (tp.caState !== CA_LOSS || tp.sndUna >= tp.recoveryPoint) {
    if (tp.caState !== CA_RECOVERY) saveForUndo(tp);
    tp.ssthresh = tp.cc.ssthresh(tp, stack.nowNs);
  }
  tp.cc.timedOut(stack.nowNs);
  for (let s = board.head; s; s = s.next) board.markLost(s);
  tp.cwnd = tp.mss;
  tp.caState = CA_LOSS;
  tp.recoveryPoint = tp.sndNxt;
  tp.dupAcks = 0;
  tp.tlpHigh = 0;
}

/** Looks for losses, after an acknowledgement or in time; and enters recovery if there are any. */
export function detectLosses(tp: Tcb): void {
  const { board } = tp;
  if (tp.timer.xmitKind === XMIT_REO) tp.timer.clearXmit();
  if (board.count === 0) return;
  if (tp.hasSack) {
    if (board.sackedCount > 0 || tp.caState !== CA_OPEN) rackDetect(tp);
  } else if (tp.caState < CA_RECOVERY && tp.dupAcks >= DUP_THRESHOLD) {
    if (tp.sndUna >= tp.recoveryPoint) board.markLost(board.head!);
  }
  if (tp.caState >= CA_RECOVERY) return;
  if (board.lostBytes > 0) enterRecovery(tp);
  else tp.caState = board.sackedCount > 0 || tp.dupAcks > 0 ? CA_DISORDER : CA_OPEN;
}

function enterRecovery(tp: Tcb): void {
  const { mib } = tp.stack;
  if (tp.hasSack) mib.TCPSackRecovery++;
  else mib.TCPRenoRecovery++;
  saveForUndo(tp);
  tp.prrStart = tp.cwnd;
  tp.ssthresh = tp.cc.ssthresh(tp, tp.stack.nowNs);
  tp.prrDelivered = tp.prrOut = 0;
  tp.caState = CA_RECOVERY;
  tp.recoveryPoint = tp.sndNxt;
  tp.tlpHigh = 0;
}

/** The path carries less than it did: what is too long for it goes again, in smaller pieces. */
export function retransmitTooLong(tp: Tcb): void {
  const { board } = tp;
  const mss = sendMss(tp);
  let isAny = false;
  for (let s = board.head; s; s = s.next) {
    if (s.isSacked || s.end - s.start <= mss) continue;
    board.markLost(s);
    isAny = true;
  }
  if (isAny) retransmitLost(tp);
}

/** One reduction of the window, without a loss to repair: a probe has repaired it. */
export function reduceOnce(tp: Tcb): void {
  tp.ssthresh = tp.cc.ssthresh(tp, tp.stack.nowNs);
  tp.cwnd = Math.min(tp.cwnd, tp.ssthresh);
}

function saveForUndo(tp: Tcb): void {
  tp.undoCwnd = tp.cwnd;
  tp.undoSsthresh = tp.ssthresh;
  tp.undoTsval = -1;
  tp.undoRetrans = 0;
}

/** Nothing was lost after all: as it was before. */
export function undo(tp: Tcb): void {
  tp.cwnd = Math.max(tp.cwnd, tp.undoCwnd);
  tp.ssthresh = tp.undoSsthresh;
  tp.cc.undo();
  tp.board.forgetLosses();
  forgetUndo(tp);
  tp.caState = tp.board.sackedCount > 0 ? CA_DISORDER : CA_OPEN;
}

function forgetUndo(tp: Tcb): void {
  tp.undoCwnd = 0;
  tp.undoTsval = -1;
  tp.undoRetrans = 0;
}

/** All that was sent before the loss was noticed is there. */
export function endRecovery(tp: Tcb): void {
  if (tp.caState === CA_RECOVERY) tp.cwnd = Math.max(Math.floor(tp.ssthresh), tp.mss);
  rackRecovered(tp);
  forgetUndo(tp);
  tp.dupAcks = 0;
  tp.caState = tp.board.sackedCount > 0 ? CA_DISORDER : CA_OPEN;
}

/** The window while recovering: RFC 6937, with the slow start bound. */
export function reduceProportionally(tp: Tcb, delivered: number, isProgress: boolean): void {
  tp.prrDelivered += delivered;
  const pipe = tp.inFlight;
  let sndcnt: number;
  if (pipe > tp.ssthresh) {
    sndcnt = Math.ceil((tp.prrDelivered * tp.ssthresh) / Math.max(tp.prrStart, 1)) - tp.prrOut;
  } else {
    let limit = Math.max(tp.prrDelivered - tp.prrOut, delivered);
    if (isProgress) limit += tp.mss;
    sndcnt = Math.min(tp.ssthresh - pipe, limit);
  }
  // The first retransmission always goes.
  if (tp.prrOut === 0) sndcnt = Math.max(sndcnt, tp.mss);
  tp.cwnd = pipe + Math.max(sndcnt, 0);
}
