/**
 * What goes out: new data as far as windows allow, acknowledgements, SYNs, resets.
 *
 * Every segment with something to acknowledge gets an entry on the scoreboard;
 * `sndNxt` never goes back. Retransmissions are in recovery.ts.
 * See RFC 9293 3.10.2, RFC 5681, RFC 896 with Minshall's amendment (Nagle).
 */
import type { Chunk } from "../chunkpool.ts";
import { TCP_HEADER_BYTES, TIMESTAMP_BYTES } from "./header.ts";
import { SentSegment } from "./scoreboard.ts";
import {
  MAX_SACK_BLOCKS,
  type Segment,
  TH_ACK,
  TH_FIN,
  TH_PUSH,
  TH_RST,
  TH_SYN,
  TH_URG,
} from "./segment.ts";
import { firstSeq, unwrap, wire } from "./seq.ts";
import {
  HAS_UNACKED,
  isIn,
  TCPS_CLOSE,
  TCPS_LISTEN,
  TCPS_SYN_RECV,
  TCPS_SYN_SENT,
} from "./states.ts";
import type { Flow, Tcb } from "./tcb.ts";
import { armRto, XMIT_PROBE0 } from "./timers.ts";
import { chooseWscale, fullSpace, selectWindow } from "./window.ts";

const MAX_SEGMENT_WINDOW = 65535;
const NS_PER_MS = 1e6;
/** Segments that go at once: fewer than a queue of packets takes. */
const MAX_BURST = 512;
/** The initial window, in segments: RFC 6928. */
export const INITIAL_WINDOW = 10;

/** Now, as timestamps tell it: milliseconds, from where nobody knows. */
export function timestampNow(tp: Tcb): number {
  return (Math.floor(tp.stack.nowNs / NS_PER_MS) + tp.tsOffset) >>> 0;
}

/** Works out what a segment may carry, after the path or the peer said what they take. */
export function updateMss(tp: Tcb): void {
  const { settings, stack } = tp;
  tp.pathMss = Math.max(stack.room(tp.flow) - TCP_HEADER_BYTES, stack.tunables.minSndMss.get());
  let mss = Math.min(tp.pathMss, Math.max(tp.peerMss, stack.tunables.minSndMss.get()));
  if (settings.maxseg > 0) mss = Math.min(mss, settings.maxseg);
  if (tp.hasTimestamps) mss -= TIMESTAMP_BYTES;
  tp.mss = Math.max(mss, 8);
}

/** The MSS option that it sends. */
export function advertisedMss(tp: Tcb): number {
  const { maxseg } = tp.settings;
  const mss = Math.min(tp.stack.room(tp.flow) - TCP_HEADER_BYTES, 65535 - TCP_HEADER_BYTES);
  return maxseg > 0 ? Math.min(maxseg, mss) : mss;
}

/** What a segment carries: at most half of the greatest window that there ever was. */
export function sendMss(tp: Tcb): number {
  const half = tp.sndMaxWnd > 536 ? tp.sndMaxWnd / 2 : tp.sndMaxWnd;
  return half > 0 && tp.mss > half ? Math.max(Math.floor(half), 68 - 40) : tp.mss;
}

/** Numbers, timestamps and window of a connection that is about to speak first or to answer. */
export function initSending(tp: Tcb, iss: number): void {
  tp.iss = tp.sndUna = tp.sndNxt = firstSeq(iss);
  tp.sndUp = tp.sndSml = tp.recoveryPoint = tp.fack = tp.iss;
  tp.sendbuf.reset(tp.iss + 1);
  tp.tsOffset = tp.stack.timestampOffset(tp.flow);
  tp.rcvWscale = chooseWscale(tp.settings, tp.buffers, tp.stack.tunables);
  tp.rcvWnd = Math.min(fullSpace(tp), MAX_SEGMENT_WINDOW);
}

/** connect(2): sends the SYN. */
export function sendSyn(tp: Tcb): void {
  const { stack } = tp;
  stack.mib.ActiveOpens++;
  tp.state = TCPS_SYN_SENT;
  tp.board.push(new SentSegment(tp.iss, tp.iss + 1, TH_SYN, stack.nowNs));
  tp.sndNxt = tp.iss + 1;
  transmitSyn(tp);
  armRto(tp);
}

/** The SYN, or the SYN of the answer where the other side's was seen. */
export function transmitSyn(tp: Tcb): void {
  const { tunables } = tp.stack;
  const seg = begin(tp, tp.iss, tp.state === TCPS_SYN_RECV ? TH_SYN | TH_ACK : TH_SYN);
  const isAnswer = tp.state === TCPS_SYN_RECV;
  seg.mss = advertisedMss(tp);
  seg.hasTimestamp = isAnswer ? tp.hasTimestamps : tunables.timestamps.get() !== 0;
  seg.isSackPermitted = isAnswer ? tp.hasSack : tunables.sack.get() !== 0;
  const scales = isAnswer ? tp.hasWscale : tunables.windowScaling.get() !== 0;
  if (scales) seg.wscale = tp.rcvWscale;
  seg.window = Math.min(tp.rcvWnd, MAX_SEGMENT_WINDOW);
  tp.rcvWnd = seg.window;
  if (isAnswer) tp.rcvWup = tp.rcvNxt;
  if (!isAnswer) seg.ack = 0;
  if (seg.hasTimestamp) {
    seg.tsval = timestampNow(tp);
    seg.tsecr = isAnswer ? tp.tsRecent : 0;
  }
  send(tp, seg);
}

/** Sends new data, and the FIN behind it, as far as may be. `isForced`: without waiting for a full segment; `hasMore`: waiting for it. */
export function output(tp: Tcb, isForced = false, hasMore = false): void {
  if (!isIn(tp.state, HAS_UNACKED)) return;
  const { stack, sendbuf } = tp;
  const mss = sendMss(tp);
  let isSent = false;
  // What is left after many goes with the acknowledgements that these bring.
  for (let burst = 0; burst < MAX_BURST; burst++) {
    const from = tp.sndNxt;
    if (from >= tp.sndEnd) {
      if (tp.inFlight < tp.cwnd) tp.isCwndLimited = false;
      break;
    }
    if (tp.inFlight >= tp.cwnd) {
      tp.isCwndLimited = true;
      break;
    }
    const left = sendbuf.end - from;
    const usable = tp.sndUna + tp.sndWnd - from;
    let length = Math.min(left, mss);
    const hasFin = tp.isFinQueued && length === left;
    if (length + (hasFin ? 1 : 0) > usable) {
      if (usable <= 0 || tp.board.count > 0 || usable < Math.min(mss, tp.sndMaxWnd / 2)) break;
      length = Math.min(length, usable);
    }
    const isFin = hasFin && length === left && length + 1 <= usable;
    if (length === 0 && !isFin) break;
    if (length < mss && !isFin && !isForced && (hasMore || mustWait(tp))) break;
    if (!isSent && tp.board.count === 0) restartIfIdle(tp);
    transmitData(tp, from, length, isFin);
    isSent = true;
  }
  if (isSent) {
    tp.lastSentNs = stack.nowNs;
    // Data in answer to data: the next acknowledgement may wait for it again.
    if (stack.nowNs - tp.lastRcvNs < tp.atoNs) tp.isPingpong = true;
    armRto(tp);
  } else if (tp.board.count === 0 && tp.sndNxt < tp.sndEnd) armPersist(tp);
}

/** Nagle's algorithm, corks: whether a segment that is not full is kept back. */
function mustWait(tp: Tcb): boolean {
  const { settings } = tp;
  if (tp.isFinQueued) return false;
  if (tp.isUrgent && tp.sndUp > tp.sndNxt) return false;
  if (settings.isCork) return true;
  if (settings.isNodelay) return false;
  // Only one segment that is not full may be under way.
  return tp.board.count > 0 && tp.sndSml > tp.sndUna && tp.sndSml <= tp.sndNxt;
}

/** After a pause the window that was is not worth much: RFC 5681 4.1, RFC 2861. */
function restartIfIdle(tp: Tcb): void {
  const { stack } = tp;
  const idle = stack.nowNs - tp.lastSentNs;
  if (tp.lastSentNs === 0 || idle <= tp.rtt.rtoNs) return;
  tp.cc.wasIdle(idle);
  if (stack.tunables.slowStartAfterIdle.get() === 0) return;
  const restart = Math.min(INITIAL_WINDOW * tp.mss, tp.cwnd);
  tp.ssthresh = Math.max(tp.ssthresh, (tp.cwnd * 3) / 4);
  let cwnd = tp.cwnd;
  for (let left = idle - tp.rtt.rtoNs; left > 0 && cwnd > restart; left -= tp.rtt.rtoNs) cwnd /= 2;
  tp.cwnd = Math.max(cwnd, restart);
}

/** The window is shut, or too small, and nothing is under way: it must be asked for. */
export function armPersist(tp: Tcb): void {
  const { timer } = tp;
  if (timer.xmitKind === XMIT_PROBE0) return;
  timer.setXmit(XMIT_PROBE0, tp.stack.nowNs + tp.rtt.rtoNs);
}

function transmitData(tp: Tcb, from: number, length: number, isFin: boolean): void {
  const { stack, board } = tp;
  const end = from + length + (isFin ? 1 : 0);
  board.push(new SentSegment(from, end, isFin ? TH_FIN : 0, stack.nowNs));
  if (length < tp.mss) tp.sndSml = end;
  tp.sndNxt = end;
  stack.mib.TCPOrigDataSent++;
  sendRange(tp, from, length, isFin ? TH_FIN : 0);
}

/** A segment with the bytes [from, from + length) of the send buffer. */
export function sendRange(tp: Tcb, from: number, length: number, flags: number): void {
  const isLast = from + length === tp.sendbuf.end;
  const seg = begin(tp, from, flags | TH_ACK | (isLast && length > 0 ? TH_PUSH : 0));
  if (length > 0) {
    const lenders: Chunk[] = [];
    seg.setData(tp.sendbuf.slice(from, length, lenders), length, lenders);
    tp.bytesSent += length;
    tp.dataSegsOut++;
  }
  finish(tp, seg);
}

/** An acknowledgement, now. */
export function sendAck(tp: Tcb): void {
  if (tp.state === TCPS_CLOSE || tp.state === TCPS_LISTEN || tp.state === TCPS_SYN_SENT) return;
  finish(tp, begin(tp, tp.sndNxt, TH_ACK));
}

/** A segment that the other side must answer to: a byte that it has, or none. */
export function sendProbe(tp: Tcb, isUrgent: boolean): void {
  finish(tp, begin(tp, tp.sndUna - (isUrgent ? 0 : 1), TH_ACK));
}

/** The connection is broken off. */
export function sendReset(tp: Tcb): void {
  const { stack } = tp;
  stack.mib.OutRsts++;
  const seg = begin(tp, tp.sndNxt, TH_RST | TH_ACK);
  seg.window = 0;
  if (tp.hasTimestamps) {
    seg.hasTimestamp = true;
    seg.tsval = timestampNow(tp);
    seg.tsecr = tp.tsRecent;
  }
  send(tp, seg);
}

/** The answer to a segment that belongs to nothing: RFC 9293 3.10.7.1. `flow` is how we would send. */
export function refuse(
  stack: Tcb["stack"],
  flow: Flow,
  seq: number,
  ack: number,
  flags: number,
  span: number,
): void {
  const { out } = stack;
  out.reset();
  if ((flags & TH_ACK) !== 0) {
    out.seq = ack;
    out.flags = TH_RST;
  } else {
    out.ack = (seq + span) >>> 0;
    out.flags = TH_RST | TH_ACK;
  }
  stack.mib.OutRsts++;
  stack.mib.OutSegs++;
  stack.transmit(flow, out);
}

function begin(tp: Tcb, seq: number, flags: number): Segment {
  const { out } = tp.stack;
  out.reset();
  out.seq = wire(seq);
  out.ack = wire(tp.rcvNxt);
  out.flags = flags;
  return out;
}

/** Window, options, urgent pointer; and what it means that an acknowledgement is sent. */
function finish(tp: Tcb, seg: Segment): void {
  const from = unwrap(tp.sndNxt, seg.seq);
  seg.window = Math.floor(selectWindow(tp) / 2 ** tp.rcvWscale);
  if (tp.hasTimestamps) {
    seg.hasTimestamp = true;
    seg.tsval = timestampNow(tp);
    seg.tsecr = tp.tsRecent;
  }
  if (tp.isUrgent && tp.sndUp > from) {
    seg.flags |= TH_URG;
    seg.urgent = Math.min(tp.sndUp - from, 0xffff);
  }
  if (tp.hasSack && (tp.dsackTo > tp.dsackFrom || !tp.reasm.isEmpty)) addSacks(tp, seg);
  tp.lastAckSent = tp.rcvNxt;
  tp.isAckOwed = tp.isAckNow = false;
  if (tp.quickAcks > 0) tp.quickAcks--;
  tp.timer.clearDelack();
  send(tp, seg);
}

function addSacks(tp: Tcb, seg: Segment): void {
  const room = seg.length > 0 ? tp.mss - seg.length : 40;
  let max = Math.min(tp.hasTimestamps ? 3 : MAX_SACK_BLOCKS, Math.floor((room - 4) / 8));
  if (max <= 0) return;
  let n = 0;
  if (tp.dsackTo > tp.dsackFrom) {
    seg.sack[0] = wire(tp.dsackFrom);
    seg.sack[1] = wire(tp.dsackTo);
    tp.dsackFrom = tp.dsackTo = 0;
    n = 1;
    max--;
  }
  seg.sackCount = n + tp.reasm.blocks(seg.sack, n, max, wire);
}

function send(tp: Tcb, seg: Segment): void {
  const { stack } = tp;
  stack.mib.OutSegs++;
  tp.segsOut++;
  const r = stack.transmit(tp.flow, seg);
  if (r < 0) tp.softError = r;
}
