/**
 * How the interpreter comes to compiled code: each jump that counts is a visit of its target (heat.ts), and a target
 * that was visited often may have a region, found by the jump cache or made by the translator.
 */
import { BANK_JUMP, CTX_PC, HEAT_BESIDE, HEAT_TABLE } from "../layout.ts";
import { TRAP_FUEL } from "../traps.ts";
import { I32, I64, type Label } from "../wasm/asm.ts";
import { emitIsOfAnother } from "./heat.ts";
import type { Helper } from "./helper.ts";
import { visit } from "./hostcalls.ts";
import { JUMP_BESIDE } from "./jumpcache.ts";
import { emitHeatOffset, emitJumpOffset } from "./pchash.ts";
import { WordEmit } from "./wordops.ts";

/** Visits of a jump target before the translator hears of it, if that is not hot before: most of a program's never get so far. */
const FIRST_REPORT = 16;

// Parameters of the interpreter's function, after the context.
export const BANK = 1;
export const FUEL = 2;
export const DEPTH = 3;

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

export abstract class EntranceEmit extends WordEmit {
  protected readonly options: InterpOptions;
  // Locals: the last three are for whoever needs one in between.
  /** Where a jump goes, i64. */
  protected readonly target = this.newLocal(I64);
  /** Guest calls that were interpreted here and have not returned. */
  protected readonly calls = this.newLocal(I32);
  protected readonly handler = this.newLocal(I32);
  protected readonly slot = this.newLocal(I32);
  protected readonly heat = this.newLocal(I32);

  constructor(options: InterpOptions) {
    super();
    this.options = options;
  }

  /** Ends at `target` with a trap's number. */
  protected abstract leave(trap: () => void): void;

  /** Burns fuel for a jump to `target`; enters compiled code, or counts the visit. */
  protected visitJumpCache(): void {
    this.local_get(FUEL).i32_const(1).i32_sub().local_tee(FUEL);
    this.i32_const(0).i32_lt_s().unlikely().if_();
    this.leave(() => this.i32_const(TRAP_FUEL));
    this.end();
    if (this.options.threshold === Number.POSITIVE_INFINITY) return;
    const isCold = this.block();
    const isKnown = this.block();
    this.#countVisit(isKnown);
    this.br(isCold);
    this.end(); // isKnown
    this.#enterRegion();
    this.end(); // isCold
  }

  /** Looks `target` up in the jump cache: sets `handler` if it is there. */
  #lookUp(isKnown: Label): void {
    this.bank().local_get(this.target).i32_wrap_i64();
    emitJumpOffset(this, this.slot).i32_add().local_set(this.slot);
    for (const isBeside of [false, true]) {
      if (isBeside) this.local_get(this.slot).i32_const(JUMP_BESIDE).i32_xor().local_set(this.slot);
      this.local_get(this.slot).i64_load(BANK_JUMP).local_get(this.target).i64_eq();
      this.if_();
      this.local_get(this.slot)
        .i32_load(BANK_JUMP + 8)
        .local_tee(this.handler)
        .br_if(isKnown);
      this.end();
    }
  }

  /**
   * Goes on in the function whose number is in `handler`. Inside a guest function that this interpreter
   * called itself, that is a call: it comes back when the guest function returns.
   */
  #enterRegion(): void {
    const { regionType, maxDepth } = this.options;
    this.ctx().local_get(this.target).i64_store(CTX_PC);
    this.local_get(this.calls).i32_const(0).i32_ne();
    this.local_get(DEPTH).i32_const(maxDepth).i32_lt_u().i32_and().if_();
    this.ctx().bank().local_get(FUEL).local_get(DEPTH).i32_const(1).i32_add();
    this.local_get(this.handler).call_indirect(regionType);
    this.local_set(this.target).local_tee(FUEL).i32_const(0).i32_lt_s().unlikely().if_();
    this.local_get(FUEL).local_get(this.target).return_().end();
    this.local_get(this.calls).i32_const(1).i32_sub().local_set(this.calls);
    this.else_();
    this.ctx().bank().local_get(FUEL).local_get(DEPTH).local_get(this.handler);
    this.return_call_indirect(regionType);
    this.end();
  }

  /**
   * Counts a visit of `target` (heat.ts); the translator hears of powers of two from FIRST_REPORT on, and of all past the threshold. Only what is
   * past that can have a region, so nothing else is looked up.
   */
  #countVisit(isKnown: Label): void {
    const { threshold, indexOf } = this.options;
    const [bucket, low] = [this.handler, this.slot];
    this.local_get(this.target).i32_wrap_i64();
    emitHeatOffset(this, low).local_set(bucket);
    this.#countIn(HEAT_TABLE, bucket);
    this.else_();
    emitIsOfAnother(this, () => this.local_get(this.heat).i32_const(1).i32_sub(), low);
    this.if_();
    this.#countIn(HEAT_TABLE + HEAT_BESIDE, bucket);
    this.end();
    this.else_();
    this.#lookUp(isKnown);
    this.end();
    this.end();
    this.local_get(this.heat).local_get(this.heat).i32_const(1).i32_sub();
    this.i32_const(FIRST_REPORT - 1)
      .i32_or()
      .i32_and()
      .i32_eqz();
    this.local_get(this.heat).i32_const(threshold).i32_ge_u();
    this.i32_or().unlikely().if_();
    this.bank().local_get(this.target).f64_convert_i64_u().local_get(this.heat);
    this.call(indexOf(visit));
    this.local_tee(this.handler).br_if(isKnown);
    this.end();
  }

  /** Opens an if: `heat`, one more than a counter has, is below the threshold, and stored there. */
  #countIn(table: number, bucket: number): void {
    this.local_get(bucket).i32_load16_u(table).i32_const(1).i32_add().local_tee(this.heat);
    this.i32_const(this.options.threshold).i32_lt_u().if_();
    this.local_get(bucket).local_get(this.heat).i32_store16(table);
  }
}
