/**
 * Holes in a file, for a runtime that cannot make any: fallocate(1) makes them,
 * on the descriptor that it inherits.
 *
 * A program started for each discard would cost 3 ms, so they are gathered and
 * made by one shell, a millisecond each, when there is enough of them to be
 * worth it. What is written in the meantime is taken out of them first; what
 * is still to be done when we are killed was only a hint. Where a file system
 * has no holes, the first attempt ends it. See fallocate(2),
 * FALLOC_FL_PUNCH_HOLE.
 */
import type { Stats } from "node:fs";
import { RangeSet } from "../../../lib/rangeset.ts";

const BLOCK_BYTES = 4096;
/** What makes a flush bother. */
const ENOUGH_BYTES = 4 << 20;
/** More ranges than this are not waited for. */
const MANY_RANGES = 256;
/** Of more, the smallest are dropped. */
const MOST_RANGES = 1024;
const TIMEOUT_MS = 20_000;
const SCRIPT =
  "while read -r at length; do fallocate -p -o $at -l $length /proc/self/fd/3 || exit 1; done";

export class HolePunch {
  readonly blockBytes = BLOCK_BYTES;
  readonly #fd: number;
  readonly #ranges = new RangeSet();
  #isUseless = false;

  /** Null where there is no fallocate(1) that could do it. */
  static of(fd: number, st: Stats): HolePunch | null {
    const isPossible = process.platform === "linux" && (st.isFile() || st.isBlockDevice());
    return isPossible ? new HolePunch(fd) : null;
  }

  private constructor(fd: number) {
    this.#fd = fd;
  }

  later(offset: number, length: number): void {
    if (this.#isUseless) return;
    const start = Math.ceil(offset / BLOCK_BYTES) * BLOCK_BYTES;
    this.#ranges.add(start, Math.floor((offset + length) / BLOCK_BYTES) * BLOCK_BYTES);
    if (this.#ranges.rangeCount >= MANY_RANGES && this.#ranges.size >= ENOUGH_BYTES)
      this.flush(true);
    else if (this.#ranges.rangeCount >= MOST_RANGES) this.#dropSmallest();
  }

  /** These bytes are written now: they are no part of a hole. */
  cancel(offset: number, length: number): void {
    if (this.#ranges.rangeCount > 0) this.#ranges.remove(offset, offset + length);
  }

  /** A hole at once; false if there is none, and nothing has changed or only zeroes are there. */
  now(offset: number, length: number): boolean {
    this.cancel(offset, length);
    return this.#run(`${offset} ${length}\n`);
  }

  /** Makes the holes that are due, or all. */
  flush(isLast: boolean): void {
    const { rangeCount, size } = this.#ranges;
    if (rangeCount === 0 || (!isLast && size < ENOUGH_BYTES)) return;
    let lines = "";
    for (const [start, end] of this.#ranges) lines += `${start} ${end - start}\n`;
    this.#ranges.clear();
    this.#run(lines);
  }

  #dropSmallest(): void {
    const ranges = [...this.#ranges].sort(([a, b], [c, d]) => d - c - (b - a));
    for (const [start, end] of ranges.slice(MOST_RANGES / 2)) this.#ranges.remove(start, end);
  }

  #run(lines: string): boolean {
    if (this.#isUseless) return false;
    // Loaded by who needs it, not by every start. Early releases of Node 20 cannot do that.
    const processes = process.getBuiltinModule?.("node:child_process");
    const done = processes?.spawnSync("sh", ["-c", SCRIPT], {
      input: lines,
      stdio: ["pipe", "ignore", "ignore", this.#fd],
      timeout: TIMEOUT_MS,
    });
    this.#isUseless = done?.status !== 0;
    return !this.#isUseless;
  }
}
