/**
 * The emitter of compiled code: operands are known, guest registers are WebAssembly locals.
 *
 * x registers are regemit.ts's, f registers live in the first lanes of v128 locals:
 * multiply-add with one rounding is a vector instruction, and a vector's bits are never touched. What is
 * loaded and stored where is the region's business (regs.ts).
 */
import { CTX_FRM } from "../../layout.ts";
import { storeOf, storeWordOf } from "../../mmu/access.ts";
import { readAt, writeAt } from "../../mmu/lookup.ts";
import { F32, F64, I32, I64, type Label, V128, type ValType } from "../../wasm/asm.ts";
import {
  F32X4_SPLAT,
  F64X2_EXTRACT_LANE,
  F64X2_SPLAT,
  I64X2_EXTRACT_LANE,
  I64X2_SPLAT,
} from "../../wasm/simd.ts";
import type { Helper } from "../helper.ts";
import { pushStored } from "./forward.ts";
import { type Op, rdOf, rs1Of, rs2Of, rs3Of } from "./graph.ts";
import type { Access, Eager } from "./groups.ts";
import { RegEmit } from "./regemit.ts";
import { type Known, Trust } from "./trust.ts";
import { isDoneInWords, kindOf } from "./widths.ts";

export const CTX = 0;
export const BANK = 1;
export const FUEL = 2;
/** Compiled callers that wait for this function to return; see leave.ts. */
export const DEPTH = 3;
const RM_DYN = 7;

/** What an instruction that ends a block hands to the region. */
export interface Control {
  branch(condition: () => void): void;
  jump(): void;
  /** To the address in an i64 local. */
  jumpTo(target: number): void;
  ecall(): void;
  trap(code: number): void;
  /** Where `op` goes to be left to the interpreter, with `exitOffset` set. May emit code that this takes. */
  exit(): Label;
  /** True if all code outside of `fcsrWritten` runs with the native path of floating point open. */
  readonly isOptimist: boolean;
  /** Leaves if the native path of floating point is not open any more, behind `op`. */
  fcsrWritten(): void;
}

export class JitEmit extends RegEmit {
  control!: Control;
  /** Address of the region. */
  readonly entry: number;
  /** Distance from there of the instruction that is left to the interpreter. */
  readonly exitOffset = this.newLocal(I32);
  /** How far behind that the access is for which it was left. */
  readonly missOffset = this.newLocal(I32);
  /** What is known of floating-point results in this block. */
  readonly trust = new Trust((type) => this.newLocal(type));
  /** Where doubts and traps of optimistic code go; undefined where code is careful. */
  doubts: Label | undefined;
  readonly #f: number[] = [];

  constructor(entry: number) {
    super();
    this.entry = entry;
  }

  fLocal(r: number): number {
    this.#f[r] ??= this.newLocal(V128);
    return this.#f[r];
  }

  ctx(): this {
    return this.local_get(CTX);
  }
  bank(): this {
    return this.local_get(BANK);
  }
  frs1(): this {
    return this.frsv(1).simdLane(F64X2_EXTRACT_LANE, 0);
  }
  frs2(): this {
    return this.frsv(2).simdLane(F64X2_EXTRACT_LANE, 0);
  }
  frs3(): this {
    return this.frsv(3).simdLane(F64X2_EXTRACT_LANE, 0);
  }
  frs1bits(): this {
    return this.frsv(1).simdLane(I64X2_EXTRACT_LANE, 0);
  }
  frs2bits(): this {
    return this.frsv(2).simdLane(I64X2_EXTRACT_LANE, 0);
  }
  frs3bits(): this {
    return this.frsv(3).simdLane(I64X2_EXTRACT_LANE, 0);
  }
  override hasVectors(): boolean {
    return true;
  }
  override frsv(source: 1 | 2 | 3): this {
    return this.local_get(this.fLocal(this.#sourceReg(source)));
  }
  frs1s(): this {
    return this.#single(rs1Of(this.op));
  }
  frs2s(): this {
    return this.#single(rs2Of(this.op));
  }
  frs3s(): this {
    return this.#single(rs3Of(this.op));
  }
  /** A register without the box of ones is not a single: it reads as the canonical NaN. */
  #single(r: number): this {
    const known = this.trust.single(r);
    if (known !== undefined) return this.local_get(known);
    const bits = this.temp(I64);
    this.local_get(this.fLocal(r)).simdLane(I64X2_EXTRACT_LANE, 0);
    if (this.doubts !== undefined) {
      this.local_tee(bits).i64_const(-0x1_0000_0000).i64_lt_u().doubtIf();
      const single = this.trust.noteSingle(r);
      return this.local_get(bits).i32_wrap_i64().f32_reinterpret_i32().local_tee(single);
    }
    this.local_tee(bits).i64_const(-0x1_0000_0000).i64_lt_u().unlikely().if_(F32);
    this.i32_const(0x7fc0_0000).f32_reinterpret_i32();
    this.else_().local_get(bits).i32_wrap_i64().f32_reinterpret_i32();
    return this.end();
  }
  override setFrdV(value: () => void): this {
    value();
    this.trust.forget(rdOf(this.op));
    return this.local_set(this.fLocal(rdOf(this.op)));
  }
  setFrd(value: () => void): this {
    return this.setFrdV(() => {
      value();
      this.simd(F64X2_SPLAT);
    });
  }
  setFrdS(value: () => void): this {
    value();
    this.trust.forget(rdOf(this.op));
    const single = this.trust.noteSingle(rdOf(this.op));
    this.local_tee(single).simd(F32X4_SPLAT).v128_ones().i32x4_interleave_low();
    return this.local_set(this.fLocal(rdOf(this.op)));
  }
  setFrdBits(value: () => void): this {
    return this.setFrdV(() => {
      value();
      this.simd(I64X2_SPLAT);
    });
  }
  override loadFrd(): this {
    return this.setFrdV(() => this.load(8, (at) => this.v128_load64_zero(at)));
  }
  override storeFrs2(bytes: 4 | 8): this {
    const offset = this.address(bytes, writeAt);
    this.frsv(2);
    return bytes === 8 ? this.v128_store64_lane(offset) : this.v128_store32_lane(offset);
  }

  override isFpOpen(): boolean {
    return this.control.isOptimist;
  }
  override isOptimistic(): boolean {
    return this.doubts !== undefined;
  }
  override doubtIf(): this {
    return this.unlikely().br_if(this.doubts!);
  }
  override resultLocal(type: ValType): number {
    return this.trust.local(type);
  }
  override setTrusted(
    local: number,
    type: typeof F32 | typeof F64,
    passes: readonly (1 | 2 | 3)[] | "sure",
  ): this {
    if (passes !== "sure") this.trust.imply(passes.map((source) => this.#sourceReg(source)));
    if (type === F64) this.setFrdV(() => this.local_get(local));
    else this.setFrdS(() => this.local_get(local));
    this.trust.add(rdOf(this.op), local, type, passes === "sure");
    return this;
  }
  override isTrusted(source: 1 | 2 | 3, type: typeof F32 | typeof F64): boolean {
    return this.trust.isFinite(this.#sourceReg(source), type);
  }
  #sourceReg(source: 1 | 2 | 3): number {
    return source === 1 ? rs1Of(this.op) : source === 2 ? rs2Of(this.op) : rs3Of(this.op);
  }
  override fcsrWritten(): this {
    this.control.fcsrWritten();
    return this;
  }

  override sourcesAreSame(): boolean {
    return rs1Of(this.op) === rs2Of(this.op);
  }
  rm(): this {
    const rm = this.staticRm();
    return rm === RM_DYN ? this.ctx().i32_load(CTX_FRM) : this.i32_const(rm);
  }
  staticRm(): number {
    return (this.op.word >>> 12) & 7;
  }

  field(shift: number, mask: number): this {
    return this.i32_const((this.op.word >>> shift) & mask);
  }
  override staticField(shift: number, mask: number): number {
    return (this.op.word >>> shift) & mask;
  }
  callHelper(helper: Helper): this {
    return this.callTo(helper);
  }
  tailCallHelper(helper: Helper): this {
    return this.returnCallTo(helper);
  }

  ecall(): this {
    this.control.ecall();
    return this;
  }
  trap(code: number): this {
    this.control.trap(code);
    return this;
  }
  /** The interpreter does the instruction, and traps. */
  trapIf(_code: number): this {
    return this.exitIf();
  }

  protected override exitIf(): this {
    if (this.doubts !== undefined) return this.doubtIf();
    return this.leaveIf(() => this.control.exit());
  }
  protected override exit(): this {
    return this.doubts === undefined
      ? this.#leave(() => this.control.exit())
      : this.br(this.doubts);
  }
  /** As `exitIf` by way of `exit`, which may emit code that this takes. */
  leaveIf(exit: () => Label): this {
    this.unlikely().if_();
    return this.#leave(exit).end();
  }
  #leave(exit: () => Label): this {
    const at = this.leavesAt ?? this.op.pc;
    this.i32_const(at - this.entry).local_set(this.exitOffset);
    if (at !== this.op.pc) this.i32_const(this.op.pc - at).local_set(this.missOffset);
    return this.br(exit());
  }

  load(bytes: number, op: (offset: number) => void): this {
    const offset = this.address(bytes, readAt);
    const load = () => this.inWords(kindOf(this.op) === "load", () => op(offset));
    const { stored } = this.op;
    if (stored) pushStored(this, stored, bytes, load);
    else load();
    return this;
  }

  store(bytes: number, value: () => void): this {
    const offset = this.address(bytes, writeAt);
    const isWord = isDoneInWords(this.op, this.widths);
    this.inWords(isWord, value);
    if (isWord) storeWordOf(this, bytes, offset);
    else storeOf(this, bytes, offset);
    return this;
  }

  atomicAddr(bytes: number, readOnly = false): this {
    this.rs1w()
      .i32_const(bytes - 1)
      .i32_and();
    this.exitIf();
    this.rs1();
    return this.translate(readOnly ? readAt : writeAt, bytes);
  }

  /**
   * Begins a block at `pc` with these accesses in groups, of which it looks up `eager` first, and which knows of floating-point
   * results what is `known`.
   */
  startBlock(
    pc: number,
    accesses: ReadonlyMap<Op, Access>,
    eager: readonly Eager[],
    known: Known | undefined,
  ): void {
    this.trust.startBlock(known);
    this.startAccesses(accesses);
    this.lookUpFirst(eager, pc);
  }

  pc(): this {
    return this.i64_const(this.op.pc);
  }
  nextPc(): this {
    return this.i64_const(this.op.pc + this.op.len);
  }
  branch(condition: () => void): this {
    const isInWords = isDoneInWords(this.op, this.widths);
    const test = () => this.inWords(isInWords, condition);
    if (this.op.guard === "test") return this.noteTest(test);
    this.control.branch(test);
    return this;
  }
  jump(): this {
    this.control.jump();
    return this;
  }
  jumpTo(target: () => void, link: boolean): this {
    const to = this.temp(I64);
    target();
    this.local_set(to);
    if (link) this.setRd(() => this.nextPc());
    this.control.jumpTo(to);
    return this;
  }
  fenceI(): this {
    throw new RangeError("fence.i is left to the interpreter");
  }
}
