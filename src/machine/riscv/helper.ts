/**
 * Functions that instruction bodies call: out-of-line WebAssembly, or imports from the host.
 *
 * A helper is a value; a body calls it with `e.callHelper(helper)`. Which helpers exist is
 * discovered by running every body once (traits.ts), so there is no list to keep.
 */
import { type Asm, I32, type ValType } from "../wasm/asm.ts";

export interface Helper {
  /** Unique among helpers; also the import name. */
  readonly name: string;
  readonly params: readonly ValType[];
  readonly results: readonly ValType[];
  /** Types of the locals after the parameters. */
  readonly locals?: readonly ValType[];
  /** Writes the function's body; absent for an import that the host provides. */
  readonly body?: (a: Asm, call: (h: Helper) => void) => void;
  /** Every compiled module has its own copy. */
  readonly isLocal?: boolean;
  /** Helpers that the body calls. */
  readonly uses?: readonly Helper[];
}

/**
 * (context, bank, fuel) → fuel to go on with behind the ecall at the context's pc, or the complement
 * of the trap to come out with: registers and pc are in the context before and after. Provided by the host.
 */
export const serve: Helper = { name: "serve", params: [I32, I32, I32], results: [I32] };
