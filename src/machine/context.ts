/**
 * The registers of one thread, in machine memory where the harts work on them directly.
 *
 * 64-bit registers are numbers here, exact to 2^53; the halves are at hand for the rest.
 * Contexts come from a pool of bounded size (ContextPool).
 */

import { wide } from "../lib/wide.ts";
import {
  CTX_F,
  CTX_FFLAGS,
  CTX_FPSLOW,
  CTX_FRM,
  CTX_PC,
  CTX_RES_ADDR,
  CTX_SIZE,
  CTX_STATE,
  CTX_X,
} from "./layout.ts";
import type { PhysMem } from "./physmem.ts";

const NX = 1;
const TWO32 = 0x1_0000_0000;
/** Words of f0..f31. */
const F_WORDS = 64;

export class Context {
  /** Byte offset of the record in machine memory. */
  readonly addr: number;
  readonly #mem: PhysMem;
  readonly #i32: Int32Array;
  readonly #u32: Uint32Array;
  readonly #at: number;
  readonly #pool: ContextPool;

  /** Use `ContextPool.alloc`. */
  constructor(mem: PhysMem, addr: number, pool: ContextPool) {
    this.#mem = mem;
    this.addr = addr;
    this.#at = addr >>> 2;
    this.#i32 = mem.i32;
    this.#u32 = mem.u32;
    this.#pool = pool;
  }

  /** x[i] as a signed number; past 2^53 the low bits are lost. */
  getX(i: number): number {
    const k = this.#at + (i << 1);
    return wide(this.#i32[k + 1]!, this.#u32[k]!);
  }
  /** x[i] as an unsigned number, an address as a rule; past 2^53 the low bits are lost. */
  getXu(i: number): number {
    const k = this.#at + (i << 1);
    return this.#u32[k + 1]! * TWO32 + this.#u32[k]!;
  }
  /** The same of what is small as a rule. */
  getSize(i: number): number {
    const k = this.#at + (i << 1);
    return wide(this.#u32[k + 1]!, this.#u32[k]!);
  }
  /** Low half of x[i], signed: an `int` argument. */
  xlo(i: number): number {
    return this.#i32[this.#at + (i << 1)]!;
  }
  /** High half of x[i], signed. */
  xhi(i: number): number {
    return this.#i32[this.#at + (i << 1) + 1]!;
  }
  /** Sets x[i] to a safe integer (negative as two's complement). x0 must not be set. */
  setX(i: number, v: number): void {
    const k = this.#at + (i << 1);
    this.#i32[k] = v | 0;
    this.#i32[k + 1] = (v | 0) === v ? v >> 31 : Math.floor(v / TWO32);
  }
  /** Sets x[i] from its halves. */
  setXParts(i: number, lo: number, hi: number): void {
    const k = this.#at + (i << 1);
    this.#i32[k] = lo;
    this.#i32[k + 1] = hi;
  }

  /** Address of the next instruction. Bit 0 is always clear, as in sepc. */
  get pc(): number {
    const k = this.#at + (CTX_PC >> 2);
    return this.#u32[k + 1]! * TWO32 + this.#u32[k]!;
  }
  set pc(v: number) {
    const k = this.#at + (CTX_PC >> 2);
    this.#u32[k] = v & ~1;
    this.#u32[k + 1] = Math.floor(v / TWO32);
  }

  /** fcsr: frm in bits 7..5, accrued flags in 4..0. */
  get fcsr(): number {
    return (this.#u32[this.#at + (CTX_FRM >> 2)]! << 5) | this.#u32[this.#at + (CTX_FFLAGS >> 2)]!;
  }
  set fcsr(v: number) {
    this.#u32[this.#at + (CTX_FRM >> 2)] = (v >> 5) & 7;
    this.#u32[this.#at + (CTX_FFLAGS >> 2)] = v & 31;
    const slow = (v & 0xe0) !== 0 || !(v & NX) ? -1 : 0;
    this.#i32[this.#at + (CTX_FPSLOW >> 2)] = slow;
    this.#i32[this.#at + (CTX_FPSLOW >> 2) + 1] = slow;
  }

  /** All zero, as a new program finds it. */
  clear(): void {
    this.#mem.bulk.zero(this.addr, CTX_SIZE);
    this.fcsr = 0;
    this.dropReservation();
  }

  /** Takes over every register of `other`; the reservation of a load-reserved is not inherited. */
  copyFrom(other: Context): void {
    this.#mem.bulk.copy(this.addr, other.addr, CTX_STATE);
    this.dropReservation();
  }

  /** Makes a pending store-conditional fail, as a signal delivery must. */
  dropReservation(): void {
    this.#i32[this.#at + (CTX_RES_ADDR >> 2)] = -1;
    this.#i32[this.#at + (CTX_RES_ADDR >> 2) + 1] = -1;
  }

  /** x0..x31 as raw little-endian bytes (256), live. x0 reads 0 and must stay so. */
  get xBytes(): Uint8Array {
    return this.#mem.u8.subarray(this.addr + CTX_X, this.addr + CTX_X + 256);
  }
  /** f0..f31 as raw little-endian bytes (256), live. */
  get fBytes(): Uint8Array {
    return this.#mem.u8.subarray(this.addr + CTX_F, this.addr + CTX_F + 256);
  }

  /** Copies f0..f31 as they are to 64 words of `to`, from `at` on. */
  copyFTo(to: Uint32Array, at: number): void {
    const from = this.#at + (CTX_F >> 2);
    for (let i = 0; i < F_WORDS; i++) to[at + i] = this.#u32[from + i]!;
  }
  /** Sets f0..f31 to 64 words of `from`, from `at` on. */
  setFFrom(from: Uint32Array, at: number): void {
    const to = this.#at + (CTX_F >> 2);
    for (let i = 0; i < F_WORDS; i++) this.#u32[to + i] = from[at + i]!;
  }

  free(): void {
    this.#pool.release(this);
  }
}

/** Hands out contexts; a released one is used again first. */
export class ContextPool {
  readonly #mem: PhysMem;
  readonly #free: Context[] = [];
  #made = 0;

  constructor(mem: PhysMem) {
    this.#mem = mem;
  }

  /** A cleared context, or undefined when all `maxContexts` are in use. */
  alloc(): Context | undefined {
    let ctx = this.#free.pop();
    if (!ctx) {
      if (this.#made === this.#mem.maxContexts) return undefined;
      ctx = new Context(this.#mem, this.#mem.contextBase + this.#made++ * CTX_SIZE, this);
    }
    ctx.clear();
    return ctx;
  }

  release(ctx: Context): void {
    this.#free.push(ctx);
  }
}
