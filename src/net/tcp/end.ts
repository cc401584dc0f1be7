/**
 * How connections end: in order (FIN), by force (RST), or because nobody is there any more.
 *
 * `finish` is the only way to CLOSED: it stops the timers, gives back what was
 * to be sent, and wakes who waits. What was received stays until it is read or
 * the socket is closed. See RFC 9293 3.6; tcp_close in Linux.
 */
import { output, sendReset } from "./output.ts";
import {
  HAS_FIN,
  IS_OPENING,
  isIn,
  TCPS_CLOSE,
  TCPS_CLOSE_WAIT,
  TCPS_ESTABLISHED,
  TCPS_FIN_WAIT1,
  TCPS_FIN_WAIT2,
  TCPS_LAST_ACK,
  TCPS_SYN_RECV,
  TCPS_SYN_SENT,
} from "./states.ts";
import { TCB_BYTES, type Tcb } from "./tcb.ts";

const NS = 1e9;

export function setState(tp: Tcb, state: number): void {
  const wasOpen = tp.state === TCPS_ESTABLISHED || tp.state === TCPS_CLOSE_WAIT;
  const isOpen = state === TCPS_ESTABLISHED || state === TCPS_CLOSE_WAIT;
  if (isOpen && !wasOpen) tp.stack.mib.CurrEstab++;
  else if (wasOpen && !isOpen) tp.stack.mib.CurrEstab--;
  tp.state = state;
}

/** CLOSED, for `error` or for none. */
export function finish(tp: Tcb, error: number): void {
  if (tp.state === TCPS_CLOSE) return;
  setState(tp, TCPS_CLOSE);
  if (error !== 0) tp.error = error;
  tp.timer.cancel();
  tp.sendbuf.close();
  tp.board.clear();
  tp.reasm.clear();
  tp.sndNxt = tp.sndUna = tp.sendbuf.end;
  tp.isFinQueued = false;
  tp.isUrgent = false;
  tp.isRcvShutdown = tp.isSndShutdown = true;
  const { owner } = tp;
  owner?.tcpReadable();
  owner?.tcpWritable();
  if (tp.isOrphan) dissolve(tp);
  owner?.tcpClosed();
}

/** Tells the other side that it is over, if that one knows of it, and ends. */
export function abort(tp: Tcb, error: number): void {
  if (tp.state === TCPS_CLOSE) return;
  if (tp.state !== TCPS_SYN_SENT) sendReset(tp);
  finish(tp, error);
}

/** The other side sent a reset. */
export function wasReset(tp: Tcb, error: number): void {
  const { mib } = tp.stack;
  if (isIn(tp.state, IS_OPENING)) mib.AttemptFails++;
  else if (tp.state === TCPS_ESTABLISHED || tp.state === TCPS_CLOSE_WAIT) mib.EstabResets++;
  finish(tp, error);
}

/** No more will be sent: the FIN goes behind what is there. */
export function sendFin(tp: Tcb): void {
  if (tp.isFinQueued) return;
  if (tp.state === TCPS_ESTABLISHED || tp.state === TCPS_SYN_RECV) setState(tp, TCPS_FIN_WAIT1);
  else if (tp.state === TCPS_CLOSE_WAIT) setState(tp, TCPS_LAST_ACK);
  else return;
  tp.isSndShutdown = true;
  tp.isFinQueued = true;
  output(tp, true);
}

/**
 * close(2): nobody has it any more. `lingerSec`: SO_LINGER's, -1 if it is off.
 * The block goes on by itself until the other side has all, and the goodbye.
 */
export function close(tp: Tcb, lingerSec: number): void {
  const { stack } = tp;
  const hadUnread = tp.recvbuf.length > 0;
  tp.recvbuf.close();
  tp.isRcvShutdown = true;
  if (tp.state === TCPS_CLOSE) {
    dissolve(tp);
    tp.owner?.tcpClosed();
    return;
  }
  tp.isOrphan = true;
  stack.orphans++;
  if (tp.state === TCPS_SYN_SENT) {
    finish(tp, 0);
    return;
  }
  if (hadUnread && !isClosedByBoth(tp)) {
    stack.mib.TCPAbortOnClose++;
    abort(tp, 0);
    return;
  }
  if (lingerSec === 0) {
    stack.mib.TCPAbortOnData++;
    abort(tp, 0);
    return;
  }
  sendFin(tp);
  if (tp.state === TCPS_FIN_WAIT2) waitForFin(tp);
  if (stack.orphans > stack.tunables.maxOrphans.get() && tp.state !== TCPS_CLOSE) {
    stack.mib.TCPAbortOnMemory++;
    abort(tp, 0);
  }
}

function isClosedByBoth(tp: Tcb): boolean {
  return isIn(tp.state, HAS_FIN) && tp.isFinQueued;
}

/** FIN-WAIT-2 of an orphan lasts only so long. */
export function waitForFin(tp: Tcb): void {
  const { settings, stack } = tp;
  if (settings.linger2Sec < 0) {
    stack.mib.TCPAbortOnLinger++;
    abort(tp, 0);
    return;
  }
  const seconds = settings.linger2Sec || stack.tunables.finTimeout.get();
  tp.timer.setKeep(stack.nowNs + seconds * NS);
}

/** Gives back what it took. Nobody refers to it afterwards but by accident. */
function dissolve(tp: Tcb): void {
  if (tp.isOrphan) tp.stack.orphans--;
  tp.isOrphan = false;
  tp.recvbuf.close();
  tp.stack.kmem.give(TCB_BYTES);
}
