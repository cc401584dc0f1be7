/**
 * Moving and clearing stretches of physical memory: WebAssembly's own memory.copy and memory.fill.
 *
 * Typed arrays on shared memory copy word by word with atomics and need an array object for each
 * window; these cost 7 ns and run at the host's full speed (a page: 43 ns against 96). They are not
 * atomic, as memcpy(3) is not: who moves memory that another hart writes gets some mixture of bytes.
 */
import { Asm, I32 } from "./wasm/asm.ts";
import { ModuleBuilder } from "./wasm/module.ts";

export interface BulkMemory {
  /** Moves `length` bytes; the two stretches may overlap. */
  copy(to: number, from: number, length: number): void;
  zero(at: number, length: number): void;
}

/** `wasmPages` is the exact size of `memory`, in 64 KiB. */
export function bulkMemory(memory: WebAssembly.Memory, wasmPages: number): BulkMemory {
  const module = new ModuleBuilder();
  module.importMemory("memory", wasmPages, wasmPages);
  const copy = new Asm().local_get(0).local_get(1).local_get(2).memory_copy();
  module.func(module.type([I32, I32, I32], []), [], copy, "copy");
  const zero = new Asm().local_get(0).i32_const(0).local_get(1).memory_fill();
  module.func(module.type([I32, I32], []), [], zero, "zero");
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.build()), {
    e: { memory },
  });
  return instance.exports as unknown as BulkMemory;
}
