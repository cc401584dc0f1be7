/**
 * Acknowledgements: what they free, what they tell of the path, what they let go.
 * See RFC 9293 3.10.7.4, fifth; tcp_ack in Linux.
 */
import { output } from "./output.ts";
import { answersOriginal, rackDelivered, rackDuplicate } from "./rack.ts";
import {
  detectLosses,
  endRecovery,
  reduceOnce,
  reduceProportionally,
  retransmitLost,
  undo,
} from "./recovery.ts";
import { sackReceived } from "./sack.ts";
import { type Segment, TH_FIN, TH_SYN } from "./segment.ts";
import { CA_DISORDER, CA_LOSS, CA_OPEN, CA_RECOVERY, type Tcb } from "./tcb.ts";
import { armRto, XMIT_NONE, XMIT_PROBE0 } from "./timers.ts";

const MS = 1e6;

/** An acknowledgement of everything before `ack`, which is no more than was sent. */
export function ackReceived(tp: Tcb, seg: Segment, seq: number, ack: number): void {
  const { stack, board } = tp;
  const { sackResult } = stack;
  const before = tp.sndUna;
  const flightBefore = tp.inFlight;
  const isWindowUpdate = updateWindow(tp, seg, seq, ack);
  tp.lastAckRcvNs = stack.nowNs;
  tp.probes = 0;
  let sentNs = -1;
  let delivered = 0;
  if (ack > before) {
    const sackedBefore = board.sackedBytes;
    sentNs = clean(tp, ack);
    delivered = ack - before - (sackedBefore - board.sackedBytes);
    tp.bytesAcked += ack - before;
    tp.retransStartNs = 0;
    tp.backoff = 0;
    if (tp.isUrgent && tp.sndUp <= ack) tp.isUrgent = false;
  }
  sackResult.bytes = 0;
  sackResult.isDuplicate = false;
  if (seg.sackCount > 0 && tp.hasSack) {
    sackReceived(tp, seg, ack, sackResult);
    delivered += sackResult.bytes;
    if (sentNs < 0) sentNs = sackResult.sentNs;
    if (sackResult.isDuplicate) rackDuplicate(tp, ack);
  }
  tp.delivered += delivered;
  if (delivered > 0) measure(tp, seg, sentNs);
  if (ack === before && !tp.hasSack) countDuplicate(tp, seg, isWindowUpdate);
  if (tp.tlpHigh > 0) endProbe(tp, ack);
  if (tp.caState !== CA_OPEN || board.sackedCount > 0 || tp.dupAcks > 0) {
    afterLoss(tp, seg, ack, before, delivered);
  }
  grow(tp, ack - before, flightBefore);
  rearm(tp, ack > before || sackResult.bytes > 0);
  if (tp.caState >= CA_RECOVERY) retransmitLost(tp);
  if (ack > before || isWindowUpdate || tp.caState !== CA_OPEN) output(tp);
  if (ack > before) freeSpace(tp);
}

/** RFC 9293: only a segment that is newer than the one that said so last may change the window. */
function updateWindow(tp: Tcb, seg: Segment, seq: number, ack: number): boolean {
  const wnd = seg.has(TH_SYN) ? seg.window : seg.window * 2 ** tp.sndWscale;
  const isNewer =
    ack > tp.sndUna || seq > tp.sndWl1 || (seq === tp.sndWl1 && (wnd > tp.sndWnd || wnd === 0));
  if (!isNewer) return false;
  tp.sndWl1 = seq;
  if (wnd === tp.sndWnd) return false;
  tp.sndWnd = wnd;
  if (wnd > tp.sndMaxWnd) tp.sndMaxWnd = wnd;
  return true;
}

/** Takes what is acknowledged off the scoreboard and out of the buffer: when the first of it was sent, or -1. */
function clean(tp: Tcb, ack: number): number {
  const { board } = tp;
  let sentNs = -1;
  let isAmbiguous = false;
  let segments = 0;
  for (let s = board.head; s && s.end <= ack; s = board.head) {
    if (!s.isSacked) {
      rackDelivered(tp, s);
      if (s.sends > 1) isAmbiguous = true;
      else if (sentNs < 0) sentNs = s.sentNs;
    }
    segments++;
    board.shift();
  }
  if (board.head && board.head.start < ack) board.trim(ack);
  tp.sndUna = ack;
  tp.sendbuf.drop(Math.min(ack, tp.sendbuf.end));
  if (tp.dupAcks > 0) tp.dupAcks = Math.max(0, tp.dupAcks - Math.max(0, segments - 1));
  // What was behind a hole waited for that, not for the path.
  return isAmbiguous ? -1 : sentNs;
}

/** A round trip: of what was sent once (Karn), or by the echoed timestamp. */
function measure(tp: Tcb, seg: Segment, sentNs: number): void {
  const { stack } = tp;
  if (sentNs >= 0) {
    tp.rtt.sample(stack.nowNs - sentNs, stack.nowNs);
    return;
  }
  if (!tp.hasTimestamps || !seg.hasTimestamp || seg.tsecr === 0) return;
  const ms = (Math.floor(stack.nowNs / MS) + tp.tsOffset - seg.tsecr) | 0;
  // An echo of something that we never said is no measure.
  if (ms < 0 || ms * MS > stack.nowNs - tp.startedNs + MS) return;
  tp.rtt.sample(Math.max(ms, 1) * MS, stack.nowNs);
}

/** Without SACK, an acknowledgement that says nothing new says that something arrived. */
function countDuplicate(tp: Tcb, seg: Segment, isWindowUpdate: boolean): void {
  if (tp.board.count === 0 || seg.length > 0 || isWindowUpdate || seg.has(TH_FIN)) return;
  tp.dupAcks = Math.min(tp.dupAcks + 1, tp.board.count);
}

/** The tail was probed: was there a loss that the probe has mended? RFC 8985 7.4. */
function endProbe(tp: Tcb, ack: number): void {
  if (!tp.isTlpRetransmission) {
    if (ack >= tp.tlpHigh) tp.tlpHigh = 0;
    return;
  }
  if (tp.stack.sackResult.isDuplicate) tp.tlpHigh = 0;
  else if (ack >= tp.tlpHigh) {
    tp.tlpHigh = 0;
    tp.stack.mib.TCPLossProbeRecovery++;
    if (tp.caState === CA_OPEN || tp.caState === CA_DISORDER) reduceOnce(tp);
  }
}

function afterLoss(tp: Tcb, seg: Segment, ack: number, before: number, delivered: number): void {
  const { board } = tp;
  const isProgress = ack > before;
  if (tp.caState >= CA_RECOVERY && tp.undoCwnd > 0) {
    const isSpurious =
      (isProgress && tp.hasTimestamps && seg.hasTimestamp && answersOriginal(tp, seg.tsecr)) ||
      (tp.undoTsval >= 0 && tp.stack.sackResult.isDuplicate && tp.undoRetrans === 0);
    if (isSpurious) undo(tp);
  }
  if (tp.caState >= CA_RECOVERY && ack >= tp.recoveryPoint) endRecovery(tp);
  if (tp.caState === CA_RECOVERY && !tp.hasSack && isProgress && board.head) {
    // RFC 6582: a partial acknowledgement shows where the next gap is.
    board.markLost(board.head);
  }
  if (tp.caState === CA_LOSS && !tp.hasSack && isProgress && board.head) {
    if (!board.head.isLost) board.markLost(board.head);
  }
  detectLosses(tp);
  if (tp.caState === CA_RECOVERY) reduceProportionally(tp, delivered, isProgress);
}

/** Opens the congestion window, if it was used, and the send buffer with it. */
function grow(tp: Tcb, acked: number, flightBefore: number): void {
  if (acked === 0 || tp.caState === CA_RECOVERY) return;
  const isLimited = tp.cwnd < tp.ssthresh ? tp.cwnd < 2 * flightBefore : tp.isCwndLimited;
  if (isLimited) tp.cc.acked(tp, acked, tp.stack.nowNs);
  const { wmem } = tp.stack.tunables;
  if (!tp.settings.isSndbufLocked && tp.buffers.sndbuf < 2 * tp.cwnd) {
    const want = Math.min(2 * tp.cwnd, wmem.max);
    if (want > tp.buffers.sndbuf) tp.buffers.sndbuf = Math.floor(want);
  }
}

function rearm(tp: Tcb, isProgress: boolean): void {
  const { timer, board } = tp;
  if (board.count > 0) {
    if (isProgress || timer.xmitKind === XMIT_NONE || timer.xmitKind === XMIT_PROBE0) armRto(tp);
    return;
  }
  // Who waits for a window goes on waiting until something is sent: the one that opens it may be lost.
  if (timer.xmitKind !== XMIT_PROBE0 || tp.sndNxt >= tp.sndEnd) timer.clearXmit();
}

/** Wakes the writer when a third of the buffer is free. */
function freeSpace(tp: Tcb): void {
  const used = tp.sndUsed;
  if (tp.buffers.sndbuf - used >= used / 2) tp.owner?.tcpWritable();
}
