/**
 * One transfer in progress: where bytes go to or come from, and how many remain.
 *
 * Covers user memory in one or many segments (readv) and kernel buffers alike,
 * so that a File has one read and one write. Bytes are counted off `resid` as
 * they move; a fault after some moved ends the transfer with those, and only a
 * fault at the first byte is EFAULT. See uio(9).
 */
import type { Paddr, PhysMem } from "../machine/physmem.ts";
import { PAGE_SIZE } from "./param.ts";
import type { UserMemory } from "./usermem.ts";

export interface IoVec {
  readonly base: number;
  readonly length: number;
}

export class Uio {
  /** Bytes still to move. */
  resid: number;
  /** RWF_* of preadv2(2) and pwritev2(2). */
  flags = 0;
  readonly #mem: UserMemory | null;
  readonly #buffer: Uint8Array | null;
  readonly #segments: readonly IoVec[] | null;
  #segment = 0;
  /** Address, or index into the kernel buffer, of the next byte in the current segment. */
  #at: number;
  #left: number;

  private constructor(
    mem: UserMemory | null,
    buffer: Uint8Array | null,
    segments: readonly IoVec[] | null,
    base: number,
    length: number,
    resid: number,
  ) {
    this.#mem = mem;
    this.#buffer = buffer;
    this.#segments = segments;
    this.#at = base;
    this.#left = length;
    this.resid = resid;
  }

  /** Largest count that read(2) and write(2) move at once. */
  static readonly MAX_COUNT = 0x7ffff000;

  static user(mem: UserMemory, base: number, count: number): Uio {
    const n = Math.min(count, Uio.MAX_COUNT);
    return new Uio(mem, null, null, base, n, n);
  }

  static userv(mem: UserMemory, segments: readonly IoVec[]): Uio {
    let total = 0;
    for (const s of segments) total += s.length;
    const first = segments[0];
    return new Uio(
      mem,
      null,
      segments,
      first?.base ?? 0,
      first?.length ?? 0,
      Math.min(total, Uio.MAX_COUNT),
    );
  }

  static kernel(buffer: Uint8Array): Uio {
    return new Uio(null, buffer, null, 0, buffer.length, buffer.length);
  }

  /** True if every segment begins and ends at a multiple of `unit`; to be asked before anything moved. */
  isAligned(unit: number): boolean {
    if (!this.#mem) return true;
    if (!this.#segments) return this.#at % unit === 0 && this.#left % unit === 0;
    return this.#segments.every((s) => s.base % unit === 0 && s.length % unit === 0);
  }

  /** True if the next `count` bytes can be read from the caller without a fault. */
  isReady(count: number): boolean {
    const user = this.#mem;
    if (!user) return true;
    if (count <= this.#left) return user.isPresent(this.#at, count);
    return this.#pieces(count).every((s) => user.isPresent(s.base, s.length));
  }

  /** Brings the next `count` bytes of the caller into memory, as far as that goes: true if they are now. */
  touch(count: number): boolean {
    if (this.isReady(count)) return true;
    const byte = new Uint8Array(1);
    for (const { base, length } of this.#pieces(count)) {
      for (let at = base; at < base + length; at += PAGE_SIZE - (at % PAGE_SIZE)) {
        if (this.#mem!.copyin(at, byte) < 0) return false;
      }
    }
    return this.isReady(count);
  }

  /** Where the next `count` bytes are. */
  #pieces(count: number): readonly IoVec[] {
    const out: IoVec[] = [{ base: this.#at, length: Math.min(this.#left, count) }];
    let left = count - this.#left;
    for (let i = this.#segment + 1; left > 0; i++) {
      const { base, length } = this.#segments![i]!;
      out.push({ base, length: Math.min(length, left) });
      left -= length;
    }
    return out;
  }

  /** Moves up to `bytes.length` bytes out to the caller. Bytes moved, or EFAULT. */
  copyout(bytes: Uint8Array): number {
    return this.#move(bytes, true);
  }

  /** Fills up to `into.length` bytes from the caller. Bytes moved, or EFAULT. */
  copyin(into: Uint8Array): number {
    return this.#move(into, false);
  }

  /** As copyout, from `count` bytes of physical memory at `pa`, in frames that the caller holds. */
  copyoutPhys(mem: PhysMem, pa: Paddr, count: number): number {
    return this.#movePhys(mem, pa, count, true);
  }

  /** As copyin, to `count` bytes of physical memory at `pa`, in frames that the caller holds. */
  copyinPhys(mem: PhysMem, pa: Paddr, count: number): number {
    return this.#movePhys(mem, pa, count, false);
  }

  /** Moves zeroes out, as a hole reads. */
  zero(count: number): number {
    const n = Math.min(count, this.resid);
    let done = 0;
    while (done < n) {
      const step = Math.min(n - done, this.#room());
      const r = this.#mem ? this.#mem.zero(this.#at, step) : this.#fill(step);
      if (r < 0) return done > 0 ? done : r;
      this.#advance(step);
      done += step;
    }
    return n;
  }

  /** Steps over what an earlier try of a restarted call has moved already. */
  skip(count: number): void {
    for (let left = Math.min(count, this.resid); left > 0; ) {
      const step = Math.min(left, this.#room());
      this.#advance(step);
      left -= step;
    }
  }

  #move(bytes: Uint8Array, isOut: boolean): number {
    const n = Math.min(bytes.length, this.resid);
    let done = 0;
    while (done < n) {
      const step = Math.min(n - done, this.#room());
      const part = step === bytes.length ? bytes : bytes.subarray(done, done + step);
      const r = this.#one(part, isOut);
      if (r < 0) return done > 0 ? done : r;
      this.#advance(step);
      done += step;
    }
    return n;
  }

  #movePhys(mem: PhysMem, pa: Paddr, count: number, isOut: boolean): number {
    const user = this.#mem;
    if (!user) return this.#move(mem.u8.subarray(pa, pa + count), isOut);
    const n = Math.min(count, this.resid);
    let done = 0;
    while (done < n) {
      const step = Math.min(n - done, this.#room());
      const at = (pa + done) as Paddr;
      let moved = step;
      let r = isOut ? user.copyoutPhys(this.#at, at, step) : user.copyinPhys(this.#at, at, step);
      const inPage = PAGE_SIZE - (this.#at % PAGE_SIZE);
      if (r < 0 && step > inPage) {
        // Some page of it cannot be reached: what lies before moves all the same.
        moved = inPage;
        r = isOut ? user.copyoutPhys(this.#at, at, moved) : user.copyinPhys(this.#at, at, moved);
      }
      if (r < 0) return done > 0 ? done : r;
      this.#advance(moved);
      done += moved;
    }
    return n;
  }

  #one(part: Uint8Array, isOut: boolean): number {
    if (this.#mem) {
      return isOut ? this.#mem.copyout(this.#at, part) : this.#mem.copyin(this.#at, part);
    }
    const window = this.#buffer!.subarray(this.#at, this.#at + part.length);
    if (isOut) window.set(part);
    else part.set(window);
    return 0;
  }

  #fill(count: number): number {
    this.#buffer!.fill(0, this.#at, this.#at + count);
    return 0;
  }

  /** Bytes left in the current segment, after stepping over empty ones. */
  #room(): number {
    while (this.#left === 0) {
      const s = this.#segments![++this.#segment]!;
      this.#at = s.base;
      this.#left = s.length;
    }
    return this.#left;
  }

  #advance(count: number): void {
    this.#at += count;
    this.#left -= count;
    this.resid -= count;
  }
}
