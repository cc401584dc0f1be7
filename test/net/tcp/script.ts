/**
 * One side of a connection played by hand: a script says what the peer sends, and
 * what it must get, as packetdrill does. Numbers of both sides count from their SYNs.
 */
import assert from "node:assert/strict";
import {
  Segment,
  TH_ACK,
  TH_FIN,
  TH_PUSH,
  TH_RST,
  TH_SYN,
  TH_URG,
} from "../../../src/net/tcp/segment.ts";
import { MS, parse, SEC, type SimHost, type SimListener, type SimSocket, World } from "./sim.ts";

const LETTERS: Readonly<Record<string, number>> = {
  S: TH_SYN,
  F: TH_FIN,
  R: TH_RST,
  P: TH_PUSH,
  ".": TH_ACK,
  U: TH_URG,
};

export interface Peer {
  readonly mss?: number;
  readonly wscale?: number;
  readonly sack?: boolean;
  readonly ts?: boolean;
  readonly window?: number;
}

/** What is known of a segment that we sent. Relative numbers. */
export interface Sent {
  readonly flags: string;
  readonly seq: number;
  readonly ack: number;
  readonly length: number;
  readonly window: number;
  readonly sacks: readonly (readonly [number, number])[];
  readonly tsval: number;
  readonly tsecr: number;
  readonly urgent: number;
}

export class Script {
  readonly world: World;
  readonly host: SimHost;
  readonly peer: Peer;
  #outbox: Sent[] = [];
  /** First numbers of our side and of the peer's, as on the wire. */
  ourIss = 0;
  readonly peerIss = 1_000_000_000;
  peerPort = 5555;
  ourPort = 80;
  tsval = 1000;
  socket!: SimSocket;
  listener: SimListener | null = null;

  constructor(peer: Peer = {}) {
    this.world = new World(1, { delayNs: 0 });
    this.host = this.world.host("a");
    this.peer = { mss: 1000, wscale: 7, sack: true, ts: false, window: 65535, ...peer };
    this.world.filter = (p) => {
      const seg = new Segment();
      assert.ok(parse(seg, p.bytes));
      if (seg.has(TH_SYN)) this.ourIss = seg.seq;
      this.#outbox.push(this.#show(seg));
      return false;
    };
  }

  #show(seg: Segment): Sent {
    let flags = "";
    for (const [letter, bit] of Object.entries(LETTERS)) if (seg.has(bit)) flags += letter;
    const sacks: [number, number][] = [];
    for (let i = 0; i < seg.sackCount; i++) {
      sacks.push([
        (seg.sack[2 * i]! - this.peerIss) | 0,
        (seg.sack[2 * i + 1]! - this.peerIss) | 0,
      ]);
    }
    return {
      flags,
      seq: (seg.seq - this.ourIss) | 0,
      ack: seg.has(TH_ACK) ? (seg.ack - this.peerIss) | 0 : 0,
      length: seg.length,
      window: seg.window,
      sacks,
      tsval: seg.hasTimestamp ? seg.tsval : -1,
      tsecr: seg.hasTimestamp ? seg.tsecr : -1,
      urgent: seg.urgent,
    };
  }

  /** We call; the peer answers. */
  connect(change: (s: SimSocket) => void = () => {}): void {
    this.ourPort = 40001;
    this.peerPort = 80;
    this.socket = this.host.connect("b", 80, change);
    this.expect("S", { seq: 0 });
    this.send("S.", { seq: 0, ack: 1 });
    this.expect(".", { seq: 1, ack: 1 });
  }

  /** The peer calls. */
  accept(change: (l: SimListener) => void = () => {}): void {
    this.listener = this.host.listen(80);
    change(this.listener);
    this.send("S", { seq: 0 });
    this.expect("S.", { seq: 0, ack: 1 });
    this.send(".", { seq: 1, ack: 1 });
    this.socket = this.listener.accept()!;
    assert.ok(this.socket, "accepted");
    this.nothing();
  }

  /** A segment from the peer. */
  send(
    flags: string,
    f: {
      seq: number;
      ack?: number;
      length?: number;
      window?: number;
      sacks?: readonly (readonly [number, number])[];
      tsval?: number;
      tsecr?: number;
      urgent?: number;
    },
  ): void {
    const seg = new Segment();
    for (const letter of flags) seg.flags |= LETTERS[letter]!;
    seg.srcPort = this.peerPort;
    seg.dstPort = this.ourPort;
    seg.seq = (f.seq + this.peerIss) >>> 0;
    if (f.ack !== undefined) seg.ack = (f.ack + this.ourIss) >>> 0;
    seg.window = f.window ?? this.peer.window!;
    seg.urgent = f.urgent ?? 0;
    if (seg.has(TH_SYN)) {
      seg.mss = this.peer.mss!;
      seg.wscale = this.peer.wscale!;
      seg.isSackPermitted = this.peer.sack!;
    }
    if (this.peer.ts || f.tsval !== undefined) {
      seg.hasTimestamp = true;
      seg.tsval = f.tsval ?? this.tsval;
      seg.tsecr = f.tsecr ?? 0;
    }
    for (const [from, to] of f.sacks ?? []) {
      seg.sack[2 * seg.sackCount] = (from + this.ourIss) >>> 0;
      seg.sack[2 * seg.sackCount + 1] = (to + this.ourIss) >>> 0;
      seg.sackCount++;
    }
    const length = f.length ?? 0;
    if (length > 0) {
      const data = new Uint8Array(length);
      for (let i = 0; i < length; i++) data[i] = (f.seq + i) & 0xff;
      seg.setData([data], length);
    }
    this.host.segment("b", seg);
  }

  /** The next thing that we sent. */
  expect(flags: string, want: Partial<Sent> = {}): Sent {
    const got = this.#outbox.shift();
    assert.ok(got, `nothing was sent, expected ${flags} ${JSON.stringify(want)}`);
    const shown: Record<string, unknown> = { flags: got.flags };
    for (const key of Object.keys(want)) shown[key] = got[key as keyof Sent];
    const sorted = [...flags].sort().join("");
    assert.deepEqual(
      { ...shown, flags: [...got.flags].sort().join("") },
      { flags: sorted, ...want },
    );
    return got;
  }

  nothing(): void {
    assert.deepEqual(this.#outbox, []);
  }

  /** What was sent and not expected one by one. */
  drain(): Sent[] {
    return this.#outbox.splice(0);
  }

  write(bytes: number): number {
    return this.socket.write(new Uint8Array(bytes));
  }

  /** Lets time go on. */
  wait(ms: number): void {
    this.world.run(ms * MS);
  }

  /** Time until something is sent: milliseconds, `maxMs` at most. */
  waitForSegment(maxMs = 200_000): number {
    const start = this.world.nowNs;
    this.world.run(maxMs * MS, () => this.#outbox.length > 0);
    return Math.round((this.world.nowNs - start) / MS);
  }

  get state(): number {
    return this.socket.tp.state;
  }
}

export { SEC };
