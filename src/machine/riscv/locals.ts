/**
 * An emitter of whole functions: gives out WebAssembly locals, for good or for one instruction.
 */
import type { ValType } from "../wasm/asm.ts";
import { Emit } from "./emit.ts";

export abstract class FuncEmit extends Emit {
  /** Types of the locals after the parameters. */
  readonly localTypes: ValType[] = [];
  /** Number of parameters of the function being made. */
  protected readonly params: number = 4;
  /** Scratch locals by type, and how many the current instruction has taken. */
  readonly #pool = new Map<ValType, number[]>();
  readonly #taken = new Map<ValType, number>();

  newLocal(type: ValType): number {
    return this.params + this.localTypes.push(type) - 1;
  }

  temp(type: ValType): number {
    let free = this.#pool.get(type);
    if (!free) {
      free = [];
      this.#pool.set(type, free);
    }
    const n = this.#taken.get(type) ?? 0;
    this.#taken.set(type, n + 1);
    if (n === free.length) free.push(this.newLocal(type));
    return free[n]!;
  }

  /** Gives all scratch locals back, between instructions. */
  releaseTemps(): void {
    this.#taken.clear();
  }

  /** Address of the bank, i32. */
  abstract bank(): this;
}
