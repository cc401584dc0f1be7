/**
 * What interpreter and compiled code call of the translator and of each other, as helpers: compiled modules import them
 * by name.
 */
import { F64, I32, I64 } from "../wasm/asm.ts";
import type { Helper } from "./helper.ts";

/** The pc that comes with a trap: none that a caller may wait for. */
export const NOWHERE = -1;

/** (bank, pc, visits of its bucket) → function to enter, 0 for none: the translator's ear. Provided by the host. */
export const visit: Helper = { name: "visit", params: [I32, F64, I32], results: [I32] };

/** (bank, address of a region): it was in doubt, and has left. Provided by the host. */
export const doubted: Helper = { name: "doubted", params: [I32, F64], results: [] };

/**
 * (bank, address of a region, where in it): an access missed the TLB, or a branch went where the region does not
 * go, and it has left. Provided by the host.
 */
export const missed: Helper = { name: "missed", params: [I32, F64, I32], results: [] };

/** As a region function: interprets from the context's pc on, without asking for a region there first. */
export const interpret: Helper = {
  name: "interpret",
  params: [I32, I32, I32, I32],
  results: [I32, I64],
};

/**
 * (ctx, bank, fuel, depth, pc), like a region function: goes on at pc, in a region if the jump cache has one there; a
 * trap is passed on.
 */
export const proceed: Helper = {
  name: "proceed",
  params: [I32, I32, I32, I32, I64],
  results: [I32, I64],
};
