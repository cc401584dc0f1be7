/**
 * What the other side says that it has beyond the gap: its SACK blocks, against the scoreboard.
 *
 * A block is believed if it lies within what is under way. One that begins before
 * the acknowledgement, or inside the next block, tells of something that
 * arrived twice. Segments are had whole or not at all. See RFC 2018, RFC 2883.
 */
import { rackDelivered } from "./rack.ts";
import type { Segment } from "./segment.ts";
import { unwrap } from "./seq.ts";
import type { Tcb } from "./tcb.ts";

/** Bytes that were not known to have arrived; when the newest of them was sent, if it was sent once. */
export interface SackResult {
  bytes: number;
  sentNs: number;
  isDuplicate: boolean;
}

export function sackReceived(tp: Tcb, seg: Segment, ack: number, result: SackResult): void {
  result.bytes = 0;
  result.sentNs = -1;
  result.isDuplicate = isDuplicate(tp, seg, ack);
  if (result.isDuplicate) {
    tp.stack.mib.TCPDSACKRecv++;
    tp.dsackDups++;
    if (tp.undoRetrans > 0) tp.undoRetrans--;
  }
  for (let i = result.isDuplicate ? 1 : 0; i < seg.sackCount; i++) {
    const from = unwrap(tp.sndUna, seg.sack[2 * i]!);
    const to = unwrap(tp.sndUna, seg.sack[2 * i + 1]!);
    if (from < to && from >= tp.sndUna && to <= tp.sndNxt) markBlock(tp, from, to, result);
  }
}

function isDuplicate(tp: Tcb, seg: Segment, ack: number): boolean {
  const from = unwrap(tp.sndUna, seg.sack[0]!);
  const to = unwrap(tp.sndUna, seg.sack[1]!);
  if (to <= from) return false;
  if (from < ack) return to <= ack && from >= tp.iss;
  if (seg.sackCount < 2) return false;
  return from >= unwrap(tp.sndUna, seg.sack[2]!) && to <= unwrap(tp.sndUna, seg.sack[3]!);
}

function markBlock(tp: Tcb, from: number, to: number, result: SackResult): void {
  const { board } = tp;
  for (let s = board.head; s && s.start < to; s = s.next) {
    if (s.isSacked || s.start < from || s.end > to) continue;
    result.bytes += s.end - s.start;
    if (s.sends === 1) result.sentNs = Math.max(result.sentNs, s.sentNs);
    rackDelivered(tp, s);
    board.markSacked(s);
  }
}
