/**
 * Settings of V8 that generated code is better off with. They are hints: everything works without.
 */
import { setFlagsFromString } from "node:v8";

/**
 * Before the kernel's Worker is started. The young generation begins with room for a whole start, which saves four
 * collections. This is one of the few settings that compiled code does not depend on, see below.
 */
export function tuneHeap(): void {
  setFlagsFromString("--min-semi-space-size=16");
}

/**
 * V8 puts small functions where a WebAssembly function calls them often, as long as that function stays
 * within a budget of 5000 nodes. Regions with some hundred memory accesses need more: without it their
 * TLB lookups (machine/mmu/lookup.ts) stay calls, and programs run up to twice as long.
 *
 * From here on V8 takes no compiled form of a script that was made with other settings, and so none of Node's
 * own modules, which take three times as long to load then: this comes after them, and before our script.
 */
export function tuneEngine(): void {
  setFlagsFromString("--wasm-inlining-budget=50000");
}

/**
 * With `tuneEngine`, where nothing has run any WebAssembly yet: V8 dies of functions that were compiled before and
 * after. Baseline code would note whom each indirect call calls, for the optimising compiler to copy it to the caller:
 * a guest's calls are all indirect, and what they call hardly ever fits; programs with much code that is warm spend a
 * seventh of their time on notes.
 */
export function tuneIndirectCalls(): void {
  // Older engines make no notes, and say that they do not know the setting.
  if (Number.parseInt(process.versions.node, 10) < 24) return;
  setFlagsFromString("--no-wasm-inlining-call-indirect");
}
