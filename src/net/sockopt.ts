/**
 * getsockopt(2) and setsockopt(2) at SOL_SOCKET, for sockets of all families. See socket(7).
 *
 * A value of the wrong length is cut or refused as in Linux: an int is 4 bytes
 * at least when it is set, and as many as fit when it is told.
 */
import { EACCES, EDOM, EINVAL, ENOPROTOOPT, EPERM, type Errno } from "../abi/errno.ts";
import * as so from "../abi/socket.ts";
import { CAP_NET_ADMIN, CAP_NET_RAW } from "../kern/cred.ts";
import type { Thread } from "../kern/thread.ts";
import type { Lwp } from "../proc/lwp.ts";
import { attachFilter, detachFilter } from "./filteroption.ts";
import type { Socket } from "./socket.ts";

/** On or off, or a number, that is kept and told; nothing here would act differently. */
const KEPT = new Set([
  so.SO_REUSEADDR,
  so.SO_REUSEPORT,
  so.SO_DONTROUTE,
  so.SO_BROADCAST,
  so.SO_KEEPALIVE,
  so.SO_OOBINLINE,
  so.SO_NO_CHECK,
  so.SO_PASSSEC,
  so.SO_RXQ_OVFL,
  so.SO_DEBUG,
]);
const PRIORITY_MAX = 6;
const NS = 1e9;

export function setSocketOption(td: Thread, s: Socket, name: number, value: Uint8Array): number {
  const { options, tunables } = s;
  if (value.length < 4) return EINVAL;
  const view = viewOf(value);
  const n = view.getInt32(0, true);
  switch (name) {
    case so.SO_DEBUG:
      if (n !== 0 && !td.cred.hasCap(CAP_NET_ADMIN)) return EACCES;
      break;
    case so.SO_TYPE:
    case so.SO_PROTOCOL:
    case so.SO_DOMAIN:
    case so.SO_ERROR:
      return ENOPROTOOPT;
    case so.SO_SNDBUF:
      options.setSndbuf(Math.min(n >>> 0, tunables.wmemMax.get()));
      s.writable.wakeup();
      return 0;
    case so.SO_RCVBUF:
      options.setRcvbuf(Math.min(n >>> 0, tunables.rmemMax.get()));
      return 0;
    case so.SO_SNDBUFFORCE:
      if (!td.cred.hasCap(CAP_NET_ADMIN)) return EPERM;
      options.setSndbuf(n);
      s.writable.wakeup();
      return 0;
    case so.SO_RCVBUFFORCE:
      if (!td.cred.hasCap(CAP_NET_ADMIN)) return EPERM;
      options.setRcvbuf(n);
      return 0;
    case so.SO_PRIORITY:
      if ((n < 0 || n > PRIORITY_MAX) && !rules(td, s, CAP_NET_ADMIN)) return EPERM;
      options.kept.set(name, n);
      return 0;
    case so.SO_MARK:
      if (!rules(td, s, CAP_NET_RAW) && !rules(td, s, CAP_NET_ADMIN)) return EPERM;
      options.kept.set(name, n);
      return 0;
    case so.SO_LINGER:
      if (value.length < so.Linger.sizeof) return EINVAL;
      options.lingerSec = n === 0 ? -1 : Math.max(0, so.Linger.l_linger.get(view, 0));
      return 0;
    case so.SO_RCVLOWAT:
      options.rcvlowat = n < 0 ? 0x7fffffff : Math.max(n, 1);
      return 0;
    case so.SO_RCVTIMEO:
    case so.SO_RCVTIMEO_NEW:
    case so.SO_SNDTIMEO:
    case so.SO_SNDTIMEO_NEW:
      return setTimeout(s, name, value);
    case so.SO_TIMESTAMP:
    case so.SO_TIMESTAMPNS:
    case so.SO_TIMESTAMP_NEW:
    case so.SO_TIMESTAMPNS_NEW:
      options.timestamp = n === 0 ? 0 : name;
      return 0;
    case so.SO_BSDCOMPAT:
      return 0;
    case so.SO_ATTACH_FILTER:
      return attachFilter(td as Lwp, options, value);
    case so.SO_DETACH_FILTER:
      return detachFilter(td, options);
    case so.SO_LOCK_FILTER:
      if (options.isFilterLocked && n === 0) return EPERM;
      options.isFilterLocked = n !== 0;
      return 0;
    default:
      break;
  }
  if (!KEPT.has(name)) return s.setOwnOption(td, name, value);
  options.kept.set(name, n === 0 ? 0 : 1);
  return 0;
}

export function getSocketOption(
  td: Thread,
  s: Socket,
  name: number,
  room: number,
): Uint8Array | Errno {
  const { options } = s;
  switch (name) {
    case so.SO_TYPE:
      return intValue(s.type);
    case so.SO_DOMAIN:
      return intValue(s.family);
    case so.SO_PROTOCOL:
      return intValue(s.protocol);
    case so.SO_ERROR:
      return intValue(-s.takeError());
    case so.SO_ACCEPTCONN:
      return intValue(s.isListening ? 1 : 0);
    case so.SO_SNDBUF:
      return intValue(options.sndbuf);
    case so.SO_RCVBUF:
      return intValue(options.rcvbuf);
    case so.SO_RCVLOWAT:
      return intValue(options.rcvlowat);
    case so.SO_SNDLOWAT:
      return intValue(1);
    case so.SO_LINGER:
      return lingerValue(options.lingerSec);
    case so.SO_RCVTIMEO:
    case so.SO_RCVTIMEO_NEW:
      return timeValue(options.rcvTimeoutNs);
    case so.SO_SNDTIMEO:
    case so.SO_SNDTIMEO_NEW:
      return timeValue(options.sndTimeoutNs);
    case so.SO_TIMESTAMP:
    case so.SO_TIMESTAMPNS:
    case so.SO_TIMESTAMP_NEW:
    case so.SO_TIMESTAMPNS_NEW:
      return intValue(options.timestamp === name ? 1 : 0);
    case so.SO_PRIORITY:
    case so.SO_MARK:
      return intValue(options.kept.get(name) ?? 0);
    case so.SO_LOCK_FILTER:
      return intValue(options.isFilterLocked ? 1 : 0);
    case so.SO_BSDCOMPAT:
      return intValue(0);
    case so.SO_PEERSEC:
      return ENOPROTOOPT;
    case so.SO_PEERNAME: {
      const peer = s.peerName();
      if (typeof peer !== "number" && peer.length < room) return EINVAL;
      return peer;
    }
    default:
      break;
  }
  if (KEPT.has(name)) return intValue(options.kept.get(name) ?? 0);
  return s.getOwnOption(td, name, room);
}

export function intValue(n: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setInt32(0, n, true);
  return bytes;
}

/** The int that an option is set to; it has four bytes. */
export function intOf(value: Uint8Array): number {
  return viewOf(value).getInt32(0, true);
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** SO_PEEK_OFF, for the families that have it. */
export function setPeekOff(s: Socket, value: Uint8Array): number {
  s.options.peekOff = intOf(value);
  return 0;
}

function setTimeout(s: Socket, name: number, value: Uint8Array): number {
  if (value.length < so.SockTimeval.sizeof) return EINVAL;
  const view = viewOf(value);
  const sec = so.SockTimeval.tv_sec.get(view, 0);
  const usec = so.SockTimeval.tv_usec.get(view, 0);
  if (usec < 0 || usec >= 1e6) return EDOM;
  // Before now is at once; none at all is for ever.
  let ns = sec < 0 ? 0 : sec * NS + usec * 1000;
  if (sec === 0 && usec === 0) ns = Number.POSITIVE_INFINITY;
  if (name === so.SO_RCVTIMEO || name === so.SO_RCVTIMEO_NEW) s.options.rcvTimeoutNs = ns;
  else s.options.sndTimeoutNs = ns;
  return 0;
}

function timeValue(ns: number): Uint8Array {
  const bytes = new Uint8Array(so.SockTimeval.sizeof);
  const view = viewOf(bytes);
  if (ns === Number.POSITIVE_INFINITY) return bytes;
  so.SockTimeval.tv_sec.set(view, 0, Math.floor(ns / NS));
  so.SockTimeval.tv_usec.set(view, 0, Math.floor((ns % NS) / 1000));
  return bytes;
}

function lingerValue(seconds: number): Uint8Array {
  const bytes = new Uint8Array(so.Linger.sizeof);
  const view = viewOf(bytes);
  so.Linger.l_onoff.set(view, 0, seconds >= 0 ? 1 : 0);
  so.Linger.l_linger.set(view, 0, Math.max(0, seconds));
  return bytes;
}

/** Whether the caller has `cap` over the socket's network. */
function rules(td: Thread, s: Socket, cap: number): boolean {
  return td.cred.hasCapIn(s.netns.owner, cap);
}
