/**
 * The interpreter: one WebAssembly function generated from the instruction definitions.
 *
 * It decodes directly from memory, so code that changes needs nothing, and cold code costs
 * nothing before it runs. 16-bit instructions go through a table to their 32-bit form;
 * a second table takes opcode, funct3 and funct7 to a handler. Within a page the next
 * instruction is at `ip`, a physical address; leaving the page goes through the fetch TLB.
 *
 * Backward branches, calls, returns and indirect jumps visit the jump cache, which is the
 * door to compiled regions; where there is none, they are counted.
 */
import {
  AWAY_MARKS,
  BANK_FETCH,
  BANK_FUEL,
  BANK_HOME,
  BANK_JUMP,
  BANK_SWITCH,
  BRANCH_BYTES,
  BRANCH_MARKS,
  CTX_F,
  CTX_FRM,
  CTX_PC,
  CTX_X,
  DECODE_TABLE,
  EXPAND_TABLE,
  HALF_HANDLERS,
  HEAT_TABLE,
} from "../layout.ts";
import { fetchHigh, fetchSlot, fetchSlow } from "../mmu/access.ts";
import { TRAP_ECALL, TRAP_FAULT_FETCH, TRAP_FUEL, TRAP_ILLEGAL } from "../traps.ts";
import { F32, I32, I64, type Label } from "../wasm/asm.ts";
import { type Decoder, emitSlot, secondTableAt, UNEXPANDED } from "./decode.ts";
import { type Helper, serve } from "./helper.ts";
import { expandHalf, NOWHERE, visit } from "./hostcalls.ts";
import type { ImmKind, Insn } from "./isa/insn.ts";
import { JUMP_BESIDE } from "./jumpcache.ts";
import { MemEmit } from "./memops.ts";
import { emitFold, emitJumpOffset, HEAT_MASK } from "./pchash.ts";

/** Set in the depth given to the interpreter: it must not ask for a region at the first pc. */
export const NO_VISIT = 1 << 30;

const CTX = 0;
const BANK = 1;
const FUEL = 2;
const DEPTH = 3;

// In jal and jalr: rd is ra or t0, registers 1 and 5, which makes it a call; in jalr: rd is x0 and rs1
// such a register, which makes it a return. Source: unprivileged spec, "jal".
const CALL_MASK = 0x1b << 7;
const CALL_MATCH = 1 << 7;
const RETURN_MASK = (0x1b << 15) | (0x1f << 7);
const RETURN_MATCH = 1 << 15;

export interface InterpOptions {
  /** Stop after one instruction, and never enter compiled code. */
  readonly single: boolean;
  /** Visits of a jump target before the translator is asked to compile it. */
  readonly threshold: number;
  /** See WebAssembly calls in jit/region.ts. */
  readonly maxDepth: number;
  readonly indexOf: (h: Helper) => number;
  /** Type index of a region function. */
  readonly regionType: number;
}

/** Emits the interpreter as a function (ctx, bank, fuel, depth) → result, as regions are (jit/region.ts). */
export class InterpEmit extends MemEmit {
  readonly #options: InterpOptions;
  readonly #word = this.newLocal(I32);
  readonly #ip = this.newLocal(I32);
  readonly #base = this.newLocal(I32);
  readonly #len = this.newLocal(I32);
  readonly #handler = this.newLocal(I32);
  readonly #cause = this.newLocal(I32);
  readonly #slot = this.newLocal(I32);
  readonly #heat = this.newLocal(I32);
  /** Guest calls that were interpreted here and have not returned. */
  readonly #calls = this.newLocal(I32);
  readonly #pc = this.newLocal(I64);
  readonly #pageVa = this.newLocal(I64);
  #immKind: ImmKind = "none";
  #refetch: Label = 0;
  #jumped: Label = 0;
  #advance: Label = 0;
  #trapped: Label = 0;

  constructor(options: InterpOptions) {
    super();
    this.#options = options;
  }

  generate(decoder: Decoder): void {
    const { single } = this.#options;
    this.ctx().i64_load(CTX_PC).local_set(this.#pc);
    const isFirst = this.newLocal(I32);
    this.local_get(DEPTH).i32_const(NO_VISIT).i32_and().local_set(isFirst);
    this.local_get(DEPTH).local_get(isFirst).i32_xor().local_set(DEPTH);
    const jump = this.loop();
    if (!single) {
      this.local_get(isFirst).i32_eqz().if_();
      this.#visitJumpCache();
      this.end().i32_const(0).local_set(isFirst);
    }
    this.#refetch = this.loop();
    const fetchFault = this.block();
    this.#enterPage(fetchFault);
    this.#fetchFirst(fetchFault);
    const next = this.loop();
    this.#jumped = this.block();
    this.#advance = this.block();
    this.#trapped = this.block();
    const illegal = this.block();
    this.#decodeWord();
    this.#dispatch(decoder, illegal);
    this.end();
    this.#expandFirst(next);
    this.i32_const(TRAP_ILLEGAL).local_set(this.#cause);
    this.end(); // trapped
    this.#currentPc().local_set(this.#pc);
    this.#leave(() => this.local_get(this.#cause));
    this.end(); // advance
    this.local_get(this.#ip).local_get(this.#len).i32_add().local_set(this.#ip);
    if (single) {
      this.#currentPc().local_set(this.#pc);
      this.#leave(() => this.i32_const(TRAP_FUEL));
    } else {
      // At the page's last half may begin what ends in the next: `fetchFirst` sees to that.
      this.local_get(this.#ip).local_get(this.#base).i32_sub().i32_const(4094).i32_lt_u();
      this.likely().if_();
      this.#fetchNext().br(next);
      this.end();
      this.#currentPc().local_set(this.#pc);
      this.br(this.#refetch);
    }
    this.end(); // jumped
    if (single) this.#leave(() => this.i32_const(TRAP_FUEL));
    else this.br(jump);
    this.end(); // next
    this.end(); // fetchFault
    this.#leave(() => this.i32_const(TRAP_FAULT_FETCH));
    this.end(); // refetch
    this.end(); // jump
    this.unreachable();
  }

  /** Burns fuel for a jump to #pc; enters compiled code, or counts the visit. */
  #visitJumpCache(): void {
    const { threshold } = this.#options;
    this.local_get(FUEL).i32_const(1).i32_sub().local_tee(FUEL);
    this.i32_const(0).i32_lt_s().unlikely().if_();
    this.#leave(() => this.i32_const(TRAP_FUEL));
    this.end();
    this.bank().local_get(this.#pc).i32_wrap_i64();
    emitJumpOffset(this, this.#slot).i32_add().local_set(this.#slot);
    const isCold = this.block();
    const isKnown = this.block();
    for (const isBeside of [false, true]) {
      if (isBeside)
        this.local_get(this.#slot).i32_const(JUMP_BESIDE).i32_xor().local_set(this.#slot);
      this.local_get(this.#slot).i64_load(BANK_JUMP).local_get(this.#pc).i64_eq();
      this.if_();
      this.local_get(this.#slot)
        .i32_load(BANK_JUMP + 8)
        .local_tee(this.#handler)
        .br_if(isKnown);
      this.end();
    }
    if (threshold !== Number.POSITIVE_INFINITY) this.#countVisit(isKnown);
    this.br(isCold);
    this.end(); // isKnown
    this.#enterRegion();
    this.end(); // isCold
  }

  /**
   * Goes on in the function whose number is in #handler. Inside a guest function that this interpreter
   * called itself, that is a call: it comes back when the guest function returns.
   */
  #enterRegion(): void {
    const { regionType, maxDepth } = this.#options;
    this.ctx().local_get(this.#pc).i64_store(CTX_PC);
    this.local_get(this.#calls).i32_const(0).i32_ne();
    this.local_get(DEPTH).i32_const(maxDepth).i32_lt_u().i32_and().if_();
    this.ctx().bank().local_get(FUEL).local_get(DEPTH).i32_const(1).i32_add();
    this.local_get(this.#handler).call_indirect(regionType);
    this.local_set(this.#pc).local_tee(FUEL).i32_const(0).i32_lt_s().unlikely().if_();
    this.local_get(FUEL).local_get(this.#pc).return_().end();
    this.local_get(this.#calls).i32_const(1).i32_sub().local_set(this.#calls);
    this.else_();
    this.ctx().bank().local_get(FUEL).local_get(DEPTH).local_get(this.#handler);
    this.return_call_indirect(regionType);
    this.end();
  }

  /** Counts in the bucket of #pc; the translator hears of powers of two, and of all past the threshold. */
  #countVisit(isKnown: Label): void {
    const { threshold, indexOf } = this.#options;
    this.local_get(this.#pc).i32_wrap_i64();
    emitFold(this, this.#slot).i32_const(HEAT_MASK).i32_and().local_tee(this.#slot);
    this.i32_load16_u(HEAT_TABLE).i32_const(1).i32_add().local_tee(this.#heat);
    this.i32_const(threshold).i32_lt_u().likely().if_();
    this.local_get(this.#slot).local_get(this.#heat).i32_store16(HEAT_TABLE);
    this.end();
    this.local_get(this.#heat).local_get(this.#heat).i32_const(1).i32_sub().i32_and().i32_eqz();
    this.local_get(this.#heat).i32_const(threshold).i32_ge_u();
    this.i32_or().unlikely().if_();
    this.bank().local_get(this.#pc).f64_convert_i64_u().local_get(this.#heat);
    this.call(indexOf(visit));
    this.local_tee(this.#handler).br_if(isKnown);
    this.end();
  }

  /** Sets base, pageVa and ip for the instruction at #pc. */
  #enterPage(fetchFault: Label): void {
    fetchSlot(this, BANK, this.#pc).local_tee(this.#slot).i64_load(BANK_FETCH);
    this.local_get(this.#pc).i64_const(-4096).i64_and().i64_const(1).i64_or().i64_eq();
    this.likely().if_(I32);
    this.local_get(this.#slot).i32_load(BANK_FETCH + 8);
    this.else_();
    this.bank().local_get(this.#pc).callHelper(fetchSlow);
    this.end();
    this.local_tee(this.#base).i32_eqz().unlikely().br_if(fetchFault);
    this.local_get(this.#pc).i64_const(-4096).i64_and().local_set(this.#pageVa);
    this.local_get(this.#pc).i32_wrap_i64().i32_const(4095).i32_and();
    this.local_get(this.#base).i32_or().local_set(this.#ip);
  }

  /** Sets word from what is at ip, before the page's last half. */
  #fetchNext(): this {
    return this.local_get(this.#ip).i32_load().local_set(this.#word);
  }

  /** The same anywhere: what begins in the last half may go on in the next page. */
  #fetchFirst(fetchFault: Label): void {
    const high = this.#handler;
    this.#fetchNext();
    this.local_get(this.#ip).i32_const(4095).i32_and().i32_const(4094).i32_eq();
    this.local_get(this.#word).i32_const(3).i32_and().i32_const(3).i32_eq();
    this.i32_and().unlikely().if_();
    this.#currentPc().local_set(this.#pc);
    this.bank().local_get(this.#pageVa).i64_const(4096).i64_add().callHelper(fetchHigh);
    this.local_tee(high).i32_const(-1).i32_eq().br_if(fetchFault);
    this.local_get(this.#word).i32_const(0xffff).i32_and();
    this.local_get(high).i32_const(16).i32_shl().i32_or().local_set(this.#word);
    this.end();
  }

  /** Sets len and handler, and to a 16-bit instruction's long form the word. */
  #decodeWord(): void {
    this.local_get(this.#word).i32_const(3).i32_and().i32_const(3).i32_eq().if_();
    this.i32_const(4).local_set(this.#len);
    emitSlot(this, this.#word, this.#handler).i32_load8_u(DECODE_TABLE).local_set(this.#handler);
    this.else_();
    this.i32_const(2).local_set(this.#len);
    // Both loads at once: which handler comes next is what all waits for.
    this.local_get(this.#word).i32_const(0xffff).i32_and().local_tee(this.#word);
    this.i32_load8_u(HALF_HANDLERS).local_set(this.#handler);
    this.local_get(this.#word).i32_const(2).i32_shl();
    this.i32_load(EXPAND_TABLE).local_set(this.#word);
    this.end();
  }

  /** Back to fetching if what seemed illegal is a 16-bit instruction that nobody met before. */
  #expandFirst(next: Label): void {
    this.local_get(this.#word).i32_const(UNEXPANDED).i32_eq();
    this.local_get(this.#len).i32_const(2).i32_eq().i32_and().if_();
    this.local_get(this.#ip).i32_load16_u().local_tee(this.#word).callHelper(expandHalf);
    this.br(next);
    this.end();
  }

  /** The table jump, and the handlers behind it. Each ends in a branch; those of second tables, which come first, in one to another. */
  #dispatch(decoder: Decoder, illegal: Label): void {
    const { insns, seconds } = decoder;
    const handlers = insns.map(() => this.block()).reverse();
    const choices = seconds.map(() => this.block()).reverse();
    this.local_get(this.#handler).br_table([illegal, ...handlers, ...choices], illegal);
    for (let i = 0; i < seconds.length; i++) {
      this.end();
      this.field(20, 31)
        .i32_load8_u(secondTableAt(i))
        .br_table([illegal, ...handlers], illegal);
    }
    for (const insn of insns) {
      this.end();
      this.#handlerOf(insn, decoder.unproven(insn), illegal);
    }
  }

  #handlerOf(insn: Insn, unproven: number, illegal: Label): void {
    this.#immKind = insn.imm;
    this.releaseTemps();
    if (unproven !== 0) {
      this.local_get(this.#word).i32_const(unproven).i32_and();
      this.i32_const(insn.match & unproven)
        .i32_ne()
        .br_if(illegal);
    }
    insn.body(this);
    this.br(this.#advance);
  }

  /** Saves pc (from #pc) and fuel, and returns. */
  #leave(trap: () => void): void {
    this.ctx().local_get(this.#pc).i64_store(CTX_PC);
    this.bank().local_get(FUEL).i32_store(BANK_FUEL);
    trap();
    this.i32_const(-1).i32_xor().i64_const(NOWHERE).return_();
  }

  #currentPc(): this {
    this.local_get(this.#ip).local_get(this.#base).i32_sub().i64_extend_i32_u();
    return this.local_get(this.#pageVa).i64_add();
  }

  /** Pushes the address, less `CTX_X` or `CTX_F`, of the register in a field of the word. */
  #regAddr(at: number): this {
    this.local_get(this.#word);
    if (at < 15) this.i32_const(at - 3).i32_shr_u();
    else this.i32_const(at - 3).i32_shr_u();
    return this.i32_const(0xf8).i32_and().ctx().i32_add();
  }

  ctx(): this {
    return this.local_get(CTX);
  }
  bank(): this {
    return this.local_get(BANK);
  }
  rs1(): this {
    return this.#regAddr(15).i64_load(CTX_X);
  }
  rs2(): this {
    return this.#regAddr(20).i64_load(CTX_X);
  }
  override rs1w(): this {
    return this.#regAddr(15).i32_load(CTX_X);
  }
  override rs2w(): this {
    return this.#regAddr(20).i32_load(CTX_X);
  }
  /** x0 is written like the others and then made 0 again: cheaper than asking. */
  setRd(value: () => void): this {
    this.#regAddr(7);
    value();
    this.i64_store(CTX_X);
    return this.ctx().i64_const(0).i64_store(CTX_X);
  }

  imm(): this {
    return this.immw().i64_extend_i32_s();
  }
  override immw(): this {
    const w = () => this.local_get(this.#word);
    const part = (shift: number, mask: number) =>
      w().i32_const(shift).i32_shr_u().i32_const(mask).i32_and();
    switch (this.#immKind) {
      case "none":
        return this.i32_const(0);
      case "I":
        return w().i32_const(20).i32_shr_s();
      case "S":
        w().i32_const(20).i32_shr_s().i32_const(-32).i32_and();
        return part(7, 31).i32_or();
      case "B":
        w().i32_const(31).i32_shr_s().i32_const(-4096).i32_and();
        w().i32_const(4).i32_shl().i32_const(0x800).i32_and().i32_or();
        part(20, 0x7e0).i32_or();
        return part(7, 0x1e).i32_or();
      case "U":
        return w().i32_const(-4096).i32_and();
      case "J":
        w().i32_const(11).i32_shr_s().i32_const(-0x10_0000).i32_and();
        w().i32_const(0xff000).i32_and().i32_or();
        part(9, 0x800).i32_or();
        return part(20, 0x7fe).i32_or();
      case "SH6":
        return part(20, 63);
      case "SH5":
        return part(20, 31);
    }
  }

  frs1(): this {
    return this.#regAddr(15).f64_load(CTX_F);
  }
  frs2(): this {
    return this.#regAddr(20).f64_load(CTX_F);
  }
  frs3(): this {
    return this.#regAddr(27).f64_load(CTX_F);
  }
  frs1bits(): this {
    return this.#regAddr(15).i64_load(CTX_F);
  }
  frs2bits(): this {
    return this.#regAddr(20).i64_load(CTX_F);
  }
  frs3bits(): this {
    return this.#regAddr(27).i64_load(CTX_F);
  }
  frs1s(): this {
    return this.#unboxed(15);
  }
  frs2s(): this {
    return this.#unboxed(20);
  }
  frs3s(): this {
    return this.#unboxed(27);
  }
  #unboxed(at: number): this {
    const reg = this.temp(I32);
    this.#regAddr(at)
      .local_tee(reg)
      .i32_load(CTX_F + 4);
    this.i32_const(-1).i32_eq().if_(F32);
    this.local_get(reg).f32_load(CTX_F);
    this.else_().i32_const(0x7fc0_0000).f32_reinterpret_i32();
    return this.end();
  }
  setFrd(value: () => void): this {
    this.#regAddr(7);
    value();
    return this.f64_store(CTX_F);
  }
  setFrdS(value: () => void): this {
    this.#regAddr(7);
    value();
    this.f32_store(CTX_F);
    return this.#regAddr(7)
      .i32_const(-1)
      .i32_store(CTX_F + 4);
  }
  setFrdBits(value: () => void): this {
    this.#regAddr(7);
    value();
    return this.i64_store(CTX_F);
  }

  rm(): this {
    this.ctx().i32_load(CTX_FRM).field(12, 7);
    this.field(12, 7).i32_const(7).i32_eq();
    return this.select();
  }
  staticRm(): undefined {
    return undefined;
  }

  field(shift: number, mask: number): this {
    return this.local_get(this.#word).i32_const(shift).i32_shr_u().i32_const(mask).i32_and();
  }
  callHelper(helper: Helper): this {
    return this.call(this.#options.indexOf(helper));
  }

  /** The code behind has not changed, or the call comes out. */
  ecall(): this {
    if (this.#options.single) return this.trap(TRAP_ECALL);
    this.ctx().#currentPc().i64_store(CTX_PC);
    this.ctx().bank().local_get(FUEL).callHelper(serve);
    this.local_tee(FUEL).i32_const(0).i32_lt_s().unlikely().if_();
    return this.local_get(FUEL).i64_const(NOWHERE).return_().end();
  }
  trap(code: number): this {
    return this.i32_const(code).local_set(this.#cause).br(this.#trapped);
  }
  trapIf(code: number): this {
    this.unlikely().if_();
    return this.trap(code).end();
  }
  trapIfFault(code: number): this {
    return this.trapIf(code);
  }

  pc(): this {
    return this.#currentPc();
  }
  nextPc(): this {
    return this.#currentPc().local_get(this.#len).i64_extend_i32_u().i64_add();
  }
  branch(condition: () => void): this {
    condition();
    this.if_();
    this.#markWay(1).#relativeJump();
    return this.end().#markWay(0);
  }
  /** A bit more in the mark for each time, until it has eight: pages are often away only until they are first written. */
  protected override noteHome(delta: () => void): void {
    const at = this.temp(I32);
    delta();
    this.bank().i32_load(BANK_HOME).i32_ne().unlikely().if_();
    this.local_get(this.#ip)
      .i32_const(BRANCH_BYTES - 2)
      .i32_and()
      .local_tee(at);
    this.local_get(at).i32_load8_u(AWAY_MARKS).i32_const(1).i32_shl().i32_const(1).i32_or();
    this.i32_store8(AWAY_MARKS).end();
  }
  /** See jit/ways.ts. */
  #markWay(taken: 0 | 1): this {
    this.local_get(this.#ip)
      .i32_const(BRANCH_BYTES - 2)
      .i32_and();
    return this.i32_const(1).i32_store8(BRANCH_MARKS + taken);
  }
  jump(): this {
    return this.#relativeJump();
  }
  /**
   * A forward jump that does not link is a long step; others go by the jump cache. The
   * opcode of jal with rd in bits 7..11 tells a call; in a branch those bits are immediate.
   */
  #relativeJump(): this {
    const offset = this.#heat;
    // A jump to itself is a loop too: it must burn fuel.
    this.immw().local_tee(offset).i32_const(1).i32_lt_s();
    if (this.#immKind === "J") this.field(7, 31).i32_or();
    this.if_();
    this.#currentPc().local_get(offset).i64_extend_i32_s().i64_add().local_set(this.#pc);
    if (this.#immKind === "J") this.#countCall();
    this.br(this.#jumped);
    this.end();
    return this.local_get(offset).local_set(this.#len).br(this.#advance);
  }
  jumpTo(target: () => void, link: boolean): this {
    target();
    this.local_set(this.#pc);
    if (link) this.setRd(() => this.nextPc());
    this.local_get(this.#word)
      .i32_const(RETURN_MASK)
      .i32_and()
      .i32_const(RETURN_MATCH)
      .i32_eq()
      .if_();
    this.#return();
    this.end();
    this.#countCall();
    this.bank().#currentPc().i64_store(BANK_SWITCH);
    this.bank()
      .local_get(this.#pc)
      .i64_store(BANK_SWITCH + 8);
    return this.br(this.#jumped);
  }
  /** One more call if the jump at hand is one; nothing is lost if it never returns. */
  #countCall(): void {
    this.local_get(this.#word).i32_const(CALL_MASK).i32_and().i32_const(CALL_MATCH).i32_eq();
    this.local_get(this.#calls).i32_add().local_set(this.#calls);
  }

  /** Back to code that was being interpreted, or to the compiled caller; with neither it is a jump. */
  #return(): void {
    this.local_get(this.#calls).if_();
    this.local_get(this.#calls).i32_const(1).i32_sub().local_set(this.#calls);
    this.br(this.#refetch);
    this.end();
    this.local_get(DEPTH).if_();
    this.local_get(FUEL).local_get(this.#pc).return_();
    this.end();
  }

  fenceI(): this {
    // Compiled callers that wait may be of the code that was written: none is returned to.
    this.nextPc()
      .local_set(this.#pc)
      .#leave(() => this.i32_const(TRAP_FUEL));
    return this;
  }
}
