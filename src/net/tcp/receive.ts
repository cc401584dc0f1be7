/**
 * recv(2) and read(2) on a connection: bytes out of the receive buffer, around the
 * urgent byte, with what MSG_* asks. See tcp_recvmsg in Linux, tcp(7) on urgent data.
 */
import { EAGAIN, EINVAL, ENOTCONN } from "../../abi/errno.ts";
import { MSG_ERRQUEUE, MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_WAITALL } from "../../abi/socket.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Uio } from "../../vm/uio.ts";
import type { Receiving } from "../message.ts";
import { bytesRead } from "./data.ts";
import { TCPS_CLOSE } from "./states.ts";
import { type Tcb, URG_NONE, URG_READ, URG_VALID } from "./tcb.ts";
import type { TcpSocket } from "./tcpsocket.ts";
import { adjustSpace } from "./window.ts";

export function receiveStream(
  s: TcpSocket,
  td: Thread,
  uio: Uio,
  flags: number,
  receiving: Receiving | null,
  isNonblocking: boolean,
): number {
  if ((flags & MSG_ERRQUEUE) !== 0) return EAGAIN;
  if (s.listener) return ENOTCONN;
  const { tp } = s;
  if ((flags & MSG_OOB) !== 0) return receiveUrgent(s, tp, uio, flags, receiving);
  const isPeek = (flags & MSG_PEEK) !== 0;
  const { options } = s;
  let { done } = td.restart;
  const before = done;
  if (done > 0) uio.skip(done);
  const size = done + uio.resid;
  const target = (flags & MSG_WAITALL) !== 0 ? size : Math.min(options.rcvlowat, size) || 1;
  let isOver = false;
  if (tp && tp.recvbuf.length > 0) {
    const at = isPeek ? Math.max(options.peekOff, 0) + done : 0;
    const n = take(s, tp, uio, at, isPeek, (flags & MSG_TRUNC) !== 0, done > 0);
    if (n < 0) return done > 0 ? done : n;
    done += n;
    isOver = uio.resid > 0 && isAtMark(s, tp, at + (isPeek ? n : 0));
    if (options.peekOff >= 0 && done > before) {
      options.peekOff = isPeek
        ? options.peekOff + done - before
        : Math.max(0, options.peekOff - (done - before));
    }
    if (!isPeek && done > before) {
      s.tcp.tick();
      adjustSpace(tp);
      bytesRead(tp, done - before);
      s.tcp.drain();
    }
  }
  if (done >= target || (isOver && done > 0) || uio.resid === 0) return done;
  if (tp && tp.recvbuf.length > 0 && !isPeek && done === 0 && uio.resid > 0) return done;
  const error = s.error !== 0 || (tp !== null && tp.error !== 0);
  if (done > 0 && (error || !tp || tp.isRcvShutdown || tp.state === TCPS_CLOSE)) return done;
  if (error) return s.takeError();
  if (tp?.isRcvShutdown || (!tp && s.closed !== 0)) return 0;
  if (!tp || tp.state === TCPS_CLOSE) return ENOTCONN;
  // What was looked at stays where it is: to look again is to begin again.
  return s.wait(td, false, "sk_wait_data", isNonblocking, isPeek ? 0 : done);
}

/** Moves bytes out, up to the urgent mark: how many, or EFAULT if none could be. */
function take(
  s: TcpSocket,
  tp: Tcb,
  uio: Uio,
  from: number,
  isPeek: boolean,
  isDiscarding: boolean,
  hasSome: boolean,
): number {
  const { recvbuf } = tp;
  let at = from;
  let done = 0;
  while (uio.resid > 0 && at < recvbuf.length) {
    let max = uio.resid;
    if (tp.urgState !== URG_NONE) {
      const mark = tp.urgSeq - tp.copied - at;
      if (mark > 0) max = Math.min(max, mark);
      else if (mark === 0) {
        if (done > 0 || hasSome) break;
        if (!s.settings.isOobInline) {
          // The urgent byte itself is no part of the stream.
          skipUrgent(tp, isPeek);
          if (isPeek) at++;
          continue;
        }
      }
    }
    const bytes = recvbuf.peek(at, max);
    const n = isDiscarding ? bytes.length : uio.copyout(bytes);
    if (n < 0) return done > 0 ? done : n;
    if (isDiscarding) uio.skip(n);
    done += n;
    if (isPeek) at += n;
    else consume(tp, n);
    if (n < bytes.length) break;
  }
  return done;
}

function consume(tp: Tcb, n: number): void {
  tp.recvbuf.drop(n);
  tp.copied += n;
  if (tp.urgState !== URG_NONE && tp.copied > tp.urgSeq) tp.urgState = URG_NONE;
}

function skipUrgent(tp: Tcb, isPeek: boolean): void {
  if (isPeek) return;
  consume(tp, 1);
}

/** A read does not go across the mark. */
function isAtMark(s: TcpSocket, tp: Tcb, at: number): boolean {
  return (
    tp.urgState !== URG_NONE &&
    tp.urgSeq === tp.copied + at &&
    at < tp.recvbuf.length &&
    s.tp === tp
  );
}

/** MSG_OOB: the urgent byte, once. */
function receiveUrgent(
  s: TcpSocket,
  tp: Tcb | null,
  uio: Uio,
  flags: number,
  receiving: Receiving | null,
): number {
  if (s.settings.isOobInline || !tp || tp.urgState === URG_NONE || tp.urgState === URG_READ) {
    return EINVAL;
  }
  if (tp.state === TCPS_CLOSE && tp.urgState !== URG_VALID) return ENOTCONN;
  if (tp.urgState === URG_VALID) {
    if (receiving) receiving.outFlags |= MSG_OOB;
    if (uio.resid === 0) {
      if (receiving) receiving.outFlags |= MSG_TRUNC;
      return 0;
    }
    if ((flags & MSG_TRUNC) === 0) {
      const n = uio.copyout(Uint8Array.of(tp.urgByte));
      if (n < 0) return n;
    }
    if ((flags & MSG_PEEK) === 0) tp.urgState = URG_READ;
    return 1;
  }
  if (tp.isRcvShutdown) return 0;
  return EAGAIN;
}
