/**
 * SYN cookies: handshakes without memory, for when the queue of a listener is full.
 *
 * All that must be remembered goes into our sequence number (a keyed hash, the
 * minute, the segment size) and our timestamp (scale, SACK), and comes back with
 * the acknowledgement. See RFC 4987 section 3.6, syncookies.c in Linux.
 */
import type { Segment } from "./segment.ts";
import type { TcpStack } from "./stack.ts";
import type { Flow } from "./tcb.ts";

const MSS4 = [536, 1300, 1440, 1460, 4312, 8960, 16344, 65495];
const PERIOD_NS = 60e9;
/** Minutes that a cookie is good for. */
const MAX_AGE = 2;
const DATA_MASK = 0xffffff;
const TS_BITS = 6;
const TS_MASK = (1 << TS_BITS) - 1;
const NO_WSCALE = 15;
const SACK_BIT = 0x10;

/** Our sequence number for their SYN `seq`, which offers `mss`. */
export function makeCookie(stack: TcpStack, flow: Flow, seq: number, mss: number): number {
  let index = MSS4.length - 1;
  while (index > 0 && MSS4[index]! > mss) index--;
  const count = minute(stack);
  const sum = (stack.cookieHash(flow, 0) + seq + (count << 24)) | 0;
  return (sum + ((stack.cookieHash(flow, count + 1) + index) & DATA_MASK)) >>> 0;
}

/** The segment size that a cookie which came back stands for; 0 if it is none of ours. */
export function checkCookie(stack: TcpStack, flow: Flow, seq: number, cookie: number): number {
  const rest = (cookie - stack.cookieHash(flow, 0) - seq) >>> 0;
  const now = minute(stack);
  const age = (now - (rest >>> 24)) & 0xff;
  if (age >= MAX_AGE) return 0;
  const index = (rest - stack.cookieHash(flow, now - age + 1)) & DATA_MASK;
  return MSS4[index] ?? 0;
}

/** A timestamp, not after `ts`, that carries the options of a SYN. */
export function timestampWith(ts: number, wscale: number, isSackPermitted: boolean): number {
  const bits = (wscale >= 0 ? Math.min(wscale, 14) : NO_WSCALE) | (isSackPermitted ? SACK_BIT : 0);
  let out = ((ts & ~TS_MASK) | bits) >>> 0;
  if (out > ts) out = (out - (TS_MASK + 1)) >>> 0;
  return out;
}

/** Puts back into `seg` the options that its echoed timestamp carries. */
export function restoreOptions(seg: Segment): void {
  const bits = seg.hasTimestamp ? seg.tsecr & TS_MASK : NO_WSCALE;
  const wscale = bits & NO_WSCALE;
  seg.wscale = wscale === NO_WSCALE ? -1 : wscale;
  seg.isSackPermitted = (bits & SACK_BIT) !== 0;
}

function minute(stack: TcpStack): number {
  return Math.floor(stack.nowNs / PERIOD_NS) & 0xff;
}
