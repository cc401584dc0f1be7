/**
 * The emitter of compiled code: operands are known, guest registers are WebAssembly locals.
 *
 * x registers live in i64 locals, f registers in f64 locals (bits are preserved). What is
 * loaded and stored where is the region's business (regs.ts).
 */
import { BANK_READ, BANK_WRITE, CTX_FRM } from "../../layout.ts";
import { loadSlow, spanSlow, storeOf, storeSlow } from "../../mmu/access.ts";
import { TRAP_FAULT_READ, TRAP_FAULT_WRITE } from "../../traps.ts";
import { F32, F64, I32, I64, type Label, type ValType } from "../../wasm/asm.ts";
import type { Helper } from "../helper.ts";
import { MemEmit } from "../memops.ts";
import { type Op, rdOf, rs1Of, rs2Of, rs3Of } from "./graph.ts";
import type { Access, Group, Window } from "./groups.ts";
import { Trust } from "./trust.ts";

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
  /** Where a trap in the middle of `op` goes, with `cause` and `trapPc` set. */
  trapExit(): Label;
  /** Leaves if the native path of floating point is not open any more, behind `op`. */
  fcsrWritten(): void;
}

export class JitEmit extends MemEmit {
  /** The instruction being emitted. */
  op!: Op;
  control!: Control;
  readonly cause = this.newLocal(I32);
  readonly trapPc = this.newLocal(I64);
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
  readonly #f: number[] = [];

  constructor(indexOf: (h: Helper) => number) {
    super();
    this.#indexOf = indexOf;
  }

  /** The local of x[r], r > 0. */
  xLocal(r: number): number {
    this.#x[r] ??= this.newLocal(I64);
    return this.#x[r];
  }
  fLocal(r: number): number {
    this.#f[r] ??= this.newLocal(F64);
    return this.#f[r];
  }

  ctx(): this {
    return this.local_get(CTX);
  }
  bank(): this {
    return this.local_get(BANK);
  }
  #getX(r: number): this {
    return r === 0 ? this.i64_const(0) : this.local_get(this.xLocal(r));
  }
  rs1(): this {
    return this.#getX(rs1Of(this.op));
  }
  rs2(): this {
    return this.#getX(rs2Of(this.op));
  }
  imm(): this {
    return this.i64_const(this.op.imm);
  }
  override immw(): this {
    return this.i32_const(this.op.imm);
  }
  setRd(value: () => void): this {
    value();
    const rd = rdOf(this.op);
    return rd === 0 ? this.drop() : this.local_set(this.xLocal(rd));
  }

  frs1(): this {
    return this.local_get(this.fLocal(rs1Of(this.op)));
  }
  frs2(): this {
    return this.local_get(this.fLocal(rs2Of(this.op)));
  }
  frs3(): this {
    return this.local_get(this.fLocal(rs3Of(this.op)));
  }
  frs1bits(): this {
    return this.frs1().i64_reinterpret_f64();
  }
  frs2bits(): this {
    return this.frs2().i64_reinterpret_f64();
  }
  frs3bits(): this {
    return this.frs3().i64_reinterpret_f64();
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
    this.local_get(this.fLocal(r)).i64_reinterpret_f64();
    if (this.doubts !== undefined) {
      const single = this.trust.local(F32);
      this.local_tee(bits).i64_const(-0x1_0000_0000).i64_lt_u().doubtIf();
      this.trust.noteSingle(r, single);
      return this.local_get(bits).i32_wrap_i64().f32_reinterpret_i32().local_tee(single);
    }
    this.local_tee(bits).i64_const(-0x1_0000_0000).i64_lt_u().unlikely().if_(F32);
    this.i32_const(0x7fc0_0000).f32_reinterpret_i32();
    this.else_().local_get(bits).i32_wrap_i64().f32_reinterpret_i32();
    return this.end();
  }
  setFrd(value: () => void): this {
    value();
    this.trust.forget(rdOf(this.op));
    return this.local_set(this.fLocal(rdOf(this.op)));
  }
  setFrdS(value: () => void): this {
    value();
    const single = this.trust.local(F32);
    this.trust.forget(rdOf(this.op));
    this.trust.noteSingle(rdOf(this.op), single);
    this.local_tee(single)
      .i32_reinterpret_f32()
      .i64_extend_i32_u()
      .i64_const(-0x1_0000_0000)
      .i64_or();
    return this.f64_reinterpret_i64().local_set(this.fLocal(rdOf(this.op)));
  }
  setFrdBits(value: () => void): this {
    value();
    this.trust.forget(rdOf(this.op));
    return this.f64_reinterpret_i64().local_set(this.fLocal(rdOf(this.op)));
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
  override setTrusted(local: number, type: ValType, passes: readonly (1 | 2 | 3)[] | "sure"): this {
    if (passes !== "sure") this.trust.imply(passes.map((source) => this.#sourceReg(source)));
    if (type === F64) this.setFrd(() => this.local_get(local));
    else this.setFrdS(() => this.local_get(local));
    this.trust.add(rdOf(this.op), local, type, passes === "sure");
    return this;
  }
  override isTrusted(source: 1 | 2 | 3, type: ValType): boolean {
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
  trapIf(code: number): this {
    if (this.doubts !== undefined) return this.doubtIf();
    this.unlikely().if_();
    this.i32_const(code).local_set(this.cause);
    this.i64_const(this.op.pc).local_set(this.trapPc);
    return this.br(this.control.trapExit()).end();
  }
  trapIfFault(code: number): this {
    return this.trapIf(code);
  }

  override load(bytes: number, op: (offset: number) => void, type: ValType = I64): this {
    const access = this.#accesses.get(this.op);
    if (!access) return super.load(bytes, op, type);
    this.#access(access, type, op, () => {
      this.bank().rs1().imm().i64_add().i32_const(bytes).callHelper(loadSlow);
      this.orFault(TRAP_FAULT_READ);
      op(0);
    });
    return this;
  }

  override store(bytes: number, value: () => void): this {
    const access = this.#accesses.get(this.op);
    if (!access) return super.store(bytes, value);
    const store = (offset: number) => {
      value();
      storeOf(this, bytes, offset);
    };
    this.#access(access, undefined, store, () => {
      this.bank().rs1().imm().i64_add();
      value();
      this.i32_const(bytes).callHelper(storeSlow);
      this.i32_eqz().trapIfFault(TRAP_FAULT_WRITE);
    });
    return this;
  }

  /** `use` finds a physical address and is told how far from it the access is; `single` does without. */
  #access(
    access: Access,
    type: ValType | undefined,
    use: (offset: number) => void,
    single: () => void,
  ): void {
    const { group, window, at, isHead } = access;
    if (group.members === 1 && window) {
      this.#alone(group, window, type, use, single);
      return;
    }
    if (isHead) this.#lookupSpan(group, group.min - at + this.op.imm, window);
    this.local_get(group.local).i32_eqz().unlikely().if_(type);
    single();
    this.else_().local_get(group.local);
    use(at - group.min);
    this.end();
  }

  /** An access that is nobody's company, in a loop. */
  #alone(
    group: Group,
    window: Window,
    type: ValType | undefined,
    use: (offset: number) => void,
    single: () => void,
  ): void {
    const done = this.block(type);
    const slow = this.block();
    this.rs1().imm().i64_add();
    this.#throughWindow(window, group.hasStore, slow);
    use(0);
    this.br(done).end();
    single();
    this.end();
  }

  /**
   * Takes a virtual address to a physical one by way of `window`, which is moved there if it is elsewhere;
   * branches to `slow` if no TLB entry has all of the window's span there.
   */
  #throughWindow(window: Window, isStore: boolean, slow: Label): void {
    const part = isStore ? BANK_WRITE : BANK_READ;
    const [va, off, entry, len] = [this.temp(I64), this.temp(I64), this.temp(I32), this.temp(I64)];
    this.local_tee(va).local_get(window.lo).i64_sub().local_tee(off);
    this.local_get(window.len).i64_ge_u().unlikely().if_();
    this.local_get(va);
    this.tlbEntry().local_set(entry);
    this.local_get(va).local_get(entry).i64_load(part).local_tee(window.lo);
    this.i64_sub().local_set(off);
    // Entries say len - 7. Where the span is longer than the window, none of it is in.
    this.local_get(entry).i64_load32_u(part + 12);
    if (window.span > 8) {
      this.local_tee(len)
        .i64_const(window.span - 8)
        .i64_sub()
        .i64_const(0);
      this.local_get(len)
        .i64_const(window.span - 8)
        .i64_gt_u()
        .select();
    }
    this.local_set(window.len);
    this.local_get(entry)
      .i32_load(part + 8)
      .local_set(window.base);
    this.local_get(off).local_get(window.len).i64_ge_u().unlikely().br_if(slow);
    this.end();
    this.local_get(off).i32_wrap_i64().local_get(window.base).i32_add();
  }

  /** Gives the windows that the accesses will use their locals, which are zero when the function begins. */
  openWindows(windows: Iterable<Window>): void {
    for (const window of windows) {
      window.lo = this.newLocal(I64);
      window.len = this.newLocal(I64);
      window.base = this.newLocal(I32);
      this.#windows.push(window);
    }
  }

  /** After a call: what windows show may be gone. */
  closeWindows(): void {
    for (const { len } of this.#windows) this.i64_const(0).local_set(len);
  }

  /** Sets the group's local to the address of its span, which begins at rs1 + offset, or to 0. */
  #lookupSpan(group: Group, offset: number, window: Window | undefined): void {
    group.local = group.isLocal ? this.#groupLocal() : this.newLocal(I32);
    const part = group.hasStore ? BANK_WRITE : BANK_READ;
    const span = Math.max(group.max - group.min, 8);
    const va = this.temp(I64);
    this.rs1().i64_const(offset).i64_add();
    if (window) {
      this.local_set(va);
      const done = this.block(I32);
      const slow = this.block();
      this.local_get(va);
      this.#throughWindow(window, group.hasStore, slow);
      this.br(done).end();
      this.#spanSlowly(va, span, group.hasStore);
      this.end().local_set(group.local);
      return;
    }
    const [off, entry, len] = [this.temp(I64), this.temp(I32), this.temp(I64)];
    this.local_tee(va);
    this.tlbEntry().local_set(entry);
    this.local_get(va).local_get(entry).i64_load(part).i64_sub().local_tee(off);
    this.local_get(entry)
      .i64_load32_u(part + 12)
      .local_tee(len)
      .i64_ge_u();
    // Both ends, for the sum alone may wrap around.
    if (span > 8) {
      this.local_get(off)
        .i64_const(span - 8)
        .i64_add()
        .local_get(len)
        .i64_ge_u()
        .i32_or();
    }
    this.unlikely().if_(I32);
    this.#spanSlowly(va, span, group.hasStore);
    this.else_();
    this.local_get(off)
      .i32_wrap_i64()
      .local_get(entry)
      .i32_load(part + 8)
      .i32_add();
    this.end().local_set(group.local);
  }

  /** Leaves the physical address of a span that begins at the address in `va`, or 0. */
  #spanSlowly(va: number, span: number, isStore: boolean): void {
    this.bank()
      .local_get(va)
      .i32_const(span)
      .i32_const(isStore ? 1 : 0);
    this.callHelper(spanSlow);
  }

  /** A local for a group's address. Groups of one block are alive together, blocks take turns. */
  #groupLocal(): number {
    if (this.#groupsUsed === this.#groupLocals.length) this.#groupLocals.push(this.newLocal(I32));
    return this.#groupLocals[this.#groupsUsed++]!;
  }

  /** Begins a block with these accesses in groups. */
  startBlock(accesses: ReadonlyMap<Op, Access>): void {
    this.trust.startBlock();
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
    this.control.branch(condition);
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
