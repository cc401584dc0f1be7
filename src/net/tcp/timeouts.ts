/**
 * What happens when a connection's timers expire. See RFC 6298 section 5, RFC 8985
 * (probes of the tail), RFC 9293 3.8.4 (keepalives), 3.8.6.1 (shut windows), 3.8.3
 * and TCP_USER_TIMEOUT of tcp(7) (when to give up).
 */
import { ETIMEDOUT } from "../../abi/errno.ts";
import { abort, finish } from "./end.ts";
import { output, sendAck, sendMss, sendProbe, sendRange } from "./output.ts";
import { detectLosses, enterLoss, retransmit, retransmitLost } from "./recovery.ts";
import { RTO_MAX_NS } from "./rtt.ts";
import { SentSegment } from "./scoreboard.ts";
import { IS_OPENING, isIn, TCPS_CLOSE, TCPS_FIN_WAIT2, TCPS_SYN_SENT } from "./states.ts";
import { CA_RECOVERY, type Tcb } from "./tcb.ts";
import { armRto, XMIT_PROBE0, XMIT_RTO } from "./timers.ts";

const NS = 1e9;
const MS = 1e6;
/** The delay of acknowledgements. */
export const ATO_MIN_NS = 40 * MS;
/** What orphans that do not get on are given, at most. */
const ORPHAN_RETRIES = 8;

export function rtoExpired(tp: Tcb): void {
  const { stack, board } = tp;
  if (board.count === 0) return;
  stack.mib.TCPTimeouts++;
  if (tp.retransStartNs === 0) tp.retransStartNs = board.head!.firstSentNs;
  if (isTimeToGiveUp(tp)) {
    giveUp(tp);
    return;
  }
  tp.backoff++;
  if (isIn(tp.state, IS_OPENING)) {
    // A SYN that is lost says little of the path: the threshold stays.
    stack.mib.TCPSynRetrans++;
    board.markLost(board.head!);
  } else enterLoss(tp);
  tp.rtt.backOff();
  retransmit(tp, board.head!);
  tp.timer.setXmit(XMIT_RTO, stack.nowNs + tp.rtt.rtoNs);
}

/** Whether what was sent so often is not worth another try. */
function isTimeToGiveUp(tp: Tcb): boolean {
  const { stack, settings } = tp;
  const { tunables } = stack;
  const sinceNs = stack.nowNs - tp.retransStartNs;
  if (tp.state === TCPS_SYN_SENT || isIn(tp.state, IS_OPENING)) {
    if (settings.userTimeoutMs > 0 && sinceNs >= settings.userTimeoutMs * MS) return true;
    const most =
      tp.state === TCPS_SYN_SENT
        ? settings.synRetries || tunables.synRetries.get()
        : tunables.synackRetries.get();
    return tp.backoff >= most;
  }
  if (settings.userTimeoutMs > 0) return sinceNs >= settings.userTimeoutMs * MS;
  let most = tunables.retries2.get();
  if (tp.isOrphan) most = Math.min(tunables.orphanRetries.get() || ORPHAN_RETRIES, most || 1);
  return sinceNs >= totalTimeoutNs(tp, most);
}

/** How long `retries` take with a timeout that doubles from the least to the greatest. */
function totalTimeoutNs(tp: Tcb, retries: number): number {
  let base = Math.max(tp.rtt.srttNs > 0 ? 200 * MS : NS, 200 * MS);
  let total = 0;
  for (let i = 0; i <= retries; i++) {
    total += base;
    base = Math.min(base * 2, RTO_MAX_NS);
  }
  return total;
}

function giveUp(tp: Tcb): void {
  tp.stack.mib.TCPAbortOnTimeout++;
  finish(tp, tp.softError !== 0 ? tp.softError : ETIMEDOUT);
}

/** Asks for the window: RFC 9293 3.8.6.1. */
export function probe0Expired(tp: Tcb): void {
  const { stack, settings, board } = tp;
  if (board.count > 0 || tp.sndNxt >= tp.sndEnd) {
    tp.probes = 0;
    return;
  }
  if (tp.retransStartNs === 0) tp.retransStartNs = stack.nowNs;
  const sinceNs = stack.nowNs - tp.retransStartNs;
  if (settings.userTimeoutMs > 0 && sinceNs >= settings.userTimeoutMs * MS) {
    giveUp(tp);
    return;
  }
  let most = stack.tunables.retries2.get();
  if (tp.isOrphan) most = Math.min(stack.tunables.orphanRetries.get() || ORPHAN_RETRIES, most);
  if (tp.probes >= most) {
    giveUp(tp);
    return;
  }
  writeWakeup(tp);
  tp.probes++;
  tp.backoff++;
  if (tp.board.count > 0) armRto(tp);
  else {
    const delay = Math.min(tp.rtt.rtoNs * 2 ** Math.min(tp.backoff, 20), RTO_MAX_NS);
    tp.timer.setXmit(XMIT_PROBE0, stack.nowNs + delay);
  }
}

/** Sends what the window takes, however little; or what makes the other side tell its window. */
function writeWakeup(tp: Tcb): void {
  const usable = tp.sndUna + tp.sndWnd - tp.sndNxt;
  const left = tp.sendbuf.end - tp.sndNxt;
  if (usable > 0 && left > 0) {
    const length = Math.min(left, usable, sendMss(tp));
    tp.board.push(new SentSegment(tp.sndNxt, tp.sndNxt + length, 0, tp.stack.nowNs));
    tp.sndNxt += length;
    if (length < tp.mss) tp.sndSml = tp.sndNxt;
    sendRange(tp, tp.sndNxt - length, length, 0);
    return;
  }
  tp.stack.mib.TCPWinProbe++;
  sendProbe(tp, tp.isUrgent && tp.sndUp > tp.sndUna);
}

export function tlpExpired(tp: Tcb): void {
  const { stack, board } = tp;
  if (board.count === 0 || tp.caState !== 0) {
    if (board.count > 0) armRto(tp);
    return;
  }
  stack.mib.TCPLossProbes++;
  const before = tp.sndNxt;
  tp.tlpHigh = tp.sndNxt;
  // New data if there is any and it may be sent, otherwise the last segment once more.
  const { cwnd } = tp;
  tp.cwnd = tp.inFlight + tp.mss;
  output(tp, true);
  tp.cwnd = cwnd;
  tp.isTlpRetransmission = tp.sndNxt === before;
  if (tp.isTlpRetransmission) retransmit(tp, board.tail!);
  tp.tlpHigh = tp.sndNxt;
  tp.timer.setXmit(XMIT_RTO, stack.nowNs + tp.rtt.rtoNs);
}

export function reoExpired(tp: Tcb): void {
  if (tp.board.count === 0) return;
  detectLosses(tp);
  if (tp.caState >= CA_RECOVERY) retransmitLost(tp);
  if (tp.timer.xmitKind === 0) armRto(tp);
}

export function delackExpired(tp: Tcb): void {
  if (!tp.isAckOwed) return;
  // Nothing was sent that it could have gone with: it is no conversation.
  if (tp.isPingpong) {
    tp.isPingpong = false;
    tp.atoNs = ATO_MIN_NS;
  } else tp.atoNs = Math.min(tp.atoNs * 2, tp.rtt.rtoNs);
  tp.stack.mib.DelayedACKs++;
  sendAck(tp);
}

/** Keepalives; the end of FIN-WAIT-2 without a socket. */
export function keepExpired(tp: Tcb): void {
  const { stack, settings } = tp;
  const { tunables } = stack;
  if (tp.state === TCPS_FIN_WAIT2 && tp.isOrphan) {
    finish(tp, 0);
    return;
  }
  if (!settings.isKeepalive || tp.state === TCPS_CLOSE || isIn(tp.state, IS_OPENING)) return;
  const idleNs = (settings.keepIdleSec || tunables.keepaliveTime.get()) * NS;
  const intvlNs = (settings.keepIntvlSec || tunables.keepaliveIntvl.get()) * NS;
  const quietNs = stack.nowNs - Math.max(tp.lastRcvNs, tp.lastAckRcvNs);
  // What is under way is asked after by other timers.
  if (tp.board.count > 0 || tp.sndNxt < tp.sndEnd) {
    tp.timer.setKeep(stack.nowNs + idleNs);
    return;
  }
  if (quietNs < idleNs) {
    tp.timer.setKeep(stack.nowNs + idleNs - quietNs);
    return;
  }
  const count = settings.keepCount || tunables.keepaliveProbes.get();
  const isOver =
    settings.userTimeoutMs > 0
      ? quietNs >= settings.userTimeoutMs * MS && tp.probes > 0
      : tp.probes >= count;
  if (isOver) {
    abort(tp, ETIMEDOUT);
    return;
  }
  stack.mib.TCPKeepAlive++;
  sendProbe(tp, false);
  tp.probes++;
  tp.timer.setKeep(stack.nowNs + intvlNs);
}

/** SO_KEEPALIVE was set, or what it goes by. */
export function startKeepalive(tp: Tcb): void {
  const { settings, stack } = tp;
  if (tp.state === TCPS_CLOSE || isIn(tp.state, IS_OPENING)) return;
  if (!settings.isKeepalive) {
    if (tp.state !== TCPS_FIN_WAIT2 || !tp.isOrphan) tp.timer.clearKeep();
    return;
  }
  const idleNs = (settings.keepIdleSec || stack.tunables.keepaliveTime.get()) * NS;
  const since = Math.max(tp.lastRcvNs, tp.lastAckRcvNs);
  tp.timer.setKeep(Math.max(since + idleNs, stack.nowNs));
}
