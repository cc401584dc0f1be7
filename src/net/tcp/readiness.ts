/** What poll(2) and ioctl(2) find at a TCP socket: what is there to be read, what there is room for. See tcp(7). */
import { EINVAL } from "../../abi/errno.ts";
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLPRI,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRNORM,
} from "../../abi/poll.ts";
import { RCV_SHUTDOWN } from "../socket.ts";
import { IS_OPENING, isIn, TCPS_CLOSE } from "./states.ts";
import { type Tcb, URG_NONE, URG_VALID } from "./tcb.ts";
import type { TcpSocket } from "./tcpsocket.ts";

const TCP_WRITABLE = POLLOUT | POLLWRNORM;
const TCP_READABLE = POLLIN | POLLRDNORM;
/** What who waits at `readable` hears of, and who waits at `writable`. */
export const READERS_EVENTS = TCP_READABLE | POLLRDHUP | POLLHUP | POLLERR | POLLPRI;
export const WRITERS_EVENTS = TCP_WRITABLE | POLLHUP | POLLERR;

/** POLL*. */
export function tcpEvents(s: TcpSocket): number {
  const { listener, tp } = s;
  let events = s.error !== 0 || (tp && tp.error !== 0) ? POLLERR : 0;
  if (listener) return listener.queue.length > 0 ? events | TCP_READABLE : events;
  if (!tp) {
    if ((s.closed & RCV_SHUTDOWN) !== 0) events |= TCP_READABLE | POLLRDHUP;
    return events | POLLHUP | TCP_WRITABLE;
  }
  if ((tp.isRcvShutdown && tp.isSndShutdown) || tp.state === TCPS_CLOSE) events |= POLLHUP;
  if (tp.isRcvShutdown) events |= TCP_READABLE | POLLRDHUP;
  if (isIn(tp.state, IS_OPENING)) return events;
  let target = Math.min(s.options.rcvlowat, Math.max(s.options.rcvbuf / 2, 1));
  // The urgent byte, read or not, is no byte of the stream.
  if (isAtMark(tp) && !s.settings.isOobInline) target++;
  if (tp.recvbuf.length >= target) events |= TCP_READABLE;
  if (tp.isSndShutdown || hasRoom(s, tp)) events |= TCP_WRITABLE;
  if (tp.urgState === URG_VALID) events |= POLLPRI;
  return events;
}

/** SIOCATMARK: the urgent byte is next. */
export function isAtMark(tp: Tcb): boolean {
  return tp.urgState !== URG_NONE && tp.urgSeq === tp.copied;
}

/** A third of the send buffer is free, and not too much waits that was not even sent. */
export function hasRoom(s: TcpSocket, tp: Tcb): boolean {
  const used = tp.sndUsed;
  if (s.options.sndbuf - used < used / 2) return false;
  const lowat = s.settings.notsentLowat || s.tcp.tunables.notsentLowat.get();
  return tp.sendbuf.end - tp.sndNxt < lowat;
}

/** FIONREAD: EINVAL of a listener. */
export function bytesToRead(s: TcpSocket): number {
  if (s.listener) return EINVAL;
  const { tp } = s;
  if (!tp || isIn(tp.state, IS_OPENING)) return 0;
  // Up to the urgent byte.
  const isUrgent = tp.urgState !== URG_NONE && !s.settings.isOobInline;
  if (isUrgent && tp.urgSeq >= tp.copied && tp.urgSeq < tp.copied + tp.recvbuf.length) {
    return tp.urgSeq === tp.copied ? tp.recvbuf.length - 1 : tp.urgSeq - tp.copied;
  }
  return tp.recvbuf.length;
}

/** SIOCOUTQ: bytes that the other side has not acknowledged; EINVAL of a listener. */
export function bytesUnacknowledged(s: TcpSocket): number {
  if (s.listener) return EINVAL;
  const { tp } = s;
  if (!tp || isIn(tp.state, IS_OPENING)) return 0;
  return tp.sendbuf.end - Math.min(tp.sndUna, tp.sendbuf.end);
}

/** SIOCOUTQNSD: bytes that were not sent yet. */
export function bytesNotSent(s: TcpSocket): number {
  if (s.listener) return EINVAL;
  const { tp } = s;
  return tp && !isIn(tp.state, IS_OPENING) ? Math.max(0, tp.sendbuf.end - tp.sndNxt) : 0;
}
