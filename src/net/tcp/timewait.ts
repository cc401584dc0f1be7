/**
 * TIME-WAIT: what is left of a connection for a minute, so that segments that
 * come late meet somebody who knows them.
 *
 * Small, in a list in order of their ends, which is the order they came in; and
 * no more than net.ipv4.tcp_max_tw_buckets of them. See RFC 9293 3.6.1, RFC 6191
 * (a new connection may take over by its timestamps), RFC 1337.
 */
import { Callout } from "../../kern/callout.ts";
import { type Segment, TH_ACK, TH_RST, TH_SYN } from "./segment.ts";
import { isOlder, unwrap, wire } from "./seq.ts";
import type { TcpStack } from "./stack.ts";
import type { Flow, Tcb } from "./tcb.ts";

const TIME_WAIT_NS = 60e9;
const ENTRY_BYTES = 320;
const NS_PER_MS = 1e6;
/** PAWS does not believe a timestamp that is older than its clock's half turn. */
export const TS_VALID_NS = 24 * 24 * 3600e9;

export class TimeWait {
  readonly flow: Flow;
  readonly sndNxt: number;
  readonly rcvNxt: number;
  readonly rcvWnd: number;
  readonly hasTimestamps: boolean;
  readonly tsOffset: number;
  tsRecent: number;
  tsRecentNs: number;
  endNs = 0;
  lastAckNs = -1e18;
  next: TimeWait | null = null;
  prev: TimeWait | null = null;
  isListed = false;

  constructor(tp: Tcb) {
    // A copy: the connection's may have more to it than a flow.
    const { laddr, lport, faddr, fport, ifindex } = tp.flow;
    this.flow = { laddr, lport, faddr, fport, ifindex };
    this.sndNxt = tp.sndNxt;
    this.rcvNxt = tp.rcvNxt;
    this.rcvWnd = Math.min(Math.floor(tp.rcvWnd / 2 ** tp.rcvWscale), 65535);
    this.hasTimestamps = tp.hasTimestamps;
    this.tsOffset = tp.tsOffset;
    this.tsRecent = tp.tsRecent;
    this.tsRecentNs = tp.tsRecentNs;
  }
}

export class TimeWaitList extends Callout {
  readonly #stack: TcpStack;
  #head: TimeWait | null = null;
  #tail: TimeWait | null = null;
  count = 0;

  constructor(stack: TcpStack) {
    super();
    this.#stack = stack;
  }

  *entries(): Generator<TimeWait> {
    for (let tw = this.#head; tw; tw = tw.next) yield tw;
  }

  /** Null where there may be no more: then nothing remembers the connection. */
  add(tp: Tcb): TimeWait | null {
    const { tunables, kmem, mib } = this.#stack;
    if (this.count >= tunables.maxTwBuckets.get() || !kmem.take(ENTRY_BYTES)) {
      mib.TCPTimeWaitOverflow++;
      return null;
    }
    mib.TW++;
    const tw = new TimeWait(tp);
    this.count++;
    this.#append(tw);
    return tw;
  }

  remove(tw: TimeWait): void {
    if (!tw.isListed) return;
    this.#unlink(tw);
    this.count--;
    this.#stack.kmem.give(ENTRY_BYTES);
    this.#stack.leftTimeWait(tw.flow);
    if (!this.#head) this.#stack.callouts.disarm(this);
  }

  /** Its minute begins anew. */
  restart(tw: TimeWait): void {
    if (!tw.isListed) return;
    this.#unlink(tw);
    this.#append(tw);
  }

  /** The network goes away, and they with it. */
  clear(): void {
    while (this.#head) this.remove(this.#head);
  }

  fire(): void {
    const nowNs = this.#stack.tick();
    while (this.#head && this.#head.endNs <= nowNs) this.remove(this.#head);
    if (this.#head) this.#stack.callouts.arm(this, this.#head.endNs);
  }

  #append(tw: TimeWait): void {
    tw.endNs = this.#stack.nowNs + TIME_WAIT_NS;
    tw.prev = this.#tail;
    tw.next = null;
    tw.isListed = true;
    if (this.#tail) this.#tail.next = tw;
    else this.#head = tw;
    this.#tail = tw;
    if (this.index < 0) this.#stack.callouts.arm(this, this.#head!.endNs);
  }

  #unlink(tw: TimeWait): void {
    if (tw.prev) tw.prev.next = tw.next;
    else this.#head = tw.next;
    if (tw.next) tw.next.prev = tw.prev;
    else this.#tail = tw.prev;
    tw.next = tw.prev = null;
    tw.isListed = false;
  }
}

/** A segment for a connection in TIME-WAIT. True: it opens a new connection, and the entry is gone. */
export function timeWaitInput(stack: TcpStack, tw: TimeWait, seg: Segment): boolean {
  const isReset = seg.has(TH_RST);
  const isOld =
    tw.hasTimestamps &&
    seg.hasTimestamp &&
    !isReset &&
    stack.nowNs - tw.tsRecentNs < TS_VALID_NS &&
    isOlder(seg.tsval, tw.tsRecent);
  const seq = unwrap(tw.rcvNxt, seg.seq);
  if (!isOld && seq === tw.rcvNxt && (seg.span === 0 || isReset)) {
    if (isReset) {
      if (stack.tunables.rfc1337.get() === 0) stack.timeWait.remove(tw);
      return false;
    }
    if (seg.hasTimestamp && tw.hasTimestamps) {
      tw.tsRecent = seg.tsval;
      tw.tsRecentNs = stack.nowNs;
    }
    stack.timeWait.restart(tw);
    return false;
  }
  if (seg.has(TH_SYN) && !isReset && !seg.has(TH_ACK) && !isOld) {
    const isNewer =
      seq > tw.rcvNxt || (tw.hasTimestamps && seg.hasTimestamp && isOlder(tw.tsRecent, seg.tsval));
    if (isNewer) {
      stack.timeWait.remove(tw);
      return true;
    }
  }
  if (isReset) return false;
  if (isOld || seg.has(TH_ACK)) stack.timeWait.restart(tw);
  acknowledge(stack, tw);
  return false;
}

/** Whether a new connection from here may take over: RFC 6191, as net.ipv4.tcp_tw_reuse says. */
export function isReusable(stack: TcpStack, tw: TimeWait, isLoopback: boolean): boolean {
  const how = stack.tunables.twReuse.get();
  if (how === 0 || (how === 2 && !isLoopback)) return false;
  return tw.hasTimestamps && stack.nowNs - tw.tsRecentNs > 1e9;
}

/** The first number of a connection that takes over: beyond all that the old one sent. */
export function seqAfter(tw: TimeWait): number {
  return wire(tw.sndNxt + 65535 + 2);
}

function acknowledge(stack: TcpStack, tw: TimeWait): void {
  if (stack.nowNs - tw.lastAckNs < stack.tunables.invalidRatelimitMs.get() * NS_PER_MS) return;
  tw.lastAckNs = stack.nowNs;
  const { out } = stack;
  out.reset();
  out.seq = wire(tw.sndNxt);
  out.ack = wire(tw.rcvNxt);
  out.flags = TH_ACK;
  out.window = tw.rcvWnd;
  if (tw.hasTimestamps) {
    out.hasTimestamp = true;
    out.tsval = (Math.floor(stack.nowNs / NS_PER_MS) + tw.tsOffset) >>> 0;
    out.tsecr = tw.tsRecent;
  }
  stack.mib.OutSegs++;
  stack.transmit(tw.flow, out);
}
