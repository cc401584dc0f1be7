/**
 * A segment arrives at a connection: the steps of RFC 9293 3.10.7.3 and 3.10.7.4,
 * with the answers of RFC 5961 to segments that somebody may have made up, and
 * RFC 7323's protection against old ones (PAWS).
 *
 * Everything in a segment is hostile until it was compared with the connection.
 */
import { ECONNREFUSED, ECONNRESET, EPIPE } from "../../abi/errno.ts";
import { ackReceived } from "./ack.ts";
import { checkAck, dataReceived, finReceived, resetReceiveSpace, urgReceived } from "./data.ts";
import { finish, setState, waitForFin, wasReset } from "./end.ts";
import { INITIAL_WINDOW, output, refuse, sendAck, transmitSyn, updateMss } from "./output.ts";
import { type Segment, TH_ACK, TH_FIN, TH_RST, TH_SYN, TH_URG } from "./segment.ts";
import { firstSeq, isOlder, unwrap } from "./seq.ts";
import {
  HAS_FIN,
  isIn,
  TCPS_CLOSE,
  TCPS_CLOSE_WAIT,
  TCPS_CLOSING,
  TCPS_ESTABLISHED,
  TCPS_FIN_WAIT1,
  TCPS_FIN_WAIT2,
  TCPS_LAST_ACK,
  TCPS_SYN_RECV,
  TCPS_SYN_SENT,
  TCPS_TIME_WAIT,
} from "./states.ts";
import type { Tcb } from "./tcb.ts";
import { startKeepalive } from "./timeouts.ts";
import { armRto } from "./timers.ts";
import { TS_VALID_NS } from "./timewait.ts";
import { fullSpace } from "./window.ts";

const NS_PER_MS = 1e6;

export function segmentArrived(tp: Tcb, seg: Segment): void {
  tp.segsIn++;
  if (tp.state === TCPS_CLOSE) {
    if (!seg.has(TH_RST)) refuse(tp.stack, tp.flow, seg.seq, seg.ack, seg.flags, seg.span);
    return;
  }
  if (tp.state === TCPS_SYN_SENT) synSentInput(tp, seg);
  else openInput(tp, seg);
  if (tp.state !== TCPS_CLOSE) checkAck(tp);
}

function openInput(tp: Tcb, seg: Segment): void {
  const { stack } = tp;
  const seq = unwrap(tp.rcvNxt, seg.seq);
  const end = seq + seg.span;
  if (isStale(tp, seg) && !seg.has(TH_RST)) {
    stack.mib.PAWSEstab++;
    if (!(seg.has(TH_SYN) && tp.state === TCPS_SYN_RECV)) challenge(tp);
    return;
  }
  if (end < tp.rcvWup || seq > tp.rcvNxt + Math.max(tp.rcvEdge - tp.rcvNxt, 0)) {
    if (seg.has(TH_RST)) return;
    if (seg.has(TH_SYN)) {
      answerSyn(tp, seg, seq);
      return;
    }
    // A copy of what is here: the echo of its timestamp measures this try, not an earlier one.
    if (seg.length > 0 && seq >= tp.rcvNxt - fullSpace(tp)) noteTimestamp(tp, seg, seq);
    sendDuplicateAck(tp, seq, end);
    return;
  }
  if (seg.has(TH_RST)) {
    resetReceived(tp, seq);
    return;
  }
  if (seg.has(TH_SYN)) {
    // Both sides opened at once: the other's answer repeats its SYN, and goes on below.
    const isAnswer =
      tp.state === TCPS_SYN_RECV && seg.has(TH_ACK) && seq + 1 === tp.rcvNxt && seg.span === 1;
    if (!isAnswer) {
      answerSyn(tp, seg, seq);
      return;
    }
  }
  if (!seg.has(TH_ACK)) return;
  if (!acceptAck(tp, seg, seq)) return;
  noteTimestamp(tp, seg, seq);
  if (seg.has(TH_URG)) urgReceived(tp, seg, seq);
  if (seg.length > 0 || seg.has(TH_FIN)) textReceived(tp, seg, seq);
}

/** The fifth check, and where the state goes from there. False: the segment is done with. */
function acceptAck(tp: Tcb, seg: Segment, seq: number): boolean {
  const { stack } = tp;
  const ack = unwrap(tp.sndUna, seg.ack);
  if (tp.state === TCPS_SYN_RECV) {
    if (ack <= tp.iss || ack > tp.sndNxt) {
      refuse(stack, tp.flow, seg.seq, seg.ack, seg.flags, seg.span);
      return false;
    }
    noteTimestamp(tp, seg, seq);
    established(tp, seg, seq, ack);
    if ((tp.state as number) === TCPS_CLOSE) return false;
    return true;
  }
  if (ack > tp.sndNxt || ack < tp.sndUna - Math.max(tp.sndMaxWnd, 1)) {
    challenge(tp);
    return false;
  }
  if (ack >= tp.sndUna) ackReceived(tp, seg, seq, ack);
  else if (seg.sackCount > 0 && tp.hasSack) ackReceived(tp, seg, seq, tp.sndUna);
  if (!tp.isFinAcked) return true;
  switch (tp.state) {
    case TCPS_FIN_WAIT1:
      setState(tp, TCPS_FIN_WAIT2);
      tp.isSndShutdown = true;
      tp.owner?.tcpWritable();
      if (tp.isOrphan) waitForFin(tp);
      return (tp.state as number) !== TCPS_CLOSE;
    case TCPS_CLOSING:
      enterTimeWait(tp);
      return false;
    case TCPS_LAST_ACK:
      finish(tp, 0);
      return false;
    default:
      return true;
  }
}

/** The handshake is over: of a connection that both sides opened, or that came out of a listener's queue. */
export function established(tp: Tcb, seg: Segment, seq: number, ack: number): void {
  const isClosing = tp.isFinQueued;
  setState(tp, TCPS_ESTABLISHED);
  tp.sndWnd = seg.has(TH_SYN) ? seg.window : seg.window * 2 ** tp.sndWscale;
  tp.sndMaxWnd = Math.max(tp.sndMaxWnd, tp.sndWnd);
  tp.sndWl1 = seq;
  ackReceived(tp, seg, seq, ack);
  initBuffers(tp);
  startKeepalive(tp);
  tp.owner?.tcpWritable();
  if (isClosing) setState(tp, TCPS_FIN_WAIT1);
  output(tp);
}

/** First windows and buffers, once the segment size is known. */
export function initBuffers(tp: Tcb): void {
  const { stack, buffers, settings } = tp;
  updateMss(tp);
  // RFC 6298 5.7, where once is forgiven: who lost more SYNs begins with one segment.
  tp.cwnd = (tp.totalRetrans > 1 ? 1 : INITIAL_WINDOW) * tp.mss;
  const { wmem } = stack.tunables;
  if (!settings.isSndbufLocked) {
    const want = Math.min(2 * INITIAL_WINDOW * tp.mss, wmem.max);
    if (want > buffers.sndbuf) buffers.sndbuf = want;
  }
  tp.lastRcvNs = tp.lastAckRcvNs = stack.nowNs;
  tp.rcvMss = Math.min(tp.mss, 536);
  resetReceiveSpace(tp);
}

function resetReceived(tp: Tcb, seq: number): void {
  if (seq === tp.rcvNxt) {
    wasReset(tp, resetError(tp));
    return;
  }
  challenge(tp);
}

function resetError(tp: Tcb): number {
  if (tp.state === TCPS_SYN_RECV) return ECONNREFUSED;
  return tp.state === TCPS_CLOSE_WAIT ? EPIPE : ECONNRESET;
}

/** A SYN where there is a connection: RFC 5961 section 4. */
function answerSyn(tp: Tcb, seg: Segment, seq: number): void {
  tp.stack.mib.TCPSYNChallenge++;
  if (tp.state === TCPS_SYN_RECV && seq + 1 === tp.rcvNxt && !seg.has(TH_ACK)) {
    // Its SYN again: it has not got ours.
    transmitSyn(tp);
    return;
  }
  challenge(tp);
}

/** "Who are you?": an acknowledgement, but not for ever so many made-up segments. */
export function challenge(tp: Tcb): void {
  const { stack } = tp;
  const limitNs = stack.tunables.invalidRatelimitMs.get() * NS_PER_MS;
  if (stack.nowNs - tp.lastChallengeNs < limitNs) {
    stack.mib.TCPACKSkippedSeq++;
    return;
  }
  tp.lastChallengeNs = stack.nowNs;
  stack.mib.TCPChallengeACK++;
  sendAck(tp);
}

/** Something that is here already, or beyond the window: the answer tells where we are. */
function sendDuplicateAck(tp: Tcb, seq: number, end: number): void {
  const { stack } = tp;
  if (end > seq && seq < tp.rcvNxt) {
    tp.quickAcks = Math.max(tp.quickAcks, 2);
    if (tp.hasSack && stack.tunables.dsack.get() !== 0) {
      stack.mib.TCPDSACKOldSent++;
      tp.dsackFrom = seq;
      tp.dsackTo = Math.min(end, tp.rcvNxt);
    }
    sendAck(tp);
    return;
  }
  // Empty ones may be answers to answers: not without end.
  const limitNs = stack.tunables.invalidRatelimitMs.get() * NS_PER_MS;
  if (end === seq && seq > tp.rcvNxt && stack.nowNs - tp.lastChallengeNs < limitNs) {
    stack.mib.TCPACKSkippedSeq++;
    return;
  }
  if (end === seq && seq > tp.rcvNxt) tp.lastChallengeNs = stack.nowNs;
  sendAck(tp);
}

/** PAWS: a timestamp from before. */
function isStale(tp: Tcb, seg: Segment): boolean {
  if (!tp.hasTimestamps || !seg.hasTimestamp || tp.tsRecentNs < 0) return false;
  return isOlder(seg.tsval, tp.tsRecent) && tp.stack.nowNs - tp.tsRecentNs < TS_VALID_NS;
}

/** RFC 7323 4.3: the timestamp of what was acknowledged last is the one to echo. */
function noteTimestamp(tp: Tcb, seg: Segment, seq: number): void {
  if (!tp.hasTimestamps || !seg.hasTimestamp || seq > tp.rcvWup) return;
  if (tp.tsRecentNs >= 0 && isOlder(seg.tsval, tp.tsRecent)) return;
  tp.tsRecent = seg.tsval;
  tp.tsRecentNs = tp.stack.nowNs;
}

/** The text of the segment, and the FIN: steps seven and eight. */
function textReceived(tp: Tcb, seg: Segment, seq: number): void {
  const { stack } = tp;
  if (isIn(tp.state, HAS_FIN)) {
    // Nothing can come after the FIN; a FIN that comes again is acknowledged again.
    if (seq + seg.span <= tp.rcvNxt) sendDuplicateAck(tp, seq, seq + seg.span);
    return;
  }
  const isNew = seq + seg.length > tp.rcvNxt;
  if (seg.length > 0 && isNew && tp.isRcvShutdown && tp.isOrphan) {
    // Nobody will ever read it: RFC 2525 2.17.
    stack.mib.TCPAbortOnData++;
    refuse(stack, tp.flow, seg.seq, seg.ack, seg.flags | TH_ACK, seg.span);
    wasReset(tp, 0);
    return;
  }
  dataReceived(tp, seg, seq);
  if (tp.isFinReceived) finHandled(tp);
}

/** The FIN is in order: what follows from it. */
function finHandled(tp: Tcb): void {
  finReceived(tp);
  switch (tp.state) {
    case TCPS_ESTABLISHED:
    case TCPS_SYN_RECV:
      setState(tp, TCPS_CLOSE_WAIT);
      break;
    case TCPS_FIN_WAIT1:
      if (tp.isFinAcked) enterTimeWait(tp);
      else {
        sendAck(tp);
        setState(tp, TCPS_CLOSING);
      }
      break;
    case TCPS_FIN_WAIT2:
      enterTimeWait(tp);
      break;
    default:
      break;
  }
}

/** The connection is over but for what may come late. The last acknowledgement is sent here. */
export function enterTimeWait(tp: Tcb): void {
  const { stack } = tp;
  sendAck(tp);
  setState(tp, TCPS_TIME_WAIT);
  stack.enteredTimeWait(tp);
  finish(tp, 0);
}

/** SYN-SENT: RFC 9293 3.10.7.3. */
function synSentInput(tp: Tcb, seg: Segment): void {
  const { stack } = tp;
  const hasAck = seg.has(TH_ACK);
  const ack = unwrap(tp.sndUna, seg.ack);
  if (hasAck && (ack <= tp.iss || ack > tp.sndNxt)) {
    if (!seg.has(TH_RST)) refuse(stack, tp.flow, seg.seq, seg.ack, seg.flags, seg.span);
    return;
  }
  if (hasAck && isForgedEcho(tp, seg)) return;
  if (seg.has(TH_RST)) {
    if (hasAck) wasReset(tp, ECONNREFUSED);
    return;
  }
  if (!seg.has(TH_SYN)) return;
  takeSyn(tp, seg);
  if (hasAck) {
    established(tp, seg, tp.irs, ack);
    if ((tp.state as number) === TCPS_CLOSE) return;
    // The handshake's last word; with data behind it, if there is some already.
    if (tp.lastAckSent !== tp.rcvNxt) sendAck(tp);
    return;
  }
  // It opens as we do.
  setState(tp, TCPS_SYN_RECV);
  tp.sndWnd = tp.sndMaxWnd = seg.window;
  tp.sndWl1 = tp.irs;
  transmitSyn(tp);
  armRto(tp);
}

function isForgedEcho(tp: Tcb, seg: Segment): boolean {
  if (!seg.hasTimestamp || seg.tsecr === 0) return false;
  const now = (Math.floor(tp.stack.nowNs / NS_PER_MS) + tp.tsOffset) >>> 0;
  const first = (Math.floor(tp.startedNs / NS_PER_MS) + tp.tsOffset) >>> 0;
  return isOlder(seg.tsecr, first) || isOlder(now, seg.tsecr);
}

/** The other side's SYN: its number and what it offers. */
export function takeSyn(tp: Tcb, seg: Segment): void {
  const { tunables } = tp.stack;
  tp.irs = firstSeq(seg.seq);
  tp.rcvNxt = tp.rcvWup = tp.copied = tp.irs + 1;
  tp.urgSeq = tp.rcvNxt;
  tp.peerMss = seg.mss > 0 ? seg.mss : 536;
  tp.hasTimestamps = seg.hasTimestamp && tunables.timestamps.get() !== 0;
  tp.hasSack = seg.isSackPermitted && tunables.sack.get() !== 0;
  tp.hasWscale = seg.wscale >= 0 && tunables.windowScaling.get() !== 0;
  tp.sndWscale = tp.hasWscale ? seg.wscale : 0;
  if (!tp.hasWscale) tp.rcvWscale = 0;
  if (tp.hasTimestamps) {
    tp.tsRecent = seg.tsval;
    tp.tsRecentNs = tp.stack.nowNs;
  }
  updateMss(tp);
}
