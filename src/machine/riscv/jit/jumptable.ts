/**
 * Jump tables, as compilers make them of a `switch`: each entry is how far its code is from the table, which lies among the code.
 *
 *   slli r, index, 2; add r, r, base; lw r, 0(r); add r, r, base; jr r
 *
 * So where base is the table's address, the index alone says where control goes, and none of this has to be done. The address is
 * known from the block, or guessed from the code before the region, from where compilers move it out of loops: compiled
 * code asks whether it is that. What was read of the table belongs to the region as its instructions do: like them it has to be
 * executable, and to be the same wherever the region is found again. A table that the program may write to is left alone: stores change
 * data at once, but code that waits for a return would go on by what was read.
 */
import { immOf } from "../isa/insn.ts";
import { type Op, rdOf, rs1Of, rs2Of } from "./graph.ts";
import { writesOf } from "./regs.ts";

const MAX_ENTRIES = 256;
/** How far code may be from the table, bytes. */
const MAX_DISTANCE = 2 ** 20;
/** How far before a region its table's address is looked for, bytes. */
const MAX_BEFORE = 1024;

/** How far behind the shift the load is. */
export const LOAD = 2;

export interface JumpTable {
  /** Index in its block of the shift, from which on the rest can be left out. */
  readonly first: number;
  /** The register with the table's address. */
  readonly base: number;
  readonly va: number;
  /** The index is the low half of a register alone. */
  readonly isWord: boolean;
  /** Where control goes, by index. */
  readonly targets: readonly number[];
}

/** What is needed of the code around. */
export interface Surroundings {
  readonly entry: number;
  /** All instructions of the region. */
  readonly ops: ReadonlyMap<number, Op>;
  /** 32 bits of executable memory that is not writable, at an even address; undefined where there is none. */
  word(va: number): number | undefined;
}

/** The table that the jump at the end of a block goes by, if it is of that form. */
export function jumpTableOf(ops: readonly Op[], around: Surroundings): JumpTable | undefined {
  const first = ops.length - 5;
  const [shift, toEntry, load, toCode, jump] = ops.slice(-5);
  if (!shift || !toEntry || !load || !toCode || !jump || jump.imm !== 0) return undefined;
  const r = rs1Of(jump);
  const base = otherSource(toEntry, r);
  const isForm =
    r !== 0 &&
    base !== undefined &&
    base !== 0 &&
    base !== r &&
    otherSource(toCode, r) === base &&
    load.insn.name === "lw" &&
    load.imm === 0 &&
    rdOf(load) === r &&
    rs1Of(load) === r &&
    rdOf(shift) === r;
  if (!isForm) return undefined;
  const isWord = isWordShift(shift);
  if (!isWord && !(shift.insn.name === "slli" && shift.imm === 2)) return undefined;
  const va = addressIn(ops.slice(0, first), base) ?? guess(base, around);
  if (va === undefined || va % 4 !== 0) return undefined;
  const targets: number[] = [];
  while (targets.length < MAX_ENTRIES) {
    const distance = around.word(va + targets.length * 4);
    if (distance === undefined || distance % 2 !== 0 || Math.abs(distance) > MAX_DISTANCE) break;
    targets.push(va + distance);
  }
  return targets.length === 0 ? undefined : { first, base, va, isWord, targets };
}

/** What `op` adds to register `r`. */
function otherSource(op: Op, r: number): number | undefined {
  if (op.insn.name !== "add" || rdOf(op) !== r) return undefined;
  if (rs1Of(op) === r) return rs2Of(op);
  return rs2Of(op) === r ? rs1Of(op) : undefined;
}

/** The low half of a register times four: what fuse.ts makes of a shift up by 32 and down by 30. */
const isWordShift = ({ insn, word }: Op): boolean =>
  insn.name === "shiftu" && ((word >>> 20) & 31) === 0 && word >>> 25 === 30;

/** The address in register `r` behind these instructions, if they make one. */
function addressIn(ops: readonly Op[], r: number): number | undefined {
  const last = ops.findLastIndex((op) => writesOf(op).x & (1 << r));
  const [low, high] = [ops[last], ops[last - 1]];
  if (low?.insn.name !== "addi" || rs1Of(low) !== r) return undefined;
  if (high?.insn.name !== "auipc" || rdOf(high) !== r) return undefined;
  return high.pc + high.imm + low.imm;
}

/** An address that code of the region, or before it, puts into register `r`. */
function guess(r: number, { entry, ops, word }: Surroundings): number | undefined {
  for (const high of ops.values()) {
    const low = ops.get(high.pc + high.len);
    const address = low && addressIn([high, low], r);
    if (address !== undefined) return address;
  }
  const page = entry - (entry % 4096);
  for (let at = entry - 8; at >= page && at >= entry - MAX_BEFORE; at -= 2) {
    const [high, low] = [(word(at) ?? 0) >>> 0, (word(at + 4) ?? 0) >>> 0];
    if ((high & 0xfff) !== (AUIPC | (r << 7))) continue;
    if ((low & 0xfffff) !== (ADDI | (r << 7) | (r << 15))) continue;
    return at + immOf("U", high) + immOf("I", low);
  }
  return undefined;
}

const AUIPC = 0x17;
const ADDI = 0x13;
