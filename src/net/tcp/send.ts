/**
 * send(2) and write(2) on a connection: the program's bytes into the send buffer, once. See tcp_sendmsg in Linux.
 */
import { ENOBUFS, EOPNOTSUPP, EPIPE } from "../../abi/errno.ts";
import { MSG_MORE, MSG_OOB } from "../../abi/socket.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Uio } from "../../vm/uio.ts";
import type { Sending } from "../message.ts";
import { output } from "./output.ts";
import { hasRoom } from "./readiness.ts";
import { CAN_SEND, IS_OPENING, isIn } from "./states.ts";
import type { Tcb } from "./tcb.ts";
import type { TcpSocket } from "./tcpsocket.ts";

const MSG_FASTOPEN = 0x20000000;

export function sendStream(
  s: TcpSocket,
  td: Thread,
  uio: Uio,
  sending: Sending,
  isNonblocking: boolean,
): number {
  const { flags } = sending;
  if ((flags & MSG_FASTOPEN) !== 0) return EOPNOTSUPP;
  let { done } = td.restart;
  const { tp } = s;
  if (tp && isIn(tp.state, IS_OPENING)) {
    return s.wait(td, true, "sk_stream_wait_connect", isNonblocking, done);
  }
  if (done > 0) uio.skip(done);
  if (!tp || tp.isSndShutdown || tp.error !== 0 || s.error !== 0 || !isIn(tp.state, CAN_SEND)) {
    return done > 0 ? done : s.takeError() || EPIPE;
  }
  if (uio.resid === 0) return done;
  for (;;) {
    s.tcp.tick();
    const n = fill(tp, uio);
    if (n < 0) {
      if (n !== ENOBUFS) return done > 0 ? done : n;
      if (done === 0 && tp.sendbuf.length === 0) return ENOBUFS;
      break;
    }
    done += n;
    if (n > 0) {
      const isLast = uio.resid === 0;
      if (isLast && (flags & MSG_OOB) !== 0) {
        tp.sndUp = tp.sendbuf.end;
        tp.isUrgent = true;
      }
      output(tp, false, isLast && (flags & MSG_MORE) !== 0);
      s.tcp.drain();
    }
    if (uio.resid === 0) return done;
    // What came of that may have made room already, or ended it all.
    if (s.tp !== tp || tp.isSndShutdown || tp.error !== 0) {
      return done > 0 ? done : s.takeError() || EPIPE;
    }
    if (n === 0 || !hasRoom(s, tp)) break;
  }
  return s.wait(td, true, "sk_stream_wait_memory", isNonblocking, done);
}

/** Copies as much as fits: bytes, ENOBUFS or EFAULT if there were none. */
function fill(tp: Tcb, uio: Uio): number {
  const { sendbuf, buffers } = tp;
  let done = 0;
  while (uio.resid > 0) {
    const room = buffers.sndbuf - tp.sndUsed;
    if (room <= 0) break;
    const space = sendbuf.space(Math.min(uio.resid, room));
    if (space.length === 0) return done > 0 ? done : ENOBUFS;
    const n = uio.copyin(space);
    if (n < 0) return done > 0 ? done : n;
    sendbuf.commit(n);
    done += n;
    if (n < space.length) break;
  }
  return done;
}
