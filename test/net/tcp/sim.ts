/**
 * Two machines' TCPs and a wire between them that a test decides about: it drops,
 * delays, reorders, doubles and damages what goes over it, by a seeded generator
 * and a clock that only the test moves. Segments cross it as bytes.
 */
import { Callout, CalloutHeap } from "../../../src/kern/callout.ts";
import { KernelMemory } from "../../../src/kern/kmem.ts";
import { ChunkPool } from "../../../src/net/chunkpool.ts";
import { bytesRead } from "../../../src/net/tcp/data.ts";
import { close, sendFin } from "../../../src/net/tcp/end.ts";
import { decode, encode, headerBytes } from "../../../src/net/tcp/header.ts";
import { segmentArrived } from "../../../src/net/tcp/input.ts";
import { SequenceKeys } from "../../../src/net/tcp/isn.ts";
import { Listener, type ListenerOwner } from "../../../src/net/tcp/listener.ts";
import { initSending, output, refuse, sendSyn } from "../../../src/net/tcp/output.ts";
import { Segment, TH_RST } from "../../../src/net/tcp/segment.ts";
import { TcpSettings } from "../../../src/net/tcp/settings.ts";
import { TcpStack } from "../../../src/net/tcp/stack.ts";
import { CAN_SEND, isIn, TCPS_CLOSE } from "../../../src/net/tcp/states.ts";
import { type Flow, TCB_BYTES, Tcb, type TcpOwner } from "../../../src/net/tcp/tcb.ts";
import { seqAfter, type TimeWait, timeWaitInput } from "../../../src/net/tcp/timewait.ts";
import { TcpTunables } from "../../../src/net/tcp/tunables.ts";
import { adjustSpace } from "../../../src/net/tcp/window.ts";

export const MS = 1e6;
export const SEC = 1e9;

/** Numbers in [0, 1) from a seed: mulberry32. */
export function randomFrom(seed: number): () => number {
  let a = seed | 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** What the wire does to each segment. */
export interface Weather {
  readonly delayNs: number;
  /** As probabilities. */
  readonly loss?: number;
  readonly duplicate?: number;
  readonly corrupt?: number;
  readonly reorder?: number;
  /** Up to this much more delay for those that are reordered. */
  readonly jitterNs?: number;
  /** Bytes per second; absent: any number at once. */
  readonly rate?: number;
}

export interface Packet {
  readonly from: string;
  readonly to: string;
  readonly bytes: Uint8Array;
  /** True if the checksum would not fit: whoever gets it throws it away. */
  readonly isDamaged: boolean;
}

class Delivery extends Callout {
  readonly #world: World;
  readonly packet: Packet;

  constructor(world: World, packet: Packet) {
    super();
    this.#world = world;
    this.packet = packet;
  }

  fire(): void {
    this.#world.deliver(this.packet);
  }
}

export class World {
  nowNs = SEC;
  readonly callouts = new CalloutHeap();
  readonly hosts = new Map<string, SimHost>();
  readonly random: () => number;
  weather: Weather;
  /** Sees every packet before the weather does: false drops it. */
  filter: ((p: Packet, seg: Segment) => boolean) | null = null;
  sent = 0;
  #wireFreeNs = 0;

  constructor(seed: number, weather: Weather) {
    this.random = randomFrom(seed);
    this.weather = weather;
  }

  host(address: string, mtu = 1500, kmem = new KernelMemory(64 * 2 ** 20)): SimHost {
    const h = new SimHost(this, address, mtu, kmem);
    this.hosts.set(address, h);
    return h;
  }

  put(p: Packet): void {
    this.sent++;
    if (this.filter) {
      const seg = new Segment();
      parse(seg, p.bytes);
      if (!this.filter(p, seg)) return;
    }
    const w = this.weather;
    if (this.random() < (w.loss ?? 0)) return;
    let at = this.nowNs + w.delayNs;
    if (w.rate) {
      this.#wireFreeNs = Math.max(this.#wireFreeNs, this.nowNs) + (p.bytes.length / w.rate) * SEC;
      at = this.#wireFreeNs + w.delayNs;
    }
    if (this.random() < (w.reorder ?? 0)) at += this.random() * (w.jitterNs ?? 0);
    const isDamaged = this.random() < (w.corrupt ?? 0);
    this.callouts.arm(new Delivery(this, { ...p, isDamaged }), at);
    if (this.random() < (w.duplicate ?? 0)) {
      this.callouts.arm(new Delivery(this, p), at + this.random() * (w.jitterNs ?? MS));
    }
  }

  deliver(p: Packet): void {
    if (!p.isDamaged) this.hosts.get(p.to)?.input(p);
  }

  /** Lets time go on until `isDone`, `untilNs` from now at most: true if it was done. */
  run(untilNs: number, isDone: () => boolean = () => false): boolean {
    const end = this.nowNs + untilNs;
    for (let steps = 0; steps < 5_000_000; steps++) {
      if (isDone()) return true;
      const next = this.callouts.nextDeadlineNs;
      if (next > end) {
        this.nowNs = Math.max(this.nowNs, Math.min(end, next));
        return isDone();
      }
      this.nowNs = Math.max(this.nowNs, next);
      this.callouts.run(this.nowNs);
    }
    throw new Error("it goes on for ever");
  }
}

/** Reads a segment that crossed the wire: false if it is none. */
export function parse(seg: Segment, bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const size = decode(seg, view, 0, bytes.length);
  if (size < 0) return false;
  const data = bytes.subarray(size);
  seg.setData(data.length > 0 ? [data] : [], data.length);
  return true;
}

export class SimHost extends TcpStack {
  readonly world: World;
  readonly address: string;
  mtu: number;
  readonly connections = new Map<string, SimSocket>();
  readonly timeWaits = new Map<string, TimeWait>();
  readonly listeners = new Map<number, SimListener>();
  readonly #keys: SequenceKeys;
  readonly #in = new Segment();
  #lastPort = 40000;

  constructor(world: World, address: string, mtu: number, kmem: KernelMemory) {
    super(kmem, new ChunkPool(), world.callouts, new TcpTunables());
    this.world = world;
    this.address = address;
    this.mtu = mtu;
    const key = new Uint8Array(8);
    for (let i = 0; i < 8; i++) key[i] = Math.floor(world.random() * 256);
    this.#keys = new SequenceKeys(key);
    this.tick();
  }

  tick(): number {
    this.nowNs = this.world.nowNs;
    return this.nowNs;
  }

  transmit(flow: Flow, seg: Segment): number {
    seg.srcPort = flow.lport;
    seg.dstPort = flow.fport;
    const size = headerBytes(seg);
    const bytes = new Uint8Array(size + seg.length);
    encode(seg, new DataView(bytes.buffer), 0);
    let at = size;
    for (const piece of seg.pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    this.world.put({ from: this.address, to: flow.faddr, bytes, isDamaged: false });
    return 0;
  }

  drain(): void {}

  room(): number {
    return this.mtu - 20;
  }

  initialSeq(flow: Flow): number {
    return this.#keys.initialSeq(flow, this.nowNs);
  }

  timestampOffset(flow: Flow): number {
    return this.#keys.timestampOffset(flow);
  }

  cookieHash(flow: Flow, salt: number): number {
    return this.#keys.cookieHash(flow, salt);
  }

  enteredTimeWait(tp: Tcb): void {
    const tw = this.timeWait.add(tp);
    if (tw) this.timeWaits.set(keyOf(tp.flow), tw);
  }

  leftTimeWait(flow: Flow): void {
    this.timeWaits.delete(keyOf(flow));
  }

  input(p: Packet): void {
    this.tick();
    const seg = this.#in;
    if (!parse(seg, p.bytes)) return;
    this.mib.InSegs++;
    this.segment(p.from, seg);
  }

  /** As if `seg` came from `from`. */
  segment(from: string, seg: Segment): void {
    this.tick();
    const flow: Flow = {
      laddr: this.address,
      lport: seg.dstPort,
      faddr: from,
      fport: seg.srcPort,
      ifindex: 0,
    };
    const key = keyOf(flow);
    const socket = this.connections.get(key);
    if (socket) {
      segmentArrived(socket.tp, seg);
      return;
    }
    let isn: number | null = null;
    const tw = this.timeWaits.get(key);
    if (tw) {
      if (!timeWaitInput(this, tw, seg)) return;
      isn = seqAfter(tw);
    }
    const listener = this.listeners.get(seg.dstPort);
    if (listener) listener.listener.input(flow, seg, isn);
    else if (!seg.has(TH_RST)) refuse(this, flow, seg.seq, seg.ack, seg.flags, seg.span);
  }

  connect(to: string, port: number, change: (s: SimSocket) => void = () => {}): SimSocket {
    this.tick();
    const s = this.socket({
      laddr: this.address,
      lport: ++this.#lastPort,
      faddr: to,
      fport: port,
      ifindex: 0,
    });
    change(s);
    initSending(s.tp, this.initialSeq(s.tp.flow));
    sendSyn(s.tp);
    return s;
  }

  socket(flow: Flow): SimSocket {
    this.kmem.owe(TCB_BYTES);
    const s = new SimSocket(this, flow);
    this.connections.set(keyOf(flow), s);
    return s;
  }

  listen(port: number, backlog = 16): SimListener {
    const l = new SimListener(this, backlog);
    this.listeners.set(port, l);
    return l;
  }
}

function keyOf(flow: Flow): string {
  return `${flow.laddr}:${flow.lport} ${flow.faddr}:${flow.fport}`;
}

export class SimListener implements ListenerOwner {
  readonly host: SimHost;
  readonly settings: TcpSettings;
  readonly buffers = { sndbuf: 16384, rcvbuf: 131072 };
  readonly listener: Listener;

  constructor(host: SimHost, backlog: number) {
    this.host = host;
    this.settings = new TcpSettings(host.tunables);
    this.listener = new Listener(host, this.settings, this.buffers, this, backlog);
  }

  spawn(flow: Flow): Tcb {
    const s = this.host.socket(flow);
    s.tp.settings.copyFrom(this.settings);
    s.buffers.rcvbuf = this.buffers.rcvbuf;
    s.buffers.sndbuf = this.buffers.sndbuf;
    return s.tp;
  }

  discard(tp: Tcb): void {
    (tp.owner as SimSocket).close(0);
  }

  tcpReadable(): void {}

  accept(): SimSocket | null {
    const tp = this.listener.accept();
    return tp ? (tp.owner as SimSocket) : null;
  }
}

/** A program's end of a connection: sends as there is room, reads as there is something. */
export class SimSocket implements TcpOwner {
  readonly host: SimHost;
  readonly tp: Tcb;
  readonly buffers = { sndbuf: 16384, rcvbuf: 131072 };
  /** Not sent yet. */
  toSend: Uint8Array = new Uint8Array(0);
  #sent = 0;
  readonly received: Uint8Array[] = [];
  receivedBytes = 0;
  isReading = true;
  isClosed = false;
  #wantsFin = false;

  constructor(host: SimHost, flow: Flow) {
    this.host = host;
    this.tp = new Tcb(host, flow, new TcpSettings(host.tunables), this.buffers);
    this.tp.owner = this;
  }

  tcpReadable(): void {}
  tcpUrgent(): void {}
  tcpWritable(): void {}

  tcpClosed(): void {
    this.isClosed = true;
    this.host.connections.delete(keyOf(this.tp.flow));
  }

  /** All that was received, in one array. */
  get bytes(): Uint8Array {
    const out = new Uint8Array(this.receivedBytes);
    let at = 0;
    for (const piece of this.received) {
      out.set(piece, at);
      at += piece.length;
    }
    return out;
  }

  get isAllSent(): boolean {
    return this.#sent === this.toSend.length;
  }

  /** True when the other side's FIN, and all before it, was read. */
  get isAtEnd(): boolean {
    return this.tp.isRcvShutdown && this.tp.recvbuf.length === 0;
  }

  /** Gives bytes to the connection, as many as fit. */
  write(bytes: Uint8Array): number {
    const { tp } = this;
    this.host.tick();
    let done = 0;
    while (done < bytes.length && tp.sndUsed < this.buffers.sndbuf) {
      const space = tp.sendbuf.space(
        Math.min(bytes.length - done, this.buffers.sndbuf - tp.sndUsed),
      );
      if (space.length === 0) break;
      const n = Math.min(space.length, bytes.length - done);
      space.set(bytes.subarray(done, done + n));
      tp.sendbuf.commit(n);
      done += n;
    }
    output(tp);
    return done;
  }

  read(max = Number.POSITIVE_INFINITY): number {
    const { tp } = this;
    this.host.tick();
    let count = 0;
    while (tp.recvbuf.length > 0 && count < max) {
      const piece = tp.recvbuf.peek(0, max - count);
      this.received.push(piece.slice());
      count += piece.length;
      tp.recvbuf.drop(piece.length);
    }
    tp.copied += count;
    this.receivedBytes += count;
    if (count > 0) adjustSpace(tp);
    bytesRead(tp, count);
    return count;
  }

  /** Does what a program would do that wants to send all, then says goodbye. */
  step(): void {
    if (this.isReading) this.read();
    if (!this.isAllSent && isIn(this.tp.state, CAN_SEND)) {
      this.#sent += this.write(this.toSend.subarray(this.#sent));
    }
    if (this.#wantsFin && this.isAllSent && isIn(this.tp.state, CAN_SEND)) {
      this.#wantsFin = false;
      this.shutdown();
    }
  }

  /** After all is sent. */
  finishWhenSent(): void {
    this.#wantsFin = true;
  }

  shutdown(): void {
    this.host.tick();
    sendFin(this.tp);
  }

  close(lingerSec = -1): void {
    this.host.tick();
    close(this.tp, lingerSec);
  }

  get isDead(): boolean {
    return this.tp.state === TCPS_CLOSE;
  }
}

/** A connection between two hosts of a world, its handshake over. */
export function connected(
  world: World,
  change: (s: SimSocket) => void = () => {},
  changeListener: (l: SimListener) => void = () => {},
): { a: SimHost; b: SimHost; client: SimSocket; server: SimSocket } {
  const a = world.host("a");
  const b = world.host("b");
  const l = b.listen(80);
  changeListener(l);
  const client = a.connect("b", 80, change);
  let server: SimSocket | null = null;
  const isDone = world.run(300 * SEC, () => {
    server ??= l.accept();
    return server !== null && client.tp.state === 1;
  });
  if (!isDone) throw new Error("no connection");
  return { a, b, client, server: server! };
}
