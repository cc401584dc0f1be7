/**
 * Settings of V8 that generated code is better off with. They are hints: everything works without.
 */
import { setFlagsFromString } from "node:v8";

/**
 * V8 puts small functions where a WebAssembly function calls them often, as long as that function stays
 * within a budget of 5000 nodes. Regions with some hundred memory accesses need more: without it their
 * TLB lookups (machine/mmu/lookup.ts) stay calls, and programs run up to twice as long.
 */
export function tuneEngine(): void {
  setFlagsFromString("--wasm-inlining-budget=50000");
}

/**
 * For a program that is nothing but vkernel, before anything else. The young generation begins with room for
 * a whole start, which saves four collections. And baseline code would note whom each indirect call calls, for the
 * optimising compiler to copy it to the caller: a guest's calls are all indirect, and what they call hardly
 * ever fits; programs with much code that is warm spend a seventh of their time on notes.
 *
 * V8 dies of functions that were compiled before and after, so this is not for who may have run WebAssembly already.
 */
export function tuneProcess(): void {
  setFlagsFromString("--min-semi-space-size=8");
  setFlagsFromString("--no-wasm-inlining-call-indirect");
}
