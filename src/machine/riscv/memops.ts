/**
 * How the interpreter reaches memory: the TLB probe, inline.
 *
 * One compare of the distance to the window's last address with its length answers mapping, permission
 * and bounds; what fails it goes out of line (mmu/access.ts). Compiled code has mmu/lookup.ts.
 */
import { BANK_READ, BANK_WRITE } from "../layout.ts";
import { loadSlow, storeOf, storeSlow } from "../mmu/access.ts";
import { distance, lengthOf, tlbEntry } from "../mmu/lookup.ts";
import { refill } from "../mmu/refill.ts";
import { TRAP_FAULT_READ, TRAP_FAULT_WRITE, TRAP_MISALIGNED } from "../traps.ts";
import { I32, I64, type ValType } from "../wasm/asm.ts";
import { FuncEmit } from "./locals.ts";

/** The bank is the second parameter. */
const BANK = 1;

export abstract class MemEmit extends FuncEmit {
  load(bytes: number, op: (offset: number) => void, type: ValType = I64): this {
    this.probe(
      BANK_READ,
      () => this.rs1().imm().i64_add(),
      type,
      (va) => {
        this.bank().local_get(va).i32_const(bytes).callHelper(loadSlow);
        this.orFault(TRAP_FAULT_READ);
        op(0);
      },
      () => op(0),
    );
    return this;
  }

  store(bytes: number, value: () => void): this {
    this.probe(
      BANK_WRITE,
      () => this.rs1().imm().i64_add(),
      undefined,
      (va) => {
        this.bank().local_get(va);
        value();
        this.i32_const(bytes).callHelper(storeSlow);
        this.i32_eqz().trapIfFault(TRAP_FAULT_WRITE);
      },
      () => {
        value();
        storeOf(this, bytes);
      },
    );
    return this;
  }

  atomicAddr(bytes: number, readOnly = false): this {
    this.rs1w()
      .i32_const(bytes - 1)
      .i32_and();
    this.trapIf(TRAP_MISALIGNED);
    this.probe(
      readOnly ? BANK_READ : BANK_WRITE,
      () => this.rs1(),
      I32,
      (va) => {
        this.bank()
          .local_get(va)
          .i32_const(readOnly ? 0 : 1)
          .callHelper(refill);
        this.orFault(readOnly ? TRAP_FAULT_READ : TRAP_FAULT_WRITE);
      },
    );
    return this;
  }

  /** Leaves the run with a fault if the i32 on the stack is nonzero; the bank knows the address. */
  abstract trapIfFault(code: number): this;

  /** Passes the physical address on the stack on, unless it is 0: then faults. */
  protected orFault(code: number): this {
    const pa = this.temp(I32);
    this.local_tee(pa).i32_eqz().trapIfFault(code);
    return this.local_get(pa);
  }

  /**
   * Looks `address` up: `use` finds the physical address (i32) on the stack and leaves a `type`, if any;
   * so must `miss`, which finds nothing, or not come back.
   */
  protected probe(
    part: number,
    address: () => void,
    type: ValType | undefined,
    miss: (va: number) => void,
    use: () => void = () => {},
  ): void {
    const [va, entry, delta] = [this.temp(I64), this.temp(I32), this.temp(I64)];
    address();
    this.local_tee(va);
    tlbEntry(this, BANK).local_set(entry);
    distance(this, va, entry, part);
    lengthOf(this, entry, part).i64_ge_u().unlikely().if_(type);
    miss(va);
    this.else_();
    // As 64 bits: V8 would merge the load into the comparison, and make it again.
    this.local_get(entry)
      .i64_load32_u(part + 8)
      .local_set(delta);
    this.noteHome(delta);
    this.local_get(delta).local_get(va).i64_add().i32_wrap_i64();
    use();
    this.end();
  }

  /** Marks the instruction if its page is not at home: `delta` (i64) has how far it is. See jit/away.ts. */
  protected abstract noteHome(delta: number): void;
}
