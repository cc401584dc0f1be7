/**
 * Sets of signals 1–64, as two 32-bit halves: bit n-1 stands for signal n.
 * See sigsetops(3).
 */
import { SIGKILL, SIGSTOP } from "../abi/signal.ts";

export class SigSet {
  lo = 0;
  hi = 0;

  static of(...signals: number[]): SigSet {
    const set = new SigSet();
    for (const sig of signals) set.add(sig);
    return set;
  }

  get isEmpty(): boolean {
    return (this.lo | this.hi) === 0;
  }

  has(sig: number): boolean {
    return sig <= 32 ? (this.lo & (1 << (sig - 1))) !== 0 : (this.hi & (1 << (sig - 33))) !== 0;
  }

  add(sig: number): void {
    if (sig <= 32) this.lo |= 1 << (sig - 1);
    else this.hi |= 1 << (sig - 33);
  }

  remove(sig: number): void {
    if (sig <= 32) this.lo &= ~(1 << (sig - 1));
    else this.hi &= ~(1 << (sig - 33));
  }

  assign(other: SigSet): void {
    this.lo = other.lo;
    this.hi = other.hi;
  }

  setWords(lo: number, hi: number): void {
    this.lo = lo | 0;
    this.hi = hi | 0;
  }

  addAll(other: SigSet): void {
    this.lo |= other.lo;
    this.hi |= other.hi;
  }

  removeAll(other: SigSet): void {
    this.lo &= ~other.lo;
    this.hi &= ~other.hi;
  }

  clear(): void {
    this.lo = 0;
    this.hi = 0;
  }

  clone(): SigSet {
    const set = new SigSet();
    set.assign(this);
    return set;
  }

  /** Takes out what cannot be blocked: SIGKILL and SIGSTOP. */
  dropUnblockable(): void {
    this.lo &= ~UNBLOCKABLE_LO;
  }

  /** The lowest signal, 0 if none; faults before others, as Linux prefers them. */
  first(): number {
    const sync = this.lo & SYNCHRONOUS_LO;
    return firstIn(sync !== 0 ? sync : this.lo, this.hi);
  }
}

/** The lowest signal of a pair of words, 0 if none. */
export function firstIn(lo: number, hi: number): number {
  if (lo !== 0) return 32 - Math.clz32(lo & -lo);
  if (hi !== 0) return 64 - Math.clz32(hi & -hi);
  return 0;
}

const UNBLOCKABLE_LO = (1 << (SIGKILL - 1)) | (1 << (SIGSTOP - 1));
/** SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS. */
export const SYNCHRONOUS_LO = (1 << 10) | (1 << 6) | (1 << 3) | (1 << 4) | (1 << 7) | (1 << 30);
