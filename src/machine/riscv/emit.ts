/**
 * What an instruction's semantic body is written against.
 *
 * A body pushes operands, computes on WebAssembly's stack and hands results back:
 *
 *     add: (e) => e.setRd(() => e.rs1().rs2().i64_add())
 *
 * It runs once per tier: when the interpreter is generated, operands are fields of the
 * instruction word at run time; in the JIT they are known, and registers are locals; in
 * the probe (traits.ts) it only tells which operands it touches. So a body must not
 * depend on anything but `e`, and every path through it must emit balanced code.
 *
 * Rules: `value` callbacks push exactly one value of the stated type; they may be called
 * more than once (fast and slow path), so they only push. Read all sources before a
 * `set`, for rd may be the same register. A trap or a fault must come before the first `set`.
 */
import { Asm, type F32, F64, type ValType } from "../wasm/asm.ts";
import type { Helper } from "./helper.ts";

export abstract class Emit extends Asm {
  /** Integer sources, i64. */
  abstract rs1(): this;
  abstract rs2(): this;
  /** The immediate of the instruction's format, sign-extended to i64. */
  abstract imm(): this;
  /** rd := i64. Writes to x0 vanish. */
  abstract setRd(value: () => void): this;

  /** The low halves, i32. */
  rs1w(): this {
    return this.rs1().i32_wrap_i64();
  }
  rs2w(): this {
    return this.rs2().i32_wrap_i64();
  }
  immw(): this {
    return this.imm().i32_wrap_i64();
  }
  /** rd := sign-extended i32. */
  setRdW(value: () => void): this {
    return this.setRd(() => {
      value();
      this.i64_extend_i32_s();
    });
  }

  /** Double-precision sources, f64. */
  abstract frs1(): this;
  abstract frs2(): this;
  abstract frs3(): this;
  /** Single-precision sources, f32, unboxed: one that is not NaN-boxed reads as the canonical NaN. */
  abstract frs1s(): this;
  abstract frs2s(): this;
  abstract frs3s(): this;
  /** Whole f registers as bits, i64. */
  abstract frs1bits(): this;
  abstract frs2bits(): this;
  abstract frs3bits(): this;
  /** frd := f64, f32 (NaN-boxed here), or bits (i64). */
  abstract setFrd(value: () => void): this;
  abstract setFrdS(value: () => void): this;
  abstract setFrdBits(value: () => void): this;

  /** True where f registers are vectors of which the first lane counts: then `frsv` and `setFrdV` are there. */
  hasVectors(): boolean {
    return false;
  }
  /** A source f register as it is, v128. */
  frsv(_source: 1 | 2 | 3): this {
    throw new RangeError("f registers are no vectors here");
  }
  /** frd := v128. */
  setFrdV(_value: () => void): this {
    throw new RangeError("f registers are no vectors here");
  }
  /** frd := the double at rs1 + imm. */
  loadFrd(): this {
    return this.setFrd(() => this.load(8, (at) => this.f64_load(at), F64));
  }
  /** Stores the low `bytes` of frs2 at rs1 + imm. */
  storeFrs2(bytes: 4 | 8): this {
    return this.store(bytes, () => this.frs2bits());
  }

  /** True when it is known while emitting that rs2 is rs1: then sign injection is a move. */
  sourcesAreSame(): boolean {
    return false;
  }

  /** The rounding mode, i32: the rm field, or frm where that says dynamic. 5..7 are illegal. */
  abstract rm(): this;
  /** The rm field where it is known while emitting (7 = dynamic); undefined in the interpreter. */
  abstract staticRm(): number | undefined;

  /** True where CTX_FPSLOW is known to be 0. */
  isFpOpen(): boolean {
    return false;
  }
  /**
   * True where NX is known to be accrued and frm to be round-to-nearest, and where a body may
   * doubt what it does: then all since the last store or jump is done again, with care.
   */
  isOptimistic(): boolean {
    return false;
  }
  /** Doubts if the i32 on the stack is nonzero. */
  doubtIf(): this {
    throw new RangeError("careful code has no doubts");
  }
  /** A local for a result that `setTrusted` takes: a v128 for a double, f32 for a single. */
  resultLocal(type: ValType): number {
    return this.temp(type);
  }
  /**
   * frd := a double (F64, as the first lane of a v128) or single (F32) in a local, which must turn out to be
   * finite, or is "sure" to be. If it is, so are the sources that `passes` lists.
   */
  setTrusted(
    _local: number,
    _type: typeof F32 | typeof F64,
    _passes: readonly (1 | 2 | 3)[] | "sure",
  ): this {
    throw new RangeError("careful code trusts nothing");
  }
  /** True if a source, taken for an f64 or f32, is finite, or will be found not to be. */
  isTrusted(_source: 1 | 2 | 3, _type: typeof F32 | typeof F64): boolean {
    return false;
  }
  /** Behind what may have changed fcsr, at the end of a body. */
  fcsrWritten(): this {
    return this;
  }

  /** Address of the context (layout.ts CTX_*), i32. */
  abstract ctx(): this;
  /** A scratch local for the rest of this instruction. */
  abstract temp(type: ValType): number;
  /** Calls a helper with what is on the stack. */
  abstract callHelper(helper: Helper): this;
  /** The instruction word's bits shifted and masked, i32: for fields no other method covers. */
  abstract field(shift: number, mask: number): this;
  /** The same as a number where it is known while emitting; undefined in the interpreter. */
  staticField(_shift: number, _mask: number): number | undefined {
    return undefined;
  }

  /** Has the kernel serve a system call, and goes on behind it if that may be. Ends the body. */
  abstract ecall(): this;
  /** Traps at this instruction (traps.ts) with nothing changed. Ends the body. */
  abstract trap(code: number): this;
  /** Traps if the i32 on the stack is nonzero. */
  abstract trapIf(code: number): this;

  /**
   * Loads `bytes` at rs1 + imm: `op` turns the physical address on the stack (i32) into the value,
   * with one load of that size and offset 0. Leaves the value on the stack.
   */
  abstract load(bytes: number, op: (offset: number) => void, type?: ValType): this;
  /** Stores the low `bytes` of `value` (i64) at rs1 + imm. */
  abstract store(bytes: number, value: () => void): this;
  /**
   * The physical address (i32, on the stack) for an atomic of `bytes` at rs1, writable unless
   * `readOnly`; TRAP_MISALIGNED unless aligned.
   */
  abstract atomicAddr(bytes: number, readOnly?: boolean): this;

  /** Address of this instruction and of the next, i64. */
  abstract pc(): this;
  abstract nextPc(): this;
  /** Goes to pc + imm if `condition` (i32) holds, else on. Ends the body. */
  abstract branch(condition: () => void): this;
  /** Goes to pc + imm. Ends the body. */
  abstract jump(): this;
  /** Goes to an address (i64). `value` is called before anything is changed. Ends the body. */
  abstract jumpTo(target: () => void, link: boolean): this;
  /** Lets code that was written become visible: fence.i. Ends the body. */
  abstract fenceI(): this;
}
