/**
 * Packets on their way through the stack.
 *
 * An Mbuf is a *head*, one array in which headers are put in front of each other
 * without copying, and then *chunks*: payload that somebody else owns and never
 * changes (the bytes of a send buffer), which a packet only refers to. What a
 * packet is now are the head's bytes [off, end) and then all the chunks.
 *
 * A packet has one owner: whoever is given it may change its head and consumes it. Others who
 * want it as well make a `clone`. Nobody writes into chunks. See mbuf(9), skbuff in Linux.
 */
import { PACKET_HOST } from "../abi/netdevice.ts";
import { ANY, type InetAddr } from "./address.ts";
import { type Chunk, NO_CHUNKS as NO_LENDERS } from "./chunkpool.ts";
import type { HeadPool } from "./headpool.ts";
import type { Ifnet } from "./ifnet.ts";

/** Room for link, network and transport headers with all their options. */
export const MAX_HEADER = 192;

/** Checksum of the transport: to be looked at; known to be right; sum of the pseudo-header stored, rest to be computed. */
export const CSUM_NONE = 0;
export const CSUM_GOOD = 1;
export const CSUM_PARTIAL = 2;

const NO_CHUNKS: readonly Uint8Array[] = [];
/** What Linux needs for a packet beside its bytes: struct sk_buff and what follows the bytes of one. */
const SKB_BYTES = 256;
const SKB_SHARED_BYTES = 320;
const SKB_MIN_BYTES = 512;
const SKB_HEAD_MAX = 16384;

export class Mbuf {
  head: Uint8Array;
  /** Window on the whole head. */
  view: DataView;
  /** Where the packet begins in the head, and where the head's part ends. */
  off: number;
  end: number;
  chunks: readonly Uint8Array[] = NO_CHUNKS;
  /** Bytes of all chunks together. */
  chunkBytes = 0;
  /** Whose chunks they are, while nobody but this packet refers to them; see chunkpool.ts. */
  lenders: readonly Chunk[] = NO_LENDERS;
  /** Where headers begin that were taken off already or are on: -1 while unknown. */
  network = -1;
  transport = -1;

  /** Bytes of a link header in front of the network header, at `off - linkBytes` when `off` is there; 0: none. */
  linkBytes = 0;

  /** ETH_P_*: what the network header is. */
  family = 0;
  /** PACKET_*. */
  type = PACKET_HOST;
  /** The interface it came from; null for what is made here. */
  rcvif: Ifnet | null = null;
  /** CSUM_*; where the sum starts and, from there, where it is stored (CSUM_PARTIAL): offsets in the head. */
  csum = CSUM_NONE;
  csumStart = 0;
  csumOffset = 0;
  mark = 0;
  priority = 0;
  /** Monotonic time of arrival; -1 if nobody asked yet. */
  timeNs = -1;
  /** What it costs the socket in whose queue it is. */
  cost = 0;

  /** Filled in by ip input for the transports. */
  src: InetAddr = ANY;
  dst: InetAddr = ANY;
  /** Time to live or hop limit; type of service or traffic class. */
  ttl = 0;
  tos = 0;
  flowlabel = 0;
  /** IPPROTO_* of what is at `off`. */
  proto = 0;
  /** Bytes of IP header and options or extension headers, from `network`. */
  networkBytes = 0;

  /** Its part of `head`; others have the rest. */
  #base: number;
  #limit: number;

  constructor(head: Uint8Array, view: DataView, base: number, off: number, end: number) {
    this.head = head;
    this.view = view;
    this.#base = base;
    this.#limit = end;
    this.off = off;
    this.end = end;
  }

  /** A packet without bytes yet: headers are prepended. */
  static empty(headerBytes = MAX_HEADER): Mbuf {
    const head = new Uint8Array(headerBytes);
    return new Mbuf(head, viewOf(head), 0, headerBytes, headerBytes);
  }

  /** A packet of these bytes, which it owns from now on. */
  static of(bytes: Uint8Array): Mbuf {
    return new Mbuf(bytes, viewOf(bytes), 0, 0, bytes.length);
  }

  /** A packet that refers to a payload that does not change. Its head is from `pool`, if there is one. */
  static referring(
    chunks: readonly Uint8Array[],
    chunkBytes: number,
    pool: HeadPool | null = null,
  ): Mbuf {
    let m: Mbuf;
    if (pool) {
      const base = pool.take(MAX_HEADER);
      const end = base + MAX_HEADER;
      m = new Mbuf(pool.bytes, pool.view, base, end, end);
    } else m = Mbuf.empty();
    m.chunks = chunks;
    m.chunkBytes = chunkBytes;
    return m;
  }

  /** Bytes of the head that are its own. */
  get headBytes(): number {
    return this.#limit - this.#base;
  }

  get length(): number {
    return this.end - this.off + this.chunkBytes;
  }

  /** What it costs a socket that keeps it, as Linux counts. */
  get truesize(): number {
    let block = SKB_MIN_BYTES;
    const need = Math.ceil(this.length / 64) * 64 + SKB_SHARED_BYTES;
    while (block < need && block < SKB_HEAD_MAX) block *= 2;
    return SKB_BYTES + Math.max(block, need);
  }

  /** Makes room for `count` bytes in front: their offset in `head`. What is there is unspecified. */
  prepend(count: number): number {
    if (this.off - this.#base < count) this.#moveHead(count + MAX_HEADER, this.end - this.off);
    this.off -= count;
    return this.off;
  }

  /** Drops `count` bytes from the front; they are in the head (see `pullup`). */
  adj(count: number): void {
    this.off += count;
  }

  /** True if the packet has `count` bytes and they lie together in the head: now, if not before. */
  pullup(count: number): boolean {
    const have = this.end - this.off;
    if (have >= count) return true;
    if (this.length < count) return false;
    if (this.#limit - this.off < count) this.#moveHead(this.off - this.#base, count);
    const want = count - have;
    this.copyTo(this.head, this.end, have, want);
    this.end += want;
    this.chunks = cut(this.chunks, want, this.chunkBytes);
    this.chunkBytes -= want;
    return true;
  }

  /** Cuts it to its first `length` bytes; no effect on a shorter one. */
  trim(length: number): void {
    const have = this.end - this.off;
    if (length >= this.length) return;
    if (length <= have) {
      this.end = this.off + length;
      this.chunks = NO_CHUNKS;
      this.chunkBytes = 0;
      return;
    }
    this.chunks = cut(this.chunks, 0, length - have);
    this.chunkBytes = length - have;
  }

  /** Copies bytes [from, from + count) of the packet, which it has, to `into` at `at`. */
  copyTo(into: Uint8Array, at: number, from: number, count: number): void {
    let to = at;
    let skip = from;
    let left = count;
    for (let i = -1; left > 0 && i < this.chunks.length; i++) {
      const part = i < 0 ? this.head.subarray(this.off, this.end) : this.chunks[i]!;
      if (skip >= part.length) {
        skip -= part.length;
        continue;
      }
      const n = Math.min(left, part.length - skip);
      into.set(n === part.length ? part : part.subarray(skip, skip + n), to);
      to += n;
      left -= n;
      skip = 0;
    }
  }

  /** Its bytes from `from` on as chunks that do not change; the packet is not to be used any more. */
  payload(from = 0): readonly Uint8Array[] {
    const have = this.end - this.off;
    if (from >= have) return cut(this.chunks, from - have, this.chunkBytes - (from - have));
    const first = this.head.subarray(this.off + from, this.end);
    return this.chunkBytes === 0 ? [first] : [first, ...this.chunks];
  }

  /** All of it in one array, which may be shared with it. */
  flat(): Uint8Array {
    this.pullup(this.length);
    return this.head.subarray(this.off, this.end);
  }

  /** Another packet with the same bytes: its head is its own. */
  clone(): Mbuf {
    this.lenders = NO_LENDERS;
    const base = this.#base;
    const head = this.head.slice(base, this.#limit);
    const m = new Mbuf(head, viewOf(head), 0, this.off - base, this.end - base);
    m.#limit = head.length;
    m.chunks = this.chunks;
    m.chunkBytes = this.chunkBytes;
    m.network = this.network < 0 ? -1 : this.network - base;
    m.linkBytes = this.linkBytes;
    m.transport = this.transport < 0 ? -1 : this.transport - base;
    m.family = this.family;
    m.type = this.type;
    m.rcvif = this.rcvif;
    m.csum = this.csum;
    m.csumStart = this.csumStart - base;
    m.csumOffset = this.csumOffset;
    m.mark = this.mark;
    m.priority = this.priority;
    m.timeNs = this.timeNs;
    m.src = this.src;
    m.dst = this.dst;
    m.ttl = this.ttl;
    m.tos = this.tos;
    m.flowlabel = this.flowlabel;
    m.proto = this.proto;
    m.networkBytes = this.networkBytes;
    return m;
  }

  /** A new head with `front` bytes free before `off` and room for `room` from there. */
  #moveHead(front: number, room: number): void {
    const head = new Uint8Array(front + Math.max(room, this.end - this.off));
    const { off } = this;
    // Headers that were taken off stay readable.
    const keep = Math.min(off - this.#base, front);
    head.set(this.head.subarray(off - keep, this.end), front - keep);
    const moved = front - off;
    this.off += moved;
    this.end += moved;
    if (this.network >= 0) this.network += moved;
    if (this.transport >= 0) this.transport += moved;
    this.csumStart += moved;
    this.head = head;
    this.view = viewOf(head);
    this.#base = 0;
    this.#limit = head.length;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Bytes [skip, skip + length) of chunks, as chunks. */
export function cut(
  chunks: readonly Uint8Array[],
  skip: number,
  length: number,
): readonly Uint8Array[] {
  const out: Uint8Array[] = [];
  let at = skip;
  let left = length;
  for (const chunk of chunks) {
    if (left <= 0) break;
    if (at >= chunk.length) {
      at -= chunk.length;
      continue;
    }
    const n = Math.min(left, chunk.length - at);
    out.push(n === chunk.length ? chunk : chunk.subarray(at, at + n));
    left -= n;
    at = 0;
  }
  return out;
}
