/**
 * TCP of one network: its tunables, counters, clock and the way out.
 *
 * The protocol knows nothing of IP but what is abstract here, so that it runs as
 * well over a link that a test has made up.
 */
import type { CalloutHeap } from "../../kern/callout.ts";
import type { KernelMemory } from "../../kern/kmem.ts";
import type { ChunkPool } from "../chunkpool.ts";
import { TcpMib } from "./mib.ts";
import type { SackResult } from "./sack.ts";
import { Segment } from "./segment.ts";
import type { Flow, Tcb } from "./tcb.ts";
import { TimeWaitList } from "./timewait.ts";
import type { TcpTunables } from "./tunables.ts";

export abstract class TcpStack {
  readonly tunables: TcpTunables;
  readonly mib = new TcpMib();
  readonly kmem: KernelMemory;
  readonly chunks: ChunkPool;
  readonly callouts: CalloutHeap;
  readonly timeWait: TimeWaitList;
  /** The segment that goes out, filled anew for each. */
  readonly out = new Segment();
  /** What the SACK blocks of the segment at hand said. */
  readonly sackResult: SackResult = { bytes: 0, sentNs: -1, isDuplicate: false };
  /** Connections that nobody has a descriptor of. */
  orphans = 0;
  /** Time of whatever is going on; `tick` asks the clock. */
  nowNs = 0;

  constructor(kmem: KernelMemory, chunks: ChunkPool, callouts: CalloutHeap, tunables: TcpTunables) {
    this.kmem = kmem;
    this.chunks = chunks;
    this.callouts = callouts;
    this.tunables = tunables;
    this.timeWait = new TimeWaitList(this);
  }

  /** To be called when the protocol is entered: sets and answers the time. */
  abstract tick(): number;
  /** Sends `seg`, whose ports are set here. 0, or why it could not be sent. Must not call any input. */
  abstract transmit(flow: Flow, seg: Segment): number;
  /** Takes in what was sent to this very machine: called last, when all structures are in order. */
  abstract drain(): void;
  /** Bytes that an IP packet of this flow has for TCP: its MTU without the IP header. */
  abstract room(flow: Flow): number;
  /** An initial sequence number (RFC 6528), and an offset of timestamps. */
  abstract initialSeq(flow: Flow): number;
  abstract timestampOffset(flow: Flow): number;
  /** 32 bits of a keyed hash. */
  abstract cookieHash(flow: Flow, salt: number): number;
  /** `flow` is only a TIME_WAIT entry from now on, or nothing at all. */
  abstract enteredTimeWait(tp: Tcb): void;
  abstract leftTimeWait(flow: Flow): void;
}
