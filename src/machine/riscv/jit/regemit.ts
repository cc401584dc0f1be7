/**
 * Where compiled code has the x registers, and how instructions read and set them.
 *
 * They live in i64 locals or, narrow, in i32 ones (widths.ts). What is done under a condition (hammock.ts) sets rd to what a select
 * takes of the new value and the old; what else is done under that condition goes on with the new one, which is there sooner.
 */
import { I32, I64 } from "../../wasm/asm.ts";
import { AccessEmit } from "./accessemit.ts";
import { type Op, rdOf, rs1Of, rs2Of } from "./graph.ts";
import { isConditional } from "./regs.ts";
import {
  follow,
  isDoneInWords,
  isNarrowAfter,
  kindOf,
  NARROW,
  NATURAL,
  unknownWidths,
  type Widths,
  widthOf,
  widthOfResult,
} from "./widths.ts";

/** Locals of what is done under a condition. Most regions have no such code. */
interface Guards {
  /** Whether the last branch that is none any more would have been taken. */
  readonly test: number;
  /** What a register held before it was written: see Op. */
  readonly aside: number;
  readonly asideWord: number;
}

/** What instructions under one condition made: locals by register. */
interface Made {
  readonly guard: Op["guard"];
  readonly locals: Map<number, number>;
}

export abstract class RegEmit extends AccessEmit {
  /** What is known of the registers before `op`, and behind what it sets. */
  widths: Widths = unknownWidths();
  readonly #x: number[] = [];
  readonly #words: number[] = [];
  #guards: Guards | undefined;
  #made: Made | undefined;
  readonly #madeX: number[] = [];
  readonly #madeWords: number[] = [];

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
  isNarrow(r: number): boolean {
    return (this.widths.narrow & (1 << r)) !== 0;
  }
  /** Where x[r], r > 0, is. */
  #local(r: number): number {
    return this.isNarrow(r) ? this.wordLocal(r) : this.xLocal(r);
  }
  override x(r: number): this {
    return r === 0 ? this.i64_const(0) : this.#whole(r, this.#local(r));
  }
  /** Pushes its low half, i32. */
  word(r: number): this {
    return r === 0 ? this.i32_const(0) : this.#low(r, this.#local(r));
  }
  /** The same of a register that `op` computes with. */
  #source(r: number): this {
    const made = this.#madeFor(r);
    return made === undefined ? this.x(r) : this.#whole(r, made);
  }
  #sourceWord(r: number): this {
    const made = this.#madeFor(r);
    return made === undefined ? this.word(r) : this.#low(r, made);
  }
  #whole(r: number, local: number): this {
    this.local_get(local);
    return this.isNarrow(r) ? this.extended((this.widths.natural & (1 << r)) !== 0) : this;
  }
  #low(r: number, local: number): this {
    this.local_get(local);
    return this.isNarrow(r) ? this : this.i32_wrap_i64();
  }
  /** Where what an instruction before under the same condition made for x[r] is, which need not wait for the select. */
  #madeFor(r: number): number | undefined {
    return this.#made && this.#made.guard === this.op.guard ? this.#made.locals.get(r) : undefined;
  }
  rs1(): this {
    return this.isInWords ? this.rs1w() : this.#source(rs1Of(this.op));
  }
  rs2(): this {
    return this.isInWords ? this.rs2w() : this.#source(rs2Of(this.op));
  }
  override rs1w(): this {
    return this.#sourceWord(rs1Of(this.op));
  }
  override rs2w(): this {
    return this.#sourceWord(rs2Of(this.op));
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
    const { op, widths } = this;
    const rd = rdOf(op);
    if (rd === 0) return this.drop();
    if (op.aside === "put") {
      this.local_get(this.#local(rd));
      this.local_set(this.#asideLocal(this.isNarrow(rd)));
    }
    if (isConditional(op)) this.#select(rd);
    follow(widths, op);
    return this.local_set(this.#local(rd));
  }

  /** Replaces what is on the stack for rd by what was there, if the condition does not hold. */
  #select(rd: number): void {
    const { op, widths } = this;
    const made = widthOfResult(op, widths);
    const kept = op.aside === "got" ? widths.aside : widthOf(rd, widths);
    const isNarrow = isNarrowAfter(op, widths);
    this.#fit(made, isNarrow).local_tee(this.#madeLocal(rd, isNarrow));
    if (op.aside === "got") this.local_get(this.#asideLocal((kept & NARROW) !== 0));
    else this.local_get(this.#local(rd));
    this.#fit(kept, isNarrow).local_get(this.#guardLocals().test);
    if (op.guard === "on") this.i32_eqz();
    this.select();
  }

  /** Takes a value of that width to i32 or i64. */
  #fit(width: number, isNarrow: boolean): this {
    if (isNarrow === ((width & NARROW) !== 0)) return this;
    return isNarrow ? this.i32_wrap_i64() : this.extended((width & NATURAL) === NATURAL);
  }

  #guardLocals(): Guards {
    this.#guards ??= {
      test: this.newLocal(I32),
      aside: this.newLocal(I64),
      asideWord: this.newLocal(I32),
    };
    return this.#guards;
  }
  #asideLocal(isNarrow: boolean): number {
    const { aside, asideWord } = this.#guardLocals();
    return isNarrow ? asideWord : aside;
  }

  /** A local for what `op` makes for rd under its condition. */
  #madeLocal(rd: number, isNarrow: boolean): number {
    const { guard } = this.op;
    if (this.#made?.guard !== guard) this.#made = { guard, locals: new Map() };
    const pool = isNarrow ? this.#madeWords : this.#madeX;
    pool[rd] ??= this.newLocal(isNarrow ? I32 : I64);
    this.#made!.locals.set(rd, pool[rd]);
    return pool[rd];
  }

  /** Keeps the i32 that `test` pushes for what is done under that condition, or its opposite. */
  protected noteTest(test: () => void): this {
    test();
    this.#made = undefined;
    return this.local_set(this.#guardLocals().test);
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
      if (isToNarrow) this.word(r).local_set(this.wordLocal(r));
    }
    this.widen(registers & ~narrow);
    this.widths.narrow = narrow;
  }
}
