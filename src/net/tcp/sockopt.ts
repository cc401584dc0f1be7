/** Options of TCP: getsockopt(2) and setsockopt(2) at SOL_TCP. See tcp(7). */
import { EINVAL, ENOENT, ENOPROTOOPT, EPERM, type Errno } from "../../abi/errno.ts";
import {
  SO_KEEPALIVE,
  SO_OOBINLINE,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
} from "../../abi/socket.ts";
import * as tcp from "../../abi/tcp.ts";
import type { Thread } from "../../kern/thread.ts";
import { bytesOf } from "../../lib/bytes.ts";
import { intOf, intValue } from "../sockopt.ts";
import { CONGESTION_NAMES } from "./congestion.ts";
import { checkAck } from "./data.ts";
import { tcpInfo } from "./info.ts";
import { output, sendMss, updateMss } from "./output.ts";
import { TCPS_CLOSE, TCPS_CLOSE_WAIT, TCPS_ESTABLISHED } from "./states.ts";
import type { TcpSocket } from "./tcpsocket.ts";
import { startKeepalive } from "./timeouts.ts";

const MAX_KEEP_SEC = 32767;
const MAX_KEEP_COUNT = 127;
const MIN_MSS = 88;
const MAX_WINDOW = 32767;
const CONGESTION_NAME_BYTES = 16;
/** SOCK_MIN_RCVBUF / 2. */
const MIN_CLAMP = 1152;
/** Once a second, then doubling: how many retransmissions fill so many seconds. */
const FIRST_RTO_SEC = 1;
const MAX_RTO_SEC = 120;

export function setTcpOption(s: TcpSocket, _td: Thread, name: number, value: Uint8Array): number {
  if (name === tcp.TCP_CONGESTION) return setCongestion(s, value);
  if (name === tcp.TCP_ULP) return ENOENT;
  if (value.length < 4) return EINVAL;
  const n = intOf(value);
  s.tcp.tick();
  const r = setNumber(s, name, n);
  s.tcp.drain();
  return r;
}

function setNumber(s: TcpSocket, name: number, n: number): number {
  const { settings, tp } = s;
  switch (name) {
    case tcp.TCP_MAXSEG:
      if (n !== 0 && (n < MIN_MSS || n > MAX_WINDOW)) return EINVAL;
      settings.maxseg = n;
      return 0;
    case tcp.TCP_NODELAY:
      settings.isNodelay = n !== 0;
      // Nagle's delay ends here, a cork does not: TCP_NODELAY pushes what waits all the same.
      if (tp && n !== 0) output(tp, true);
      return 0;
    case tcp.TCP_CORK:
      settings.isCork = n !== 0;
      if (tp && n === 0) output(tp, settings.isNodelay);
      return 0;
    case tcp.TCP_KEEPIDLE:
      if (n < 1 || n > MAX_KEEP_SEC) return EINVAL;
      settings.keepIdleSec = n;
      if (tp) startKeepalive(tp);
      return 0;
    case tcp.TCP_KEEPINTVL:
      if (n < 1 || n > MAX_KEEP_SEC) return EINVAL;
      settings.keepIntvlSec = n;
      return 0;
    case tcp.TCP_KEEPCNT:
      if (n < 1 || n > MAX_KEEP_COUNT) return EINVAL;
      settings.keepCount = n;
      return 0;
    case tcp.TCP_SYNCNT:
      if (n < 1 || n > MAX_KEEP_COUNT) return EINVAL;
      settings.synRetries = n;
      return 0;
    case tcp.TCP_LINGER2:
      settings.linger2Sec = n < 0 ? -1 : Math.min(n, 120);
      return 0;
    case tcp.TCP_DEFER_ACCEPT:
      settings.deferAcceptSec = n <= 0 ? 0 : secondsOf(retransmissionsIn(n));
      return 0;
    case tcp.TCP_WINDOW_CLAMP:
      if (n === 0) {
        if (s.state !== TCPS_CLOSE) return EINVAL;
        settings.windowClamp = 0;
      } else settings.windowClamp = Math.max(n, MIN_CLAMP);
      return 0;
    case tcp.TCP_QUICKACK:
      setQuickack(s, n);
      return 0;
    case tcp.TCP_USER_TIMEOUT:
      if (n < 0) return EINVAL;
      settings.userTimeoutMs = n;
      return 0;
    case tcp.TCP_NOTSENT_LOWAT:
      settings.notsentLowat = n >>> 0;
      s.writable.wakeup();
      return 0;
    case tcp.TCP_THIN_LINEAR_TIMEOUTS:
      return n < 0 || n > 1 ? EINVAL : 0;
    case tcp.TCP_THIN_DUPACK:
      return n < 0 || n > 1 ? EINVAL : 0;
    case tcp.TCP_REPAIR:
      return EPERM;
    default:
      return ENOPROTOOPT;
  }
}

function setQuickack(s: TcpSocket, n: number): void {
  const { settings, tp } = s;
  settings.isQuickack = n !== 0;
  if (!tp) return;
  tp.isPingpong = n === 0;
  const isOpen = tp.state === TCPS_ESTABLISHED || tp.state === TCPS_CLOSE_WAIT;
  if (n !== 0 && isOpen && tp.isAckOwed) {
    tp.isAckNow = true;
    checkAck(tp);
    // An even number: once only.
    if ((n & 1) === 0) tp.isPingpong = true;
  }
}

function setCongestion(s: TcpSocket, value: Uint8Array): number {
  if (value.length < 1) return EINVAL;
  let name = "";
  for (const byte of value.subarray(0, CONGESTION_NAME_BYTES - 1)) {
    if (byte === 0) break;
    name += String.fromCharCode(byte);
  }
  if (!CONGESTION_NAMES.includes(name)) return ENOENT;
  s.settings.congestion = name;
  s.tp?.setCongestion(name);
  return 0;
}

export function getTcpOption(s: TcpSocket, name: number, room: number): Uint8Array | Errno {
  const { settings, tp } = s;
  const { tunables } = s.tcp;
  switch (name) {
    case tcp.TCP_MAXSEG: {
      if (tp && s.state !== TCPS_CLOSE) {
        updateMss(tp);
        return intValue(sendMss(tp));
      }
      return intValue(settings.maxseg || 536);
    }
    case tcp.TCP_NODELAY:
      return intValue(settings.isNodelay ? 1 : 0);
    case tcp.TCP_CORK:
      return intValue(settings.isCork ? 1 : 0);
    case tcp.TCP_KEEPIDLE:
      return intValue(settings.keepIdleSec || tunables.keepaliveTime.get());
    case tcp.TCP_KEEPINTVL:
      return intValue(settings.keepIntvlSec || tunables.keepaliveIntvl.get());
    case tcp.TCP_KEEPCNT:
      return intValue(settings.keepCount || tunables.keepaliveProbes.get());
    case tcp.TCP_SYNCNT:
      return intValue(settings.synRetries || tunables.synRetries.get());
    case tcp.TCP_LINGER2: {
      const { linger2Sec } = settings;
      return intValue(linger2Sec < 0 ? -1 : linger2Sec || tunables.finTimeout.get());
    }
    case tcp.TCP_DEFER_ACCEPT:
      return intValue(settings.deferAcceptSec);
    case tcp.TCP_WINDOW_CLAMP:
      return intValue(settings.windowClamp || (tp ? 0x7fffffff : 0));
    case tcp.TCP_INFO:
      return tcpInfo(s).subarray(0, Math.max(room, 0));
    case tcp.TCP_QUICKACK:
      return intValue((tp ? !tp.isPingpong : settings.isQuickack) ? 1 : 0);
    case tcp.TCP_CONGESTION: {
      const out = new Uint8Array(CONGESTION_NAME_BYTES);
      out.set(bytesOf(settings.congestion));
      return out;
    }
    case tcp.TCP_USER_TIMEOUT:
      return intValue(settings.userTimeoutMs);
    case tcp.TCP_NOTSENT_LOWAT:
      return intValue(settings.notsentLowat | 0);
    case tcp.TCP_THIN_LINEAR_TIMEOUTS:
    case tcp.TCP_THIN_DUPACK:
    case tcp.TCP_REPAIR:
    case tcp.TCP_FASTOPEN:
    case tcp.TCP_SAVE_SYN:
    case tcp.TCP_INQ:
    case tcp.TCP_TX_DELAY:
      return intValue(0);
    case tcp.TCP_TIMESTAMP:
      return intValue(tp ? (Math.floor(s.tcp.nowNs / 1e6) + tp.tsOffset) | 0 : 0);
    case tcp.TCP_ULP:
      return new Uint8Array(0);
    default:
      return ENOPROTOOPT;
  }
}

/** How many times an answer is repeated in `seconds`, and how long that takes: as TCP_DEFER_ACCEPT rounds. */
function retransmissionsIn(seconds: number): number {
  let count = 1;
  let period = FIRST_RTO_SEC;
  for (let timeout = FIRST_RTO_SEC; seconds > period && count < 255; count++) {
    timeout = Math.min(timeout * 2, MAX_RTO_SEC);
    period += timeout;
  }
  return count;
}

function secondsOf(retransmissions: number): number {
  let period = retransmissions > 0 ? FIRST_RTO_SEC : 0;
  let timeout = FIRST_RTO_SEC;
  for (let left = retransmissions - 1; left > 0; left--) {
    timeout = Math.min(timeout * 2, MAX_RTO_SEC);
    period += timeout;
  }
  return period;
}

/** An option of SOL_SOCKET that means something to TCP was set. */
export function socketOptionChanged(s: TcpSocket, name: number): void {
  const { settings, options, tp } = s;
  if (name === SO_SNDBUF || name === SO_SNDBUFFORCE) settings.isSndbufLocked = true;
  else if (name === SO_RCVBUF || name === SO_RCVBUFFORCE) settings.isRcvbufLocked = true;
  else if (name === SO_OOBINLINE) settings.isOobInline = options.kept.get(name) === 1;
  else if (name === SO_KEEPALIVE) {
    settings.isKeepalive = options.kept.get(name) === 1;
    s.tcp.tick();
    if (tp) startKeepalive(tp);
  }
}
