/**
 * The emitter of compiled code: operands are known, guest registers are WebAssembly locals.
 *
 * x registers live in i64 locals or, narrow, in i32 ones (widths.ts), f registers in the first lanes of v128 locals:
 * multiply-add with one rounding is a vector instruction, and a vector's bits are never touched. What is
 * loaded and stored where is the region's business (regs.ts).
 */
import { BANK_READ, BANK_WRITE, CTX_FRM, HOME_PAGES } from "../../layout.ts";
import { storeOf, storeWordOf } from "../../mmu/access.ts";
import {
  HOME_READ,
  HOME_READ_BOTH,
  HOME_WRITE,
  HOME_WRITE_BOTH,
  homeByte,
  homePhysical,
} from "../../mmu/home.ts";
import {
  distance,
  lengthOf,
  physical,
  readAt,
  readSpan,
  tlbEntry,
  writeAt,
  writeSpan,
} from "../../mmu/lookup.ts";
import { F32, F64, I32, I64, type Label, V128, type ValType } from "../../wasm/asm.ts";
import {
  F32X4_SPLAT,
  F64X2_EXTRACT_LANE,
  F64X2_SPLAT,
  I64X2_EXTRACT_LANE,
  I64X2_SPLAT,
} from "../../wasm/simd.ts";
import type { Helper } from "../helper.ts";
import { type Op, rdOf, rs1Of, rs2Of, rs3Of } from "./graph.ts";
import type { Access, Window } from "./groups.ts";
import { type Known, Trust } from "./trust.ts";
import { follow, isDoneInWords, kindOf, unknownWidths, type Widths } from "./widths.ts";
import { WordEmit } from "./wordemit.ts";

export const CTX = 0;
export const BANK = 1;
export const FUEL = 2;
/** Compiled callers that wait for this function to return; see region.ts. */
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

export class JitEmit extends WordEmit {
  /** The instruction being emitted. */
  op!: Op;
  control!: Control;
  /** What is known of the registers before `op`, and behind what it sets. */
  widths: Widths = unknownWidths();
  /** What misses the TLB leaves the region; else it is looked for, and things go on. */
  hopesForHits = false;
  /** Address of the region. */
  readonly entry: number;
  /** Distance from there of the instruction that is left to the interpreter. */
  readonly exitOffset = this.newLocal(I32);
  /** What is known of floating-point results in this block. */
  readonly trust = new Trust((type) => this.newLocal(type));
  /** Where doubts and traps of optimistic code go; undefined where code is careful. */
  doubts: Label | undefined;
  #accesses: ReadonlyMap<Op, Access> = new Map();
  readonly #windows: Window[] = [];
  readonly #groupLocals: number[] = [];
  #groupsUsed = 0;
  readonly #indexOf: (h: Helper) => number;
  readonly #x: number[] = [];
  readonly #words: number[] = [];
  readonly #f: number[] = [];

  constructor(entry: number, indexOf: (h: Helper) => number) {
    super();
    this.entry = entry;
    this.#indexOf = indexOf;
  }

  /** The local of x[r], r > 0, where that is not narrow. */
  xLocal(r: number): number {
    this.#x[r] ??= this.newLocal(I64);
    return this.#x[r];
  }
  /** The same where it is. */
  wordLocal(r: number): number {
    this.#words[r] ??= this.newLocal(I32);
    return this.#words[r];
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
  isNarrow(r: number): boolean {
    return (this.widths.narrow & (1 << r)) !== 0;
  }
  /** Pushes x[r], i64. */
  x(r: number): this {
    if (r === 0) return this.i64_const(0);
    if (!this.isNarrow(r)) return this.local_get(this.xLocal(r));
    this.local_get(this.wordLocal(r));
    return this.extended((this.widths.natural & (1 << r)) !== 0);
  }
  /** Pushes its low half, i32. */
  #word(r: number): this {
    if (r === 0) return this.i32_const(0);
    return this.isNarrow(r)
      ? this.local_get(this.wordLocal(r))
      : this.local_get(this.xLocal(r)).i32_wrap_i64();
  }
  rs1(): this {
    return this.isInWords ? this.rs1w() : this.x(rs1Of(this.op));
  }
  rs2(): this {
    return this.isInWords ? this.rs2w() : this.x(rs2Of(this.op));
  }
  override rs1w(): this {
    return this.#word(rs1Of(this.op));
  }
  override rs2w(): this {
    return this.#word(rs2Of(this.op));
  }
  imm(): this {
    return this.isInWords ? this.immw() : this.i64_const(this.op.imm);
  }
  override immw(): this {
    return this.i32_const(this.op.imm);
  }
  setRd(value: () => void): this {
    const isComparison = kindOf(this.op) === "compare";
    this.inWords(isDoneInWords(this.op, this.widths), value, isComparison);
    return this.#putRd();
  }
  override setRdW(value: () => void): this {
    value();
    return this.#putRd();
  }
  /** Sets rd to what is on the stack, which is i32 if rd is narrow from here on. */
  #putRd(): this {
    const rd = rdOf(this.op);
    if (rd === 0) return this.drop();
    follow(this.widths, this.op);
    return this.local_set(this.isNarrow(rd) ? this.wordLocal(rd) : this.xLocal(rd));
  }

  /** Puts those of `registers` that are narrow into their i64 locals as well. */
  widen(registers: number): void {
    for (let r = 1; r < 32; r++) {
      if (registers & this.widths.narrow & (1 << r)) this.x(r).local_set(this.xLocal(r));
    }
  }

  /** Moves those of `registers` to their other locals that are to be where `narrow` says. */
  convert(registers: number, narrow: number): void {
    for (let r = 1; r < 32; r++) {
      const isToNarrow = registers & narrow & ~this.widths.narrow & (1 << r);
      if (isToNarrow) this.#word(r).local_set(this.wordLocal(r));
    }
    this.widen(registers & ~narrow);
    this.widths.narrow = narrow;
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
    const offset = this.#address(bytes, writeAt);
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
    return this.call(this.#indexOf(helper));
  }
  tailCallHelper(helper: Helper): this {
    return this.return_call(this.#indexOf(helper));
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
    return this.#exitIf();
  }

  /** Leaves the instruction to the interpreter if the i32 on the stack is nonzero. */
  #exitIf(): this {
    if (this.doubts !== undefined) return this.doubtIf();
    return this.leaveIf(() => this.control.exit());
  }
  /** The same by way of `exit`, which may emit code that this takes. */
  leaveIf(exit: () => Label): this {
    this.unlikely().if_();
    return this.#leave(exit).end();
  }
  #leave(exit: () => Label): this {
    this.i32_const(this.op.pc - this.entry).local_set(this.exitOffset);
    return this.br(exit());
  }

  load(bytes: number, op: (offset: number) => void): this {
    const offset = this.#address(bytes, readAt);
    this.inWords(kindOf(this.op) === "load", () => op(offset));
    return this;
  }

  store(bytes: number, value: () => void): this {
    const offset = this.#address(bytes, writeAt);
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
    this.#exitIf();
    this.rs1();
    return this.#lookup(readOnly ? readAt : writeAt, bytes);
  }

  /** Pushes a physical address; how far from it the access of the current instruction is. */
  #address(bytes: number, at: Helper): number {
    const access = this.#accesses.get(this.op);
    if (!access) {
      this.#virtual(this.op.imm).#lookup(at, bytes);
      return 0;
    }
    const { group, window } = access;
    if (access.isHead) {
      const span = Math.max(group.max - group.min, 8);
      const isAlone = group.members === 1;
      const spanAt = group.hasStore ? writeSpan : readSpan;
      const [lookup, size] = isAlone ? [at, bytes] : [spanAt, span];
      this.#virtual(group.min - access.at + this.op.imm);
      if (window) this.#throughWindow(window, group.hasStore, lookup, size);
      else this.#lookup(lookup, size);
      if (isAlone) return 0;
      group.local = group.isLocal ? this.#groupLocal() : this.newLocal(I32);
      this.local_set(group.local);
    }
    this.local_get(group.local);
    return access.at - group.min;
  }

  /** Pushes rs1 + offset. */
  #virtual(offset: number): this {
    this.rs1();
    return offset === 0 ? this : this.i64_const(offset).i64_add();
  }

  /** Takes a virtual address to a physical one by the lookup, or leaves. */
  #lookup(lookup: Helper, size: number): this {
    const va = this.temp(I64);
    this.local_set(va);
    if (this.hopesForHits) {
      return this.op.isAway ? this.#hit(va, lookup, size) : this.#atHome(va, lookup, size);
    }
    const pa = this.temp(I32);
    this.bank().local_get(va).i32_const(size);
    this.callHelper(lookup).local_tee(pa).i32_eqz();
    return this.#exitIf().local_get(pa);
  }

  /** The same inline for what is likely to be at home: all other pages leave. */
  #atHome(va: number, lookup: Helper, size: number): this {
    const isRead = lookup === readAt || lookup === readSpan;
    const [alone, both] = isRead ? [HOME_READ, HOME_READ_BOTH] : [HOME_WRITE, HOME_WRITE_BOTH];
    const [page, state] = [this.temp(I64), this.temp(I32)];
    const found = this.block();
    const away = this.block();
    this.local_get(va);
    if (size > 1) this.i64_const(size - 1).i64_add();
    this.i64_const(12).i64_shr_u().local_tee(page).i64_const(HOME_PAGES).i64_ge_u();
    this.unlikely().br_if(away);
    homeByte(this, BANK, page);
    if (size === 1) {
      // In 64 bits: V8 merges a load into a test of 32, and makes it once more.
      this.i64_extend_i32_u().i64_const(alone).i64_and().i64_const(0).i64_ne();
      this.likely().br_if(found);
    } else {
      this.local_tee(state).i32_const(both).i32_and().likely().br_if(found);
      // The first of a run of pages: it must begin there too.
      this.local_get(va).i64_const(12).i64_shr_u().local_get(page).i64_eq();
      this.i32_const(alone).i32_mul().local_get(state).i32_and().br_if(found);
    }
    this.end();
    if (this.doubts !== undefined) this.br(this.doubts);
    else this.#leave(() => this.control.exit());
    this.end();
    homePhysical(this, BANK, va);
    return this;
  }

  /** The same inline, as if nothing ever missed the TLB: no call means no registers to save for one. */
  #hit(va: number, lookup: Helper, size: number): this {
    const part = lookup === readAt || lookup === readSpan ? BANK_READ : BANK_WRITE;
    const [left, entry] = [this.temp(I64), this.temp(I32)];
    this.local_get(va);
    tlbEntry(this, BANK).local_set(entry);
    distance(this, va, entry, part).local_tee(left);
    lengthOf(this, entry, part).i64_ge_u();
    this.#exitIf();
    if (size > 8) {
      this.local_get(left)
        .i64_const(size - 8)
        .i64_lt_u();
      this.#exitIf();
    }
    physical(this, va, entry, part);
    return this;
  }

  /**
   * Takes a virtual address to a physical one by way of `window`, which is moved there if it is elsewhere;
   * asks `lookup` if no TLB entry has all of the window's span there.
   */
  #throughWindow(window: Window, isStore: boolean, lookup: Helper, size: number): void {
    const part = isStore ? BANK_WRITE : BANK_READ;
    const [va, left, entry, len] = [this.temp(I64), this.temp(I64), this.temp(I32), this.temp(I64)];
    this.local_set(va);
    const done = this.block(I32);
    const slow = this.block();
    this.local_get(window.last).local_get(va).i64_sub();
    this.local_get(window.len).i64_ge_u().unlikely().if_();
    this.local_get(va);
    tlbEntry(this, BANK).local_set(entry);
    // The last address for the span is as much before that for 8 bytes.
    const behind = Math.max(window.span - 8, 0);
    this.local_get(entry).i64_load(part).i64_const(behind).i64_sub().local_tee(window.last);
    this.local_get(va).i64_sub().local_set(left);
    lengthOf(this, entry, part);
    if (behind > 0) {
      this.local_tee(len).i64_const(behind).i64_sub().i64_const(0);
      this.local_get(len).i64_const(behind).i64_gt_u().select();
    }
    this.local_set(window.len);
    this.local_get(entry)
      .i32_load(part + 8)
      .local_set(window.delta);
    this.local_get(left).local_get(window.len).i64_ge_u().unlikely().br_if(slow);
    this.end();
    this.local_get(window.delta).br(done).end();
    if (this.hopesForHits) {
      this.i32_const(1).#exitIf().unreachable();
    } else {
      this.local_get(va).#lookup(lookup, size).local_get(va).i32_wrap_i64().i32_sub();
    }
    // Added where the ways meet, so that V8 knows the sum to have no upper half.
    this.end().local_get(va).i32_wrap_i64().i32_add();
  }

  /** Gives the windows that the accesses will use their locals, which are zero when the function begins. */
  openWindows(windows: Iterable<Window>): void {
    for (const window of windows) {
      window.last = this.newLocal(I64);
      window.len = this.newLocal(I64);
      window.delta = this.newLocal(I32);
      this.#windows.push(window);
    }
  }

  /** After a call: what windows show may be gone. */
  closeWindows(): void {
    for (const { len } of this.#windows) this.i64_const(0).local_set(len);
  }

  /** A local for a group's address. Groups of one block are alive together, blocks take turns. */
  #groupLocal(): number {
    if (this.#groupsUsed === this.#groupLocals.length) this.#groupLocals.push(this.newLocal(I32));
    return this.#groupLocals[this.#groupsUsed++]!;
  }

  /** Begins a block with these accesses in groups, which knows of floating-point results what is `known`. */
  startBlock(accesses: ReadonlyMap<Op, Access>, known: Known | undefined): void {
    this.trust.startBlock(known);
    this.#accesses = accesses;
    this.#groupsUsed = 0;
  }

  pc(): this {
    return this.i64_const(this.op.pc);
  }
  nextPc(): this {
    return this.i64_const(this.op.pc + this.op.len);
  }
  branch(condition: () => void): this {
    const isInWords = isDoneInWords(this.op, this.widths);
    this.control.branch(() => this.inWords(isInWords, condition));
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
