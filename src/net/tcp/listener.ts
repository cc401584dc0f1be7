/**
 * A listener: handshakes that are under way, and connections that wait for accept(2).
 *
 * A handshake is a small entry until the other side has shown that it hears us;
 * only then is there a connection. Both queues are bounded by the backlog, as in
 * Linux: who comes when they are full is not answered and tries again. See listen(2), tcp(7).
 */
import { Callout } from "../../kern/callout.ts";
import { checkCookie, makeCookie, restoreOptions, timestampWith } from "./cookies.ts";
import { TCP_HEADER_BYTES } from "./header.ts";
import { segmentArrived, takeSyn } from "./input.ts";
import { refuse } from "./output.ts";
import { SentSegment } from "./scoreboard.ts";
import { type Segment, TH_ACK, TH_FIN, TH_RST, TH_SYN } from "./segment.ts";
import { firstSeq, isOlder } from "./seq.ts";
import type { TcpSettings } from "./settings.ts";
import type { TcpStack } from "./stack.ts";
import { TCPS_SYN_RECV } from "./states.ts";
import type { BufferSizes, Flow, Tcb } from "./tcb.ts";
import { chooseWscale } from "./window.ts";

const NS = 1e9;
const NS_PER_MS = 1e6;
const ENTRY_BYTES = 512;
const MAX_WINDOW = 65535;
/** Handshakes that any listener may have under way. */
const MIN_SYN_QUEUE = 8;
/** Cookies come back within this time. */
const COOKIE_NS = 120 * NS;

/** What a listener needs of its socket. */
export interface ListenerOwner {
  /** A new socket's block for a connection, in SYN-RECEIVED; null if there can be none. */
  spawn(flow: Flow): Tcb | null;
  /** Breaks off a connection that was not accepted, and its socket with it. */
  discard(tp: Tcb): void;
  /** There is something to accept. */
  tcpReadable(): void;
}

/** A handshake: their SYN was seen, ours is on its way. */
class SynEntry {
  readonly key: string;
  readonly flow: Flow;
  /** Of their SYN. */
  seq: number;
  readonly mss: number;
  readonly wscale: number;
  readonly isSackPermitted: boolean;
  readonly hasTimestamp: boolean;
  tsval: number;
  readonly iss: number;
  readonly rcvWscale: number;
  readonly sentNs: number;
  retries = 0;
  /** Their acknowledgement came, but there was no room, or they are to speak first. */
  isAcked = false;
  /** It is remembered by nobody but the other side. */
  isCookie = false;
  dueNs: number;

  constructor(
    key: string,
    flow: Flow,
    seg: Segment,
    iss: number,
    rcvWscale: number,
    nowNs: number,
  ) {
    this.key = key;
    this.flow = flow;
    this.seq = seg.seq;
    this.mss = seg.mss;
    this.wscale = seg.wscale;
    this.isSackPermitted = seg.isSackPermitted;
    this.hasTimestamp = seg.hasTimestamp;
    this.tsval = seg.tsval;
    this.iss = iss;
    this.rcvWscale = rcvWscale;
    this.sentNs = nowNs;
    this.dueNs = nowNs + NS;
  }
}

export class Listener extends Callout {
  readonly stack: TcpStack;
  readonly settings: TcpSettings;
  readonly buffers: BufferSizes;
  readonly #owner: ListenerOwner;
  backlog: number;
  readonly #handshakes = new Map<string, SynEntry>();
  /** When a cookie was sent last. */
  #cookiesNs = Number.NEGATIVE_INFINITY;
  /** Connections to be accepted. */
  readonly queue: Tcb[] = [];

  constructor(
    stack: TcpStack,
    settings: TcpSettings,
    buffers: BufferSizes,
    owner: ListenerOwner,
    backlog: number,
  ) {
    super();
    this.stack = stack;
    this.settings = settings;
    this.buffers = buffers;
    this.#owner = owner;
    this.backlog = backlog;
  }

  get isFull(): boolean {
    return this.queue.length > this.backlog;
  }

  get handshakes(): number {
    return this.#handshakes.size;
  }

  /** Flows of handshakes under way, and when each is seen to again. */
  *pending(): Generator<{ readonly flow: Flow; readonly dueNs: number; readonly retries: number }> {
    yield* this.#handshakes.values();
  }

  /** A segment for the listener's port; `flow` as we would answer. `isn`: to be used if it opens a connection. */
  input(flow: Flow, seg: Segment, isn: number | null = null): void {
    const { stack } = this;
    const key = `${flow.faddr}${flow.laddr}${flow.fport}`;
    const entry = this.#handshakes.get(key);
    if (entry) {
      this.#handshakeInput(entry, seg);
      return;
    }
    if (seg.has(TH_RST)) return;
    if (seg.has(TH_ACK)) {
      if (seg.has(TH_SYN) || !this.#cookieReturned(key, flow, seg)) {
        refuse(stack, flow, seg.seq, seg.ack, seg.flags, seg.span);
      }
      return;
    }
    if (!seg.has(TH_SYN) || seg.has(TH_FIN)) return;
    if (this.isFull) {
      stack.mib.ListenOverflows++;
      stack.mib.ListenDrops++;
      return;
    }
    const most = Math.max(
      Math.min(this.backlog, stack.tunables.maxSynBacklog.get()),
      MIN_SYN_QUEUE,
    );
    if (stack.tunables.syncookies.get() === 2 || this.#handshakes.size >= most) {
      this.#sendCookie(key, flow, seg);
      return;
    }
    if (!stack.kmem.take(ENTRY_BYTES)) {
      stack.mib.ListenDrops++;
      return;
    }
    const added = this.#entry(key, flow, seg, isn ?? stack.initialSeq(flow));
    this.#handshakes.set(key, added);
    this.#arm(added.dueNs);
    this.#sendSynAck(added);
  }

  #entry(key: string, flow: Flow, seg: Segment, iss: number): SynEntry {
    // A copy: the caller's flow may be the next packet's.
    const { laddr, lport, faddr, fport, ifindex } = flow;
    const own = { laddr, lport, faddr, fport, ifindex };
    const scale = chooseWscale(this.settings, this.buffers, this.stack.tunables);
    return new SynEntry(key, own, seg, iss, scale, this.stack.nowNs);
  }

  /** No room to remember the handshake: whoever called is to remember it. */
  #sendCookie(key: string, flow: Flow, seg: Segment): void {
    const { stack } = this;
    if (stack.tunables.syncookies.get() === 0) {
      stack.mib.TCPReqQFullDrop++;
      stack.mib.ListenDrops++;
      return;
    }
    stack.mib.TCPReqQFullDoCookies++;
    stack.mib.SyncookiesSent++;
    this.#cookiesNs = stack.nowNs;
    const iss = makeCookie(stack, flow, seg.seq, seg.mss || 536);
    const entry = this.#entry(key, flow, seg, iss);
    entry.isCookie = true;
    this.#sendSynAck(entry);
  }

  /** An acknowledgement of something that we may have sent and forgotten: false if not. */
  #cookieReturned(key: string, flow: Flow, seg: Segment): boolean {
    const { stack } = this;
    if (stack.nowNs - this.#cookiesNs > COOKIE_NS) return false;
    const seq = (seg.seq - 1) >>> 0;
    const mss = checkCookie(stack, flow, seq, (seg.ack - 1) >>> 0);
    if (mss === 0) {
      stack.mib.SyncookiesFailed++;
      return false;
    }
    stack.mib.SyncookiesRecv++;
    if (this.isFull || !stack.kmem.take(ENTRY_BYTES)) return true;
    restoreOptions(seg);
    seg.mss = mss;
    const entry = this.#entry(key, flow, seg, (seg.ack - 1) >>> 0);
    entry.seq = seq;
    this.#handshakes.set(key, entry);
    this.#complete(entry, seg);
    // What could not become a connection now is not kept: the cookie is still good.
    this.#remove(entry);
    return true;
  }

  /** The next connection; null if there is none. */
  accept(): Tcb | null {
    return this.queue.shift() ?? null;
  }

  /**
   * Nobody listens any more, and nobody finds this one: what was not accepted is broken off.
   * One by one, because the goodbyes of thousands would not all find room before netisr.
   */
  close(): void {
    this.stack.callouts.disarm(this);
    for (const entry of [...this.#handshakes.values()]) this.#remove(entry);
    for (const tp of this.queue.splice(0)) {
      this.#owner.discard(tp);
      this.stack.drain();
    }
  }

  fire(): void {
    const nowNs = this.stack.tick();
    let next = Number.POSITIVE_INFINITY;
    for (const entry of [...this.#handshakes.values()]) {
      if (entry.dueNs <= nowNs) this.#retry(entry);
      if (this.#handshakes.has(entry.key)) next = Math.min(next, entry.dueNs);
    }
    if (next < Number.POSITIVE_INFINITY) this.stack.callouts.arm(this, next);
    this.stack.drain();
  }

  #retry(entry: SynEntry): void {
    const { stack } = this;
    let most = stack.tunables.synackRetries.get();
    const deferNs = this.settings.deferAcceptSec * NS;
    if (entry.isAcked && deferNs > 0 && stack.nowNs - entry.sentNs < deferNs) most = 255;
    if (entry.retries >= most) {
      stack.mib.AttemptFails++;
      this.#remove(entry);
      return;
    }
    entry.retries++;
    entry.dueNs = stack.nowNs + Math.min(NS * 2 ** entry.retries, 120 * NS);
    // Who has answered and is only to speak, or to be let in, needs no reminder before the end of that.
    if (!entry.isAcked || deferNs === 0 || stack.nowNs - entry.sentNs >= deferNs / 2) {
      stack.mib.RetransSegs++;
      stack.mib.TCPSynRetrans++;
      this.#sendSynAck(entry);
    }
  }

  #arm(ns: number): void {
    if (this.index < 0 || this.deadlineNs > ns) this.stack.callouts.arm(this, ns);
  }

  #remove(entry: SynEntry): void {
    if (this.#handshakes.delete(entry.key)) this.stack.kmem.give(ENTRY_BYTES);
  }

  /** RFC 9293 3.10.7.4 for SYN-RECEIVED. */
  #handshakeInput(entry: SynEntry, seg: Segment): void {
    const { stack } = this;
    const expected = (entry.seq + 1) >>> 0;
    const offset = (seg.seq - expected) | 0;
    if (entry.hasTimestamp && seg.hasTimestamp && !seg.has(TH_RST)) {
      if (isOlder(seg.tsval, entry.tsval)) {
        if (!seg.has(TH_SYN)) this.#sendSynAck(entry);
        return;
      }
    }
    if (seg.has(TH_SYN)) {
      // Again: ours was lost.
      if (seg.seq === entry.seq && !seg.has(TH_ACK)) this.#sendSynAck(entry);
      return;
    }
    if (offset < 0 || offset > this.#window()) {
      if (!seg.has(TH_RST)) this.#sendSynAck(entry);
      return;
    }
    if (seg.has(TH_RST)) {
      if (offset === 0) {
        stack.mib.EmbryonicRsts++;
        stack.mib.AttemptFails++;
        this.#remove(entry);
      }
      return;
    }
    if (!seg.has(TH_ACK)) return;
    if (seg.ack !== (entry.iss + 1) >>> 0) {
      refuse(stack, entry.flow, seg.seq, seg.ack, seg.flags, seg.span);
      return;
    }
    const isDeferred = this.settings.deferAcceptSec > 0 && seg.length === 0 && !seg.has(TH_FIN);
    if (isDeferred && stack.nowNs - entry.sentNs < this.settings.deferAcceptSec * NS) {
      entry.isAcked = true;
      return;
    }
    this.#complete(entry, seg);
  }

  #complete(entry: SynEntry, seg: Segment): void {
    const { stack } = this;
    if (this.isFull) {
      stack.mib.ListenOverflows++;
      stack.mib.ListenDrops++;
      if (stack.tunables.abortOnOverflow.get() !== 0) {
        refuse(stack, entry.flow, seg.seq, seg.ack, seg.flags, seg.span);
        this.#remove(entry);
      } else entry.isAcked = true;
      return;
    }
    const tp = this.#owner.spawn(entry.flow);
    if (!tp) {
      stack.mib.ListenDrops++;
      return;
    }
    this.#remove(entry);
    open(tp, entry, this.#window());
    stack.mib.PassiveOpens++;
    this.queue.push(tp);
    segmentArrived(tp, seg);
    this.#owner.tcpReadable();
  }

  #window(): number {
    return Math.min(this.buffers.rcvbuf / 2, MAX_WINDOW);
  }

  #sendSynAck(entry: SynEntry): void {
    const { stack, settings } = this;
    const { out, tunables } = stack;
    out.reset();
    out.flags = TH_SYN | TH_ACK;
    out.seq = entry.iss;
    out.ack = (entry.seq + 1) >>> 0;
    out.window = Math.floor(this.#window());
    const mss = stack.room(entry.flow) - TCP_HEADER_BYTES;
    out.mss = settings.maxseg > 0 ? Math.min(mss, settings.maxseg) : mss;
    if (entry.wscale >= 0 && tunables.windowScaling.get() !== 0) out.wscale = entry.rcvWscale;
    out.isSackPermitted = entry.isSackPermitted && tunables.sack.get() !== 0;
    if (entry.hasTimestamp && tunables.timestamps.get() !== 0) {
      out.hasTimestamp = true;
      const offset = stack.timestampOffset(entry.flow);
      out.tsval = (Math.floor(stack.nowNs / NS_PER_MS) + offset) >>> 0;
      out.tsecr = entry.tsval;
      if (entry.isCookie) out.tsval = timestampWith(out.tsval, entry.wscale, entry.isSackPermitted);
    } else if (entry.isCookie) {
      // Nothing to keep them in.
      out.wscale = -1;
      out.isSackPermitted = false;
    }
    stack.mib.OutSegs++;
    stack.transmit(entry.flow, out);
  }
}

/** What the handshake was about, into the connection's block. */
function open(tp: Tcb, entry: SynEntry, window: number): void {
  const { stack } = tp;
  const syn = stack.out;
  syn.reset();
  syn.seq = entry.seq;
  syn.mss = entry.mss;
  syn.wscale = entry.wscale;
  syn.isSackPermitted = entry.isSackPermitted;
  syn.hasTimestamp = entry.hasTimestamp;
  syn.tsval = entry.tsval;
  tp.iss = tp.sndUna = firstSeq(entry.iss);
  tp.sndNxt = tp.iss + 1;
  tp.sndUp = tp.sndSml = tp.fack = tp.iss;
  tp.recoveryPoint = tp.iss;
  tp.sendbuf.reset(tp.iss + 1);
  tp.tsOffset = stack.timestampOffset(tp.flow);
  tp.rcvWscale = entry.rcvWscale;
  tp.isPassive = true;
  tp.state = TCPS_SYN_RECV;
  const sent = new SentSegment(tp.iss, tp.iss + 1, TH_SYN, entry.sentNs);
  sent.sends += entry.retries;
  tp.totalRetrans = entry.retries;
  tp.board.push(sent);
  takeSyn(tp, syn);
  tp.rcvWnd = window;
}
