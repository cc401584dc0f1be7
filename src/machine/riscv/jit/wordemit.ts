/**
 * Lets a body that is written for 64 bits be emitted for 32: between `inWords` and the end of what it is given, operands
 * are i32, and so is each operation of those that mean the same for sign-extended values.
 */
import { FuncEmit } from "../locals.ts";

export abstract class WordEmit extends FuncEmit {
  #inWords = false;
  #comparesToWord = false;

  /** Operands are pushed as i32. */
  protected get isInWords(): boolean {
    return this.#inWords;
  }

  /** Emits what `value` does with 32 bits if `is`; of a comparison, the result stays i32 in any case if `compares`. */
  protected inWords(is: boolean, value: () => void, compares = false): void {
    this.#inWords = is;
    this.#comparesToWord = compares;
    value();
    this.#inWords = false;
    this.#comparesToWord = false;
  }

  /** Takes the i32 on the stack to i64: of many that are not negative V8 knows that this takes no instruction. */
  protected extended(isNatural: boolean): this {
    return isNatural ? super.i64_extend_i32_u() : this.i64_extend_i32_s();
  }

  override i64_add(): this {
    return this.#inWords ? this.i32_add() : super.i64_add();
  }
  override i64_and(): this {
    return this.#inWords ? this.i32_and() : super.i64_and();
  }
  override i64_or(): this {
    return this.#inWords ? this.i32_or() : super.i64_or();
  }
  override i64_xor(): this {
    return this.#inWords ? this.i32_xor() : super.i64_xor();
  }
  override i64_shr_u(): this {
    return this.#inWords ? this.i32_shr_u() : super.i64_shr_u();
  }
  override i64_shr_s(): this {
    return this.#inWords ? this.i32_shr_s() : super.i64_shr_s();
  }
  override i64_eq(): this {
    return this.#inWords ? this.i32_eq() : super.i64_eq();
  }
  override i64_ne(): this {
    return this.#inWords ? this.i32_ne() : super.i64_ne();
  }
  override i64_lt_s(): this {
    return this.#inWords ? this.i32_lt_s() : super.i64_lt_s();
  }
  override i64_lt_u(): this {
    return this.#inWords ? this.i32_lt_u() : super.i64_lt_u();
  }
  override i64_ge_s(): this {
    return this.#inWords ? this.i32_ge_s() : super.i64_ge_s();
  }
  override i64_ge_u(): this {
    return this.#inWords ? this.i32_ge_u() : super.i64_ge_u();
  }
  override i64_extend_i32_u(): this {
    return this.#inWords || this.#comparesToWord ? this : super.i64_extend_i32_u();
  }

  override i64_load8_s(offset = 0): this {
    return this.#inWords ? this.i32_load8_s(offset) : super.i64_load8_s(offset);
  }
  override i64_load8_u(offset = 0): this {
    return this.#inWords ? this.i32_load8_u(offset) : super.i64_load8_u(offset);
  }
  override i64_load16_s(offset = 0): this {
    return this.#inWords ? this.i32_load16_s(offset) : super.i64_load16_s(offset);
  }
  override i64_load16_u(offset = 0): this {
    return this.#inWords ? this.i32_load16_u(offset) : super.i64_load16_u(offset);
  }
  override i64_load32_s(offset = 0): this {
    return this.#inWords ? this.i32_load(offset) : super.i64_load32_s(offset);
  }
}
