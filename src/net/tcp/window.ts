/**
 * The window that a connection offers: what its receive buffer has room for,
 * and how that buffer grows with a reader who keeps up.
 *
 * The right edge never moves back, and moves on by worthwhile steps only (silly
 * window avoidance). Half of SO_RCVBUF is for the bytes of the stream, as in
 * Linux. See RFC 9293 3.8.6.2.2; tcp_rcv_space_adjust in Linux.
 */
import { MAX_WSCALE } from "./header.ts";
import type { TcpSettings } from "./settings.ts";
import type { BufferSizes, Tcb } from "./tcb.ts";
import type { TcpTunables } from "./tunables.ts";

const MAX_UNSCALED = 65535;

/** Bytes of the stream that may wait to be read. */
export function fullSpace(tp: Tcb): number {
  const full = tp.buffers.rcvbuf / 2;
  const { windowClamp } = tp.settings;
  return windowClamp > 0 ? Math.min(full, windowClamp) : full;
}

/** The window to offer now, and remembers that it was. */
export function selectWindow(tp: Tcb): number {
  const old = Math.max(0, tp.rcvEdge - tp.rcvNxt);
  const unit = 2 ** tp.rcvWscale;
  let wnd = newWindow(tp);
  if (wnd < old) wnd = Math.ceil(old / unit) * unit;
  wnd = Math.min(wnd, MAX_UNSCALED * unit);
  if (wnd === 0 && tp.rcvWnd > 0) tp.stack.mib.TCPToZeroWindowAdv++;
  if (wnd > 0 && tp.rcvWnd === 0) tp.stack.mib.TCPFromZeroWindowAdv++;
  tp.rcvWnd = wnd;
  tp.rcvWup = tp.rcvNxt;
  return wnd;
}

/** What there is room for, in worthwhile steps. */
export function newWindow(tp: Tcb): number {
  const full = fullSpace(tp);
  const mss = Math.min(tp.rcvMss, full);
  const free = Math.max(0, full - tp.recvbuf.length);
  const { kmem } = tp.stack;
  // While memory is short, one segment at a time.
  if (2 * (kmem.usedBytes + free) > kmem.limitBytes) return tp.recvbuf.length === 0 ? mss : 0;
  if (free < full / 2) {
    if (free < full / 16 || free < mss) return 0;
  }
  const unit = 2 ** tp.rcvWscale;
  if (tp.rcvWscale > 0) return Math.floor(free / unit) * unit;
  const { rcvWnd } = tp;
  if (rcvWnd <= free - mss || rcvWnd > free) return free - (free % Math.max(mss, 1));
  return mss === full && free > rcvWnd + full / 2 ? free : rcvWnd;
}

/** The scale that lets the buffer grow as far as it may. */
export function chooseWscale(
  settings: TcpSettings,
  buffers: BufferSizes,
  tunables: TcpTunables,
): number {
  if (tunables.windowScaling.get() === 0) return 0;
  const { rcvbuf } = buffers;
  let space = settings.isRcvbufLocked ? rcvbuf : Math.max(tunables.rmem.max, rcvbuf);
  if (settings.windowClamp > 0) space = Math.min(space, settings.windowClamp);
  let scale = 0;
  for (; space > MAX_UNSCALED && scale < MAX_WSCALE; scale++) space /= 2;
  return scale;
}

/** `bytes` were read: once per round trip it is seen whether more should fit. */
export function adjustSpace(tp: Tcb): void {
  const { stack } = tp;
  if (tp.rcvRttNs === 0 || stack.nowNs - tp.rcvSpaceNs < tp.rcvRttNs) return;
  const copied = tp.copied - tp.rcvSpaceCopied;
  tp.rcvSpaceNs = stack.nowNs;
  tp.rcvSpaceCopied = tp.copied;
  if (copied <= tp.rcvSpace) return;
  const { rmem, moderateRcvbuf } = stack.tunables;
  if (moderateRcvbuf.get() !== 0 && !tp.settings.isRcvbufLocked) {
    // Twice what was read: the sender may double its window meanwhile.
    const want = 2 * copied + 16 * tp.rcvMss;
    const grown = want + (want * (copied - tp.rcvSpace)) / Math.max(tp.rcvSpace, 1);
    const rcvbuf = Math.min(2 * grown, rmem.max);
    if (rcvbuf > tp.buffers.rcvbuf && stack.kmem.usedBytes + rcvbuf < stack.kmem.limitBytes / 2) {
      tp.buffers.rcvbuf = Math.floor(rcvbuf);
    }
  }
  tp.rcvSpace = copied;
}
