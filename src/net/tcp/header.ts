/**
 * TCP headers as bytes. See RFC 9293 3.1, RFC 7323 (window scale, timestamps), RFC 2018 (SACK).
 *
 * Input is hostile: an option that does not fit is the end of the options, a
 * length that is wrong for its kind makes the option unknown. The fields of the
 * checksum are the caller's.
 */
import { MAX_SACK_BLOCKS, type Segment } from "./segment.ts";

export const TCP_HEADER_BYTES = 20;
export const MAX_HEADER_BYTES = 60;
/** Where the checksum is. */
export const CHECKSUM_OFFSET = 16;
/** Timestamps, padded to words. */
export const TIMESTAMP_BYTES = 12;

const OPT_END = 0;
const OPT_NOP = 1;
const OPT_MSS = 2;
const OPT_WSCALE = 3;
const OPT_SACK_PERMITTED = 4;
const OPT_SACK = 5;
const OPT_TIMESTAMP = 8;
/** Two no-ops, and kind and length of timestamps: how nearly every header goes on. */
const TIMESTAMP_WORD = 0x0101080a;
export const MAX_WSCALE = 14;

/** Bytes of the header that `encode` makes. */
export function headerBytes(seg: Segment): number {
  let n = TCP_HEADER_BYTES;
  if (seg.mss > 0) n += 4;
  if (seg.wscale >= 0) n += 4;
  if (seg.isSackPermitted) n += 4;
  if (seg.hasTimestamp) n += TIMESTAMP_BYTES;
  if (seg.sackCount > 0) n += 4 + 8 * seg.sackCount;
  return n;
}

/** Writes the header at `at`, with a checksum of 0. */
export function encode(seg: Segment, view: DataView, at: number): void {
  const size = headerBytes(seg);
  view.setUint16(at, seg.srcPort);
  view.setUint16(at + 2, seg.dstPort);
  view.setUint32(at + 4, seg.seq);
  view.setUint32(at + 8, seg.ack);
  view.setUint16(at + 12, (size << 10) | seg.flags);
  view.setUint16(at + 14, seg.window);
  view.setUint32(at + 16, seg.urgent);
  let p = at + TCP_HEADER_BYTES;
  if (seg.mss > 0) {
    view.setUint32(p, (OPT_MSS << 24) | (4 << 16) | seg.mss);
    p += 4;
  }
  if (seg.isSackPermitted) {
    view.setUint32(p, (OPT_NOP << 24) | (OPT_NOP << 16) | (OPT_SACK_PERMITTED << 8) | 2);
    p += 4;
  }
  if (seg.hasTimestamp) {
    view.setUint32(p, TIMESTAMP_WORD);
    view.setUint32(p + 4, seg.tsval);
    view.setUint32(p + 8, seg.tsecr);
    p += TIMESTAMP_BYTES;
  }
  if (seg.wscale >= 0) {
    view.setUint32(p, (OPT_NOP << 24) | (OPT_WSCALE << 16) | (3 << 8) | seg.wscale);
    p += 4;
  }
  if (seg.sackCount > 0) {
    const length = 2 + 8 * seg.sackCount;
    view.setUint32(p, (OPT_NOP << 24) | (OPT_NOP << 16) | (OPT_SACK << 8) | length);
    p += 4;
    for (let i = 0; i < 2 * seg.sackCount; i++, p += 4) view.setUint32(p, seg.sack[i]!);
  }
}

/** Reads the header at `at`, of a segment of `length` bytes: its size, or -1 if it is none. */
export function decode(seg: Segment, view: DataView, at: number, length: number): number {
  if (length < TCP_HEADER_BYTES) return -1;
  const word = view.getUint16(at + 12);
  const size = (word >> 12) * 4;
  if (size < TCP_HEADER_BYTES || size > length) return -1;
  seg.srcPort = view.getUint16(at);
  seg.dstPort = view.getUint16(at + 2);
  seg.seq = view.getUint32(at + 4);
  seg.ack = view.getUint32(at + 8);
  seg.flags = word & 0xff;
  seg.window = view.getUint16(at + 14);
  seg.urgent = view.getUint16(at + 18);
  seg.clearOptions();
  const options = at + TCP_HEADER_BYTES;
  if (size === TCP_HEADER_BYTES + TIMESTAMP_BYTES && view.getUint32(options) === TIMESTAMP_WORD) {
    seg.hasTimestamp = true;
    seg.tsval = view.getUint32(options + 4);
    seg.tsecr = view.getUint32(options + 8);
  } else if (size > TCP_HEADER_BYTES) decodeOptions(seg, view, options, at + size);
  return size;
}

function decodeOptions(seg: Segment, view: DataView, from: number, end: number): void {
  for (let p = from; p < end; ) {
    const kind = view.getUint8(p);
    if (kind === OPT_END) return;
    if (kind === OPT_NOP) {
      p++;
      continue;
    }
    if (p + 2 > end) return;
    const length = view.getUint8(p + 1);
    if (length < 2 || p + length > end) return;
    decodeOption(seg, view, p, kind, length);
    p += length;
  }
}

function decodeOption(seg: Segment, view: DataView, p: number, kind: number, length: number): void {
  if (kind === OPT_MSS && length === 4) seg.mss = view.getUint16(p + 2);
  else if (kind === OPT_WSCALE && length === 3) {
    seg.wscale = Math.min(view.getUint8(p + 2), MAX_WSCALE);
  } else if (kind === OPT_SACK_PERMITTED && length === 2) seg.isSackPermitted = true;
  else if (kind === OPT_TIMESTAMP && length === 10) {
    seg.hasTimestamp = true;
    seg.tsval = view.getUint32(p + 2);
    seg.tsecr = view.getUint32(p + 6);
  } else if (kind === OPT_SACK && length > 2 && (length - 2) % 8 === 0) {
    seg.sackCount = Math.min((length - 2) / 8, MAX_SACK_BLOCKS);
    for (let i = 0; i < 2 * seg.sackCount; i++) seg.sack[i] = view.getUint32(p + 2 + 4 * i);
  }
}
