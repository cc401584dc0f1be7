/**
 * The text of segments: into the receive buffer or, with holes before it, into
 * reassembly; urgent bytes; and when what came is acknowledged.
 *
 * An acknowledgement is delayed while a conversation goes on that it can go with,
 * and never while it would keep the sender waiting. See RFC 9293 3.10.7.4, 3.8.5 (urgent),
 * RFC 1122 4.2.3.2, RFC 5681 4.2, and Linux's quick acknowledgements.
 */
import { sendAck } from "./output.ts";
import { cut } from "./reassembly.ts";
import { type Segment, TH_FIN, TH_PUSH } from "./segment.ts";
import { type Tcb, URG_NONE, URG_NOTYET, URG_VALID } from "./tcb.ts";
import { ATO_MIN_NS } from "./timeouts.ts";
import { fullSpace, newWindow } from "./window.ts";

const MAX_QUICK_ACKS = 16;

export function dataReceived(tp: Tcb, seg: Segment, seq: number): void {
  const { stack } = tp;
  let from = seq;
  let { pieces, length } = seg;
  let hasFin = seg.has(TH_FIN);
  if (length > 0) tp.dataSegsIn++;
  if (from < tp.rcvNxt) {
    const old = tp.rcvNxt - from;
    if (old > length || (old === length && !hasFin)) {
      // Nothing new in it.
      noteDuplicate(tp, from, from + seg.span);
      tp.isAckNow = true;
      return;
    }
    if (old > 0) noteDuplicate(tp, from, tp.rcvNxt);
    pieces = cut(pieces, old, length - old);
    length -= old;
    from = tp.rcvNxt;
  }
  const room = tp.rcvEdge - from;
  if (length > room) {
    // More than was offered.
    if (room <= 0) {
      stack.mib.TCPZeroWindowDrop++;
      tp.isAckNow = true;
      return;
    }
    pieces = cut(pieces, 0, room);
    length = room;
    hasFin = false;
  }
  if (from > tp.rcvNxt) {
    outOfOrder(tp, pieces, from, length, hasFin);
    return;
  }
  if (length > 0 && !tp.recvbuf.append(pieces, length, seg.lenders)) {
    stack.mib.TCPRcvQDrop++;
    tp.isAckNow = true;
    return;
  }
  noteArrival(tp, seg, length);
  advance(tp, pieces, length, hasFin);
  if (!tp.reasm.isEmpty) fillIn(tp);
  if (tp.recvbuf.length > 0) tp.owner?.tcpReadable();
}

/** `length` bytes more are in order. */
function advance(tp: Tcb, pieces: readonly Uint8Array[], length: number, hasFin: boolean): void {
  if (tp.urgState === URG_NOTYET) takeUrgent(tp, pieces, tp.rcvNxt, length);
  tp.rcvNxt += length;
  tp.bytesReceived += length;
  if (hasFin) {
    tp.rcvNxt++;
    tp.isFinReceived = true;
  }
}

/** The hole is filled: what waited behind it goes on. */
function fillIn(tp: Tcb): void {
  const { reasm } = tp;
  // A gap that closes is news for the sender.
  tp.isAckNow = true;
  for (;;) {
    const run = reasm.take(tp.rcvNxt);
    if (!run) return;
    const length = run.end - run.start;
    if (length > 0 && !tp.recvbuf.append(run.pieces, length)) return;
    advance(tp, run.pieces, length, run.hasFin && !tp.isFinReceived);
  }
}

function outOfOrder(
  tp: Tcb,
  pieces: readonly Uint8Array[],
  from: number,
  length: number,
  hasFin: boolean,
): void {
  const { stack, reasm } = tp;
  stack.mib.TCPOFOQueue++;
  tp.isAckNow = true;
  const isNew = reasm.insert(from, length, pieces, hasFin, Math.max(fullSpace(tp) * 2, 4096));
  if (!isNew && tp.hasSack && stack.tunables.dsack.get() !== 0 && length > 0) {
    stack.mib.TCPDSACKOfoSent++;
    tp.dsackFrom = from;
    tp.dsackTo = from + length;
  }
}

function noteDuplicate(tp: Tcb, from: number, to: number): void {
  const { stack } = tp;
  if (!tp.hasSack || stack.tunables.dsack.get() === 0 || to <= from) return;
  stack.mib.TCPDSACKOldSent++;
  tp.dsackFrom = from;
  tp.dsackTo = Math.min(to, tp.rcvNxt);
  tp.quickAcks = Math.max(tp.quickAcks, 2);
}

/** What the arrival of a segment says of the other side's pace. */
function noteArrival(tp: Tcb, seg: Segment, length: number): void {
  const { stack } = tp;
  const now = stack.nowNs;
  tp.isAckOwed = true;
  if (length > 0) {
    if (length >= tp.rcvMss) tp.rcvMss = Math.min(length, tp.pathMss);
    else if (!seg.has(TH_PUSH) && length >= 536) tp.rcvMss = length;
    measureRtt(tp, seg);
  }
  if (tp.atoNs === 0) {
    growQuick(tp);
    tp.atoNs = ATO_MIN_NS;
  } else {
    const gap = now - tp.lastRcvNs;
    if (gap <= ATO_MIN_NS / 2) tp.atoNs = tp.atoNs / 2 + ATO_MIN_NS / 2;
    else if (gap < tp.atoNs) tp.atoNs = Math.min(tp.atoNs / 2 + gap, tp.rtt.rtoNs);
    else if (gap > tp.rtt.rtoNs) growQuick(tp);
  }
  tp.lastRcvNs = now;
}

function growQuick(tp: Tcb): void {
  const n = Math.floor(tp.rcvWnd / (2 * Math.max(tp.rcvMss, 1))) || 2;
  tp.quickAcks = Math.max(tp.quickAcks, Math.min(n, MAX_QUICK_ACKS));
}

/** Round trips as a receiver sees them: by echoed timestamps. */
function measureRtt(tp: Tcb, seg: Segment): void {
  if (!seg.hasTimestamp || seg.tsecr === 0) return;
  const { stack } = tp;
  const ms = (Math.floor(stack.nowNs / 1e6) + tp.tsOffset - seg.tsecr) | 0;
  if (ms < 0) return;
  const rtt = Math.max(ms, 1) * 1e6;
  tp.rcvRttNs = tp.rcvRttNs === 0 ? rtt : tp.rcvRttNs + (rtt - tp.rcvRttNs) / 8;
}

export function resetReceiveSpace(tp: Tcb): void {
  tp.rcvSpace = Math.min(tp.rcvWnd, 10 * tp.mss);
  tp.rcvSpaceCopied = tp.copied;
  tp.rcvSpaceNs = tp.stack.nowNs;
}

/** After a segment: acknowledge now, later, or not at all. */
export function checkAck(tp: Tcb): void {
  if (!tp.isAckOwed && !tp.isAckNow) return;
  const unacked = tp.rcvNxt - tp.rcvWup;
  const isWorthwhile = unacked > tp.rcvMss;
  if (tp.isAckNow || isWorthwhile || isQuick(tp) || !tp.reasm.isEmpty) {
    sendAck(tp);
    return;
  }
  const { timer, stack } = tp;
  const at = stack.nowNs + Math.min(Math.max(tp.atoNs, ATO_MIN_NS), 200e6);
  if (at < timer.delackNs) timer.setDelack(at);
}

function isQuick(tp: Tcb): boolean {
  return tp.quickAcks > 0 && !tp.isPingpong;
}

/** A program has read: the other side may want to know of the room, or of the arrival. */
export function bytesRead(tp: Tcb, count: number): void {
  let isTime = false;
  if (tp.isAckOwed) {
    isTime =
      tp.rcvNxt - tp.rcvWup > tp.rcvMss || (count > 0 && !tp.isPingpong && tp.recvbuf.length === 0);
  }
  if (count > 0 && !isTime && !tp.isRcvShutdown) {
    const now = Math.max(0, tp.rcvEdge - tp.rcvNxt);
    if (2 * now <= fullSpace(tp)) {
      const wnd = newWindow(tp);
      isTime = wnd > 0 && wnd >= 2 * now;
    }
  }
  if (isTime) sendAck(tp);
}

/** The FIN: nothing more will come. */
export function finReceived(tp: Tcb): void {
  tp.isRcvShutdown = true;
  tp.isAckNow = true;
  tp.reasm.clear();
  tp.owner?.tcpReadable();
  tp.owner?.tcpWritable();
}

/** The urgent pointer: where the byte is that it is about. */
export function urgReceived(tp: Tcb, seg: Segment, seq: number): void {
  const { stack } = tp;
  // The pointer is after the byte, whatever RFC 1122 meant: so do all others.
  let at = seq + seg.urgent;
  if (seg.urgent > 0 && stack.tunables.stdurg.get() === 0) at--;
  if (at < tp.copied || at < tp.rcvNxt) return;
  if (at > tp.rcvNxt + 65536 + fullSpace(tp)) return;
  if (tp.urgState !== URG_NONE && at <= tp.urgSeq) return;
  // The one before that nobody took is lost, as everywhere, where it is the next to be read.
  const isPassed = tp.urgState !== URG_NONE && tp.urgSeq === tp.copied && tp.copied !== tp.rcvNxt;
  if (isPassed && !tp.settings.isOobInline) {
    tp.recvbuf.drop(1);
    tp.copied++;
  }
  tp.urgState = URG_NOTYET;
  tp.urgSeq = at;
  tp.owner?.tcpUrgent();
}

/** Is the urgent byte among those that arrive? */
function takeUrgent(tp: Tcb, pieces: readonly Uint8Array[], from: number, length: number): void {
  let at = tp.urgSeq - from;
  if (at < 0 || at >= length) return;
  for (const piece of pieces) {
    if (at < piece.length) {
      tp.urgByte = piece[at]!;
      break;
    }
    at -= piece.length;
  }
  tp.urgState = URG_VALID;
  tp.owner?.tcpReadable();
}
