/**
 * One TCP segment, as fields: what a header says and the bytes behind it.
 *
 * The stack keeps one for what comes in and one for what goes out; nobody holds
 * on to it. The pieces are bytes that may be kept, and do not change before their lenders got them back. See RFC 9293, 3.1.
 */
import { type Chunk, NO_CHUNKS } from "../chunkpool.ts";

export const TH_FIN = 0x01;
export const TH_SYN = 0x02;
export const TH_RST = 0x04;
export const TH_PUSH = 0x08;
export const TH_ACK = 0x10;
export const TH_URG = 0x20;

/** Most SACK blocks that a header has room for. */
export const MAX_SACK_BLOCKS = 4;

const NO_PIECES: readonly Uint8Array[] = [];

export class Segment {
  srcPort = 0;
  dstPort = 0;
  /** As on the wire. */
  seq = 0;
  ack = 0;
  flags = 0;
  /** As on the wire: not scaled. */
  window = 0;
  urgent = 0;
  /** Options; 0, -1, false: absent. */
  mss = 0;
  wscale = -1;
  isSackPermitted = false;
  hasTimestamp = false;
  tsval = 0;
  tsecr = 0;
  sackCount = 0;
  /** Left and right edges in turn. */
  readonly sack: number[] = [0, 0, 0, 0, 0, 0, 0, 0];
  pieces: readonly Uint8Array[] = NO_PIECES;
  /** Bytes in the pieces. */
  length = 0;
  /** What pieces are parts of, where it is to be given back. */
  lenders: readonly Chunk[] = NO_CHUNKS;

  /** Empty, for the next use. */
  reset(): void {
    this.flags = this.urgent = this.seq = this.ack = this.window = 0;
    this.clearOptions();
    this.setData(NO_PIECES, 0);
  }

  clearOptions(): void {
    this.mss = 0;
    this.wscale = -1;
    this.isSackPermitted = false;
    this.hasTimestamp = false;
    this.sackCount = 0;
  }

  setData(pieces: readonly Uint8Array[], length: number, lenders = NO_CHUNKS): void {
    this.pieces = pieces;
    this.length = length;
    this.lenders = lenders;
  }

  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  /** What it takes of the sequence space. */
  get span(): number {
    return this.length + ((this.flags & TH_SYN) >> 1) + (this.flags & TH_FIN);
  }
}
