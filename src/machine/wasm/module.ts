/**
 * Builds the binary of one WebAssembly module: types, imports, functions, exports, branch hints.
 *
 * Imported functions come before defined ones in the index space, so all imports are
 * declared before the first function is added. Source: WebAssembly core specification §5.5.
 */
import { type Asm, F32, F64, I32, I64, V128, type ValType } from "./asm.ts";
import { ByteSink } from "./bytes.ts";
import { type FuncCode, type FuncSymbol, funcCode, placed } from "./funccode.ts";

/** Most 64 KiB pages that a 32-bit memory can have. */
export const MAX_MEMORY_PAGES = 65536;

export interface FuncType {
  readonly params: readonly ValType[];
  readonly results: readonly ValType[];
}

interface Func {
  readonly type: number;
  readonly code: FuncCode;
  readonly exported: string | undefined;
}

export class ModuleBuilder {
  readonly #types: FuncType[] = [];
  readonly #typeKeys = new Map<string, number>();
  readonly #imports = new ByteSink();
  #importCount = 0;
  #funcImports = 0;
  readonly #funcs: Func[] = [];

  /** Index of a function type, added on first use. */
  type(params: readonly ValType[], results: readonly ValType[]): number {
    const key = `${params.join()}>${results.join()}`;
    let i = this.#typeKeys.get(key);
    if (i === undefined) {
      i = this.#types.push({ params, results }) - 1;
      this.#typeKeys.set(key, i);
    }
    return i;
  }

  /** A shared memory of at least `min` and at most `max` pages of 64 KiB. */
  importMemory(name: string, min: number, max: number): void {
    this.#import(name).byte(2).byte(3).u32(min).u32(max);
  }

  importTable(name: string, elements: number): void {
    this.#import(name).byte(1).byte(0x70).byte(1).u32(elements).u32(elements);
  }

  /** Declares an imported function; its index. */
  importFunc(name: string, params: readonly ValType[], results: readonly ValType[]): number {
    const type = this.type(params, results);
    this.#import(name).byte(0).u32(type);
    return this.#funcImports++;
  }

  /** Adds a function: `locals` are the types after the parameters; the body lacks its final `end`. */
  func(type: number, locals: readonly ValType[], body: Asm, exported?: string): number {
    return this.#add({ type, code: funcCode(locals, body), exported });
  }

  /** Adds a function whose calls are of itself and of what `indexOf` knows. */
  place(
    type: number,
    code: FuncCode,
    indexOf: (to: FuncSymbol) => number,
    exported: string,
  ): number {
    const own = this.#funcImports + this.#funcs.length;
    const indexed = placed(code, (to) => (to === null ? own : indexOf(to)));
    return this.#add({ type, code: indexed, exported });
  }

  #add(func: Func): number {
    this.#funcs.push(func);
    return this.#funcImports + this.#funcs.length - 1;
  }

  build(): Uint8Array<ArrayBuffer> {
    const out = new ByteSink();
    out.bytes(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
    const sections: [number, (s: ByteSink) => void][] = [
      [1, (s) => this.#typeSection(s)],
      [2, (s) => s.u32(this.#importCount).bytes(this.#imports.view())],
      [3, (s) => this.#functionSection(s)],
      [7, (s) => this.#exportSection(s)],
      [0, (s) => this.#hintSection(s)],
      [10, (s) => this.#codeSection(s)],
    ];
    for (const [id, write] of sections) {
      const s = new ByteSink();
      write(s);
      out.byte(id).u32(s.len).bytes(s.view());
    }
    return out.buf.slice(0, out.len);
  }

  #import(name: string): ByteSink {
    this.#importCount++;
    return this.#imports.name("e").name(name);
  }

  #typeSection(s: ByteSink): void {
    s.u32(this.#types.length);
    for (const t of this.#types) {
      s.byte(0x60).u32(t.params.length);
      for (const p of t.params) s.byte(p);
      s.u32(t.results.length);
      for (const r of t.results) s.byte(r);
    }
  }

  #functionSection(s: ByteSink): void {
    s.u32(this.#funcs.length);
    for (const f of this.#funcs) s.u32(f.type);
  }

  #exportSection(s: ByteSink): void {
    const exported = this.#funcs.filter((f) => f.exported !== undefined);
    s.u32(exported.length);
    for (const f of exported) {
      s.name(f.exported ?? "")
        .byte(0)
        .u32(this.#funcImports + this.#funcs.indexOf(f));
    }
  }

  #hintSection(s: ByteSink): void {
    s.name("metadata.code.branch_hint");
    s.u32(this.#funcs.filter(({ code }) => code.hints.length > 0).length);
    this.#funcs.forEach(({ code: { hints } }, i) => {
      if (hints.length === 0) return;
      s.u32(this.#funcImports + i).u32(hints.length / 2);
      for (let k = 0; k < hints.length; k += 2)
        s.u32(hints[k]!)
          .byte(1)
          .byte(hints[k + 1]!);
    });
  }

  #codeSection(s: ByteSink): void {
    s.u32(this.#funcs.length);
    for (const { code } of this.#funcs) s.u32(code.bytes.length).bytes(code.bytes);
  }
}

/** A value type as the text format writes it. */
export function typeName(t: ValType): string {
  const names = { [I32]: "i32", [I64]: "i64", [F32]: "f32", [F64]: "f64", [V128]: "v128" };
  return names[t];
}
