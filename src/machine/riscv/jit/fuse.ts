/**
 * Pairs of instructions of which WebAssembly makes one: a shift up by 32 or more and one down again, which is how RV64GC
 * takes the low half of a register, or a byte or 16 bits of it.
 *
 * The second is replaced by an instruction that guests do not have, and that reads what the first read; the first by one
 * that does nothing, if nobody could see what it did. Both keep their places in the code.
 */
import type { Emit } from "../emit.ts";
import { type Insn, insn, WORD } from "../isa/insn.ts";
import { writesCsr } from "../isa/zicsr.ts";
import { traitsOf } from "../traits.ts";
import { type Op, rdOf, rs1Of } from "./graph.ts";
import { readsOf, writesOf } from "./regs.ts";

/** Instructions from the first to the second. */
const MAX_DISTANCE = 8;

/** Fuses what it can of a block's instructions. */
export function fuse(ops: Op[]): void {
  ops.forEach((first, i) => {
    const to = rdOf(first);
    if (first.insn.name !== "slli" || first.imm < 32 || to === 0) return;
    for (let k = i + 1; k < ops.length && k <= i + MAX_DISTANCE; k++) {
      const op = ops[k]!;
      if (isShiftDown(op) && rs1Of(op) === to) {
        fusePair(ops, i, k);
        return;
      }
      if (writesOf(op).x & (1 << to)) return;
    }
  });
}

const isShiftDown = (op: Op): boolean => op.insn.name === "srli" || op.insn.name === "srai";

function fusePair(ops: Op[], i: number, k: number): void {
  const [first, second] = [ops[i]!, ops[k]!];
  const source = rs1Of(first);
  const between = ops.slice(i + 1, k);
  if (between.some((op) => writesOf(op).x & (1 << source))) return;
  const isSeen = rdOf(second) !== rdOf(first) || between.some((op) => maySee(op, 1 << rdOf(first)));
  // Where the first overwrites its own source, the second has nothing else to read.
  if (isSeen && source === rdOf(first)) return;
  if (!isSeen) ops[i] = gone(first);
  const isUnsigned = second.insn.name === "srli";
  let extract = isUnsigned ? EXTRACTU : EXTRACT;
  if (second.imm < 32 || (isUnsigned && second.imm === 32)) extract = isUnsigned ? SHIFTU : SHIFT;
  const word = (rdOf(second) << 7) | (source << 15) | ((first.imm - 32) << 20) | (second.imm << 25);
  ops[k] = { ...second, insn: extract, traits: traitsOf(extract), word: word >>> 0, imm: 0 };
}

/** An instruction that does nothing, in the place of `op`. */
export const gone = (op: Op): Op => ({
  ...op,
  insn: GONE,
  traits: traitsOf(GONE),
  word: 0,
  imm: 0,
});

/** True if `op` reads the registers, or may leave the region and show them. */
const maySee = (op: Op, registers: number): boolean =>
  op.traits.mayTrap ||
  op.traits.doubtful ||
  writesCsr(op.word) ||
  (readsOf(op).x & registers) !== 0;

/** Bits of the word that are the first amount less 32, and the second; the probe has none. */
const up = (e: Emit): number => e.staticField(20, 31) ?? 0;
const down = (e: Emit): number => e.staticField(25, 63) ?? 0;

const fused = (name: string, body: (e: Emit) => void): Insn => insn(name, WORD(0), "", body);

const GONE = fused("gone", (e) => e);
/** Some bits of the low half, as a 32-bit value. */
const EXTRACTU = fused("extractu", (e) =>
  e.setRdW(() => {
    e.rs1w().i32_const(up(e)).i32_shl();
    e.i32_const(down(e) - 32).i32_shr_u();
  }),
);
const EXTRACT = fused("extract", (e) =>
  e.setRdW(() => {
    e.rs1w().i32_const(up(e)).i32_shl();
    e.i32_const(down(e) - 32).i32_shr_s();
  }),
);
/** Some bits of the low half, extended and shifted to where the guest wants them. */
const SHIFTU = fused("shiftu", (e) =>
  e.setRd(() => {
    e.rs1w().i32_const(up(e)).i32_shl().i64_extend_i32_u();
    e.i64_const(32 - down(e)).i64_shl();
  }),
);
const SHIFT = fused("shift", (e) =>
  e.setRd(() => {
    e.rs1w().i32_const(up(e)).i32_shl().i64_extend_i32_s();
    e.i64_const(32 - down(e)).i64_shl();
  }),
);
