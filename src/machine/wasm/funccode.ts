/**
 * A function that can be put into any module, as object files have them: where it calls others there is room for their
 * numbers, a LEB128 of full length. All else that it knows of a module are the numbers of types.
 *
 * Source: WebAssembly tool conventions, linking (R_WASM_FUNCTION_INDEX_LEB).
 */
import type { Asm, ValType } from "./asm.ts";
import { ByteSink } from "./bytes.ts";

/** What a body calls without knowing its number. */
export interface FuncSymbol {
  readonly name: string;
  readonly params: readonly ValType[];
  readonly results: readonly ValType[];
}

/** Where the number of a function belongs; null is the function itself. */
export interface FuncRef {
  readonly at: number;
  readonly to: FuncSymbol | null;
}

export interface FuncCode {
  /** Its locals, its instructions and the final `end`. */
  readonly bytes: Uint8Array;
  /** As Asm's, by position in `bytes`. */
  readonly hints: readonly number[];
  readonly refs: readonly FuncRef[];
}

const INDEX_BYTES = 5;
/** The room for a number. */
export const NO_INDEX = new Uint8Array(INDEX_BYTES);

/** `locals` are the types after the parameters; the body lacks its final `end`. */
export function funcCode(locals: readonly ValType[], body: Asm): FuncCode {
  const s = localsOf(locals);
  const start = s.len;
  s.bytes(body.view()).byte(0x0b);
  return {
    bytes: s.view(),
    hints: body.hints.map((v, i) => (i % 2 === 0 ? v + start : v)),
    refs: body.refs.map(({ at, to }) => ({ at: at + start, to })),
  };
}

/** The same with the numbers filled in. */
export function placed(
  { bytes, hints, refs }: FuncCode,
  indexOf: (to: FuncSymbol | null) => number,
): FuncCode {
  const own = bytes.slice();
  for (const { at, to } of refs) setIndex(own, at, indexOf(to));
  return { bytes: own, hints, refs: [] };
}

function setIndex(code: Uint8Array, at: number, index: number): void {
  for (let i = 0; i < INDEX_BYTES; i++) {
    code[at + i] = ((index >>> (7 * i)) & 0x7f) | (i < INDEX_BYTES - 1 ? 0x80 : 0);
  }
}

/** The declaration of a function's locals: runs of equal types. */
function localsOf(types: readonly ValType[]): ByteSink {
  const runs: [number, ValType][] = [];
  for (const t of types) {
    const last = runs.at(-1);
    if (last && last[1] === t) last[0]++;
    else runs.push([1, t]);
  }
  const s = new ByteSink().u32(runs.length);
  for (const [n, t] of runs) s.u32(n).byte(t);
  return s;
}
