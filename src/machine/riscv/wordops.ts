/**
 * Operands of the interpreter: fields of the instruction word, taken out of it at run time.
 *
 * A handler is made of a form, which says where they are. So the same body reads the fields of a 32-bit instruction
 * and those of the 16-bit one that abbreviates it.
 */
import { CTX_F, CTX_FRM, CTX_X } from "../layout.ts";
import { F32, I32 } from "../wasm/asm.ts";
import { longOperands, type Operands, type Reg } from "./isa/operandbits.ts";
import { MemEmit } from "./memops.ts";

const CTX = 0;
const BANK = 1;
const RS3: Reg = { at: 27, width: 5 };
/** x8, the first that a field of 3 bits names. */
const SHORT_BASE = 8 * 8;

/** What a handler is for. */
export interface Form {
  readonly operands: Operands;
  readonly len: 2 | 4;
  /** rd may be x0. */
  readonly mayBeX0: boolean;
}

export abstract class WordEmit extends MemEmit {
  protected readonly word = this.newLocal(I32);
  protected form: Form = { operands: longOperands("none"), len: 4, mayBeX0: true };

  ctx(): this {
    return this.local_get(CTX);
  }
  bank(): this {
    return this.local_get(BANK);
  }
  field(shift: number, mask: number): this {
    return this.local_get(this.word).i32_const(shift).i32_shr_u().i32_const(mask).i32_and();
  }

  /** Pushes an address from which the register's is as far as what this returns, less `CTX_X` or `CTX_F`. */
  #regAddr(reg: Reg): number {
    if (typeof reg === "number") {
      this.ctx();
      return 8 * reg;
    }
    this.#moved(reg.at - 3);
    this.i32_const((2 ** reg.width - 1) << 3)
      .i32_and()
      .ctx()
      .i32_add();
    return reg.width === 3 ? SHORT_BASE : 0;
  }
  /** Pushes the word, shifted so that its bit `by` is bit 0. */
  #moved(by: number): this {
    this.local_get(this.word);
    if (by > 0) this.i32_const(by).i32_shr_u();
    else if (by < 0) this.i32_const(-by).i32_shl();
    return this;
  }

  rs1(): this {
    return this.#loadX(this.form.operands.rs1);
  }
  rs2(): this {
    return this.#loadX(this.form.operands.rs2);
  }
  override rs1w(): this {
    return this.#loadXw(this.form.operands.rs1);
  }
  override rs2w(): this {
    return this.#loadXw(this.form.operands.rs2);
  }
  #loadX(reg: Reg): this {
    if (reg === 0) return this.i64_const(0);
    const offset = this.#regAddr(reg);
    return this.i64_load(CTX_X + offset);
  }
  #loadXw(reg: Reg): this {
    if (reg === 0) return this.i32_const(0);
    const offset = this.#regAddr(reg);
    return this.i32_load(CTX_X + offset);
  }
  /** x0 is written like the others and then made 0 again: cheaper than asking. */
  setRd(value: () => void): this {
    const { rd } = this.form.operands;
    if (rd === 0) return this;
    const offset = this.#regAddr(rd);
    value();
    this.i64_store(CTX_X + offset);
    return this.form.mayBeX0 ? this.ctx().i64_const(0).i64_store(CTX_X) : this;
  }

  imm(): this {
    this.immw();
    return this.form.operands.isSigned ? this.i64_extend_i32_s() : this.i64_extend_i32_u();
  }
  override immw(): this {
    const { imm, isSigned } = this.form.operands;
    if (imm.length === 0) return this.i32_const(0);
    imm.forEach(({ at, to, width }, i) => {
      if (i === 0 && isSigned) {
        // The sign comes to the left end and back.
        this.local_get(this.word);
        if (at + width < 32) this.i32_const(32 - at - width).i32_shl();
        if (to + width < 32) this.i32_const(32 - to - width).i32_shr_s();
        if (to > 0) this.i32_const(-1 << to).i32_and();
      } else {
        this.#moved(at - to);
        this.i32_const((2 ** width - 1) << to).i32_and();
      }
      if (i > 0) this.i32_or();
    });
    return this;
  }

  frs1(): this {
    return this.#loadF(this.form.operands.rs1);
  }
  frs2(): this {
    return this.#loadF(this.form.operands.rs2);
  }
  frs3(): this {
    return this.#loadF(RS3);
  }
  #loadF(reg: Reg): this {
    const offset = this.#regAddr(reg);
    return this.f64_load(CTX_F + offset);
  }
  frs1bits(): this {
    return this.#loadFbits(this.form.operands.rs1);
  }
  frs2bits(): this {
    return this.#loadFbits(this.form.operands.rs2);
  }
  frs3bits(): this {
    return this.#loadFbits(RS3);
  }
  #loadFbits(reg: Reg): this {
    const offset = this.#regAddr(reg);
    return this.i64_load(CTX_F + offset);
  }
  frs1s(): this {
    return this.#unboxed(this.form.operands.rs1);
  }
  frs2s(): this {
    return this.#unboxed(this.form.operands.rs2);
  }
  frs3s(): this {
    return this.#unboxed(RS3);
  }
  #unboxed(reg: Reg): this {
    const at = this.temp(I32);
    const offset = CTX_F + this.#regAddr(reg);
    this.local_tee(at).i32_load(offset + 4);
    this.i32_const(-1).i32_eq().if_(F32);
    this.local_get(at).f32_load(offset);
    this.else_().i32_const(0x7fc0_0000).f32_reinterpret_i32();
    return this.end();
  }
  setFrd(value: () => void): this {
    const offset = this.#regAddr(this.form.operands.rd);
    value();
    return this.f64_store(CTX_F + offset);
  }
  setFrdS(value: () => void): this {
    const { rd } = this.form.operands;
    const offset = CTX_F + this.#regAddr(rd);
    value();
    this.f32_store(offset);
    this.#regAddr(rd);
    return this.i32_const(-1).i32_store(offset + 4);
  }
  setFrdBits(value: () => void): this {
    const offset = this.#regAddr(this.form.operands.rd);
    value();
    return this.i64_store(CTX_F + offset);
  }

  rm(): this {
    this.ctx().i32_load(CTX_FRM).field(12, 7);
    this.field(12, 7).i32_const(7).i32_eq();
    return this.select();
  }
  staticRm(): undefined {
    return undefined;
  }
}
