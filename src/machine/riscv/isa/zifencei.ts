/**
 * Zifencei: makes stores to instruction memory visible to fetches.
 *
 * Stores to translated pages already drop the translations (the write TLB never holds
 * such a page), so there is nothing left to do but to leave the compiled code that may
 * be older than the store. Source: The RISC-V Instruction Set Manual, Volume I.
 */
import { BARE, type Insn, insn } from "./insn.ts";

export const ZIFENCEI_INSNS: readonly Insn[] = [
  insn("fence.i", BARE(0x0f, 1), "", (e) => e.fenceI()),
];
