/**
 * What arrived out of order: runs of bytes with holes before and between them.
 *
 * Runs are in order and do not touch. What is kept is bounded by the caller, in
 * bytes as `chargedBytes` counts them: each run costs more than its bytes, so
 * that nobody fills memory with many small ones. The runs that changed last come
 * first in the SACK blocks. See RFC 9293 3.10.7.4, RFC 2018 section 4.
 */
import type { KernelMemory } from "../../kern/kmem.ts";
import { MAX_SACK_BLOCKS } from "./segment.ts";

/** What a run, and a piece of one, takes beside its bytes, about. */
const RUN_BYTES = 512;
const PIECE_BYTES = 192;
const MAX_RUNS = 1024;

export class Run {
  start: number;
  end: number;
  readonly pieces: Uint8Array[];
  /** The stream ends with it. */
  hasFin: boolean;

  constructor(start: number, end: number, pieces: Uint8Array[], hasFin: boolean) {
    this.start = start;
    this.end = end;
    this.pieces = pieces;
    this.hasFin = hasFin;
  }
}

export class Reassembly {
  readonly #kmem: KernelMemory;
  #runs: Run[] = [];
  /** Runs that changed last, newest first. */
  #recent: Run[] = [];
  bytes = 0;

  constructor(kmem: KernelMemory) {
    this.#kmem = kmem;
  }

  get isEmpty(): boolean {
    return this.#runs.length === 0;
  }

  /** What it counts for, which is paid for. */
  chargedBytes = 0;

  /** Where the last run ends; 0 if there is none. */
  get end(): number {
    return this.#runs[this.#runs.length - 1]?.end ?? 0;
  }

  /**
   * Keeps what of [start, start + length) is not there yet, if there is room for
   * it in `limit`. False if some of it was there already, or there was no room.
   */
  insert(
    start: number,
    length: number,
    pieces: readonly Uint8Array[],
    hasFin: boolean,
    limit: number,
  ): boolean {
    const runs = this.#runs;
    let from = start;
    const end = start + length;
    let i = this.#after(start);
    const before = runs[i - 1];
    if (before && before.end >= end && (length > 0 || before.end > start)) {
      this.#touch(before);
      return false;
    }
    if (before && before.end > from) from = before.end;
    const isWhole = from === start;
    // Runs that the new one covers whole go; one that it covers in part cuts it.
    while (i < runs.length && runs[i]!.end <= end && runs[i]!.start >= from) this.#remove(i);
    const next = runs[i];
    const to = next && next.start < end ? next.start : end;
    const bytes = to - from;
    const part = cut(pieces, from - start, bytes);
    const charge = bytes + part.length * PIECE_BYTES;
    if (this.chargedBytes + charge + RUN_BYTES > limit || runs.length >= MAX_RUNS) return false;
    if (!this.#charge(charge)) return false;
    this.bytes += bytes;
    const previous = runs[i - 1];
    if (previous && previous.end === from) {
      for (const piece of part) previous.pieces.push(piece);
      previous.end = to;
      previous.hasFin ||= hasFin && to === end;
      this.#join(i - 1);
    } else {
      this.#kmem.owe(RUN_BYTES);
      this.chargedBytes += RUN_BYTES;
      runs.splice(i, 0, new Run(from, to, part, hasFin && to === end));
      this.#join(i);
      i++;
    }
    this.#touch(runs[i - 1]!);
    return isWhole && to === end;
  }

  /** Takes out the run that begins at or before `next`; null if what comes next is not there. */
  take(next: number): Run | null {
    const first = this.#runs[0];
    if (!first || first.start > next) return null;
    this.#remove(0);
    if (first.start === next) return first;
    const skip = Math.min(next, first.end) - first.start;
    const rest = cut(first.pieces, skip, first.end - first.start - skip);
    return new Run(first.start + skip, first.end, rest, first.hasFin);
  }

  /** Writes edges of up to `max` runs to `edges`, the newest first, by `wire`; how many. */
  blocks(edges: number[], at: number, max: number, wire: (seq: number) => number): number {
    const n = Math.min(max, this.#recent.length);
    for (let i = 0; i < n; i++) {
      const run = this.#recent[i]!;
      edges[2 * (at + i)] = wire(run.start);
      edges[2 * (at + i) + 1] = wire(run.end);
    }
    return n;
  }

  clear(): void {
    this.#runs = [];
    this.#recent = [];
    this.bytes = 0;
    this.#kmem.give(this.chargedBytes);
    this.chargedBytes = 0;
  }

  #charge(bytes: number): boolean {
    if (!this.#kmem.take(bytes)) return false;
    this.chargedBytes += bytes;
    return true;
  }

  /** Index of the first run that begins after `seq`. */
  #after(seq: number): number {
    const runs = this.#runs;
    // What arrives next mostly goes to the end.
    if (runs.length === 0 || runs[runs.length - 1]!.start <= seq) return runs.length;
    let low = 0;
    let high = runs.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (runs[mid]!.start <= seq) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  #remove(i: number): void {
    const run = this.#runs[i]!;
    this.#runs.splice(i, 1);
    const bytes = run.end - run.start;
    this.bytes -= bytes;
    const charged = bytes + run.pieces.length * PIECE_BYTES + RUN_BYTES;
    this.chargedBytes -= charged;
    this.#kmem.give(charged);
    const at = this.#recent.indexOf(run);
    if (at >= 0) this.#recent.splice(at, 1);
  }

  /** Joins run `i` with the next if they touch. */
  #join(i: number): void {
    const run = this.#runs[i]!;
    const next = this.#runs[i + 1];
    if (!next || next.start !== run.end) return;
    this.#remove(i + 1);
    const bytes = next.end - next.start;
    this.bytes += bytes;
    this.chargedBytes += bytes + next.pieces.length * PIECE_BYTES;
    this.#kmem.owe(bytes + next.pieces.length * PIECE_BYTES);
    for (const piece of next.pieces) run.pieces.push(piece);
    run.end = next.end;
    run.hasFin ||= next.hasFin;
  }

  #touch(run: Run): void {
    const recent = this.#recent;
    const at = recent.indexOf(run);
    if (at === 0) return;
    if (at > 0) recent.splice(at, 1);
    recent.unshift(run);
    if (recent.length > MAX_SACK_BLOCKS) recent.pop();
  }
}

/** `count` bytes of `pieces` after the first `skip`. */
export function cut(pieces: readonly Uint8Array[], skip: number, count: number): Uint8Array[] {
  const out: Uint8Array[] = [];
  let from = skip;
  let left = count;
  for (const piece of pieces) {
    if (left === 0) break;
    if (from >= piece.length) {
      from -= piece.length;
      continue;
    }
    const n = Math.min(piece.length - from, left);
    out.push(n === piece.length ? piece : piece.subarray(from, from + n));
    from = 0;
    left -= n;
  }
  return out;
}
