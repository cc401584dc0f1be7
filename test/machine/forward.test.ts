/**
 * Loads of what was just stored in pieces (jit/forward.ts): which are put together from registers, and that all of them load what
 * the interpreter loads.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Context } from "../../src/machine/context.ts";
import { PAGE_SIZE } from "../../src/machine/physmem.ts";
import { Decoder } from "../../src/machine/riscv/decode.ts";
import { RV64GC } from "../../src/machine/riscv/isa/rv64gc.ts";
import { Discovery } from "../../src/machine/riscv/jit/graph.ts";
import { Switches } from "../../src/machine/riscv/jit/switches.ts";
import { Board, RX } from "./board.ts";
import type { Random } from "./random.ts";
import { assertAlike, CODE, DATA, setValues } from "./slices.ts";

const INTERPRETED = Number.POSITIVE_INFINITY;
/** For each load of 2 bytes and more in the first block of the program, the sizes of the pieces that it finds in registers. */
function piecesOf(text: string): string[] {
  const board = new Board(INTERPRETED);
  const code = board.frame();
  board.place(code, text, CODE);
  board.map(CODE, code, RX);
  const hints = {
    switches: new Switches(),
    ways: undefined,
    isErratic: () => false,
    isAway: () => false,
  };
  const graph = new Discovery(board.space, new Decoder(RV64GC), hints, CODE).run();
  const [first] = [...graph!.blocks.values()];
  return first!.ops.flatMap(({ traits, stored }) =>
    traits.loads && traits.accessBytes > 1
      ? [stored?.pieces.map(({ bytes, isAll }) => `${bytes}${isAll ? "!" : ""}`).join("+") ?? "no"]
      : [],
  );
}

const BYTES = "sb a0, 8(sp)\nsb a1, 9(sp)\nsb a2, 10(sp)\nsb a3, 11(sp)";

/** Programs, and what their loads find. */
const SHAPES: Record<string, [text: string, pieces: string[]]> = {
  "four bytes": [`${BYTES}\nlw a5, 8(sp)\nlwu a6, 8(sp)`, ["1+1+1+1", "1+1+1+1"]],
  "bytes in any order": ["sb a0, 9(sp)\nsb a1, 8(sp)\nlh a5, 8(sp)", ["1+1"]],
  "two words": ["sw a0, 0(sp)\nsw a1, 4(sp)\nld a5, 0(sp)", ["4+4"]],
  "pieces of all sizes": [
    "sb a0, 0(sp)\nsb a1, 1(sp)\nsh a2, 2(sp)\nsw a3, 4(sp)\nld a5, 0(sp)",
    ["1+1+2+4"],
  ],
  "some of more": ["sw a0, 0(sp)\nsw a1, 4(sp)\nsw a2, 8(sp)\nld a5, 4(sp)", ["4+4"]],
  "what a register has no more of": [
    "lbu a0, 0(s0)\nlbu a1, 1(s0)\nsb a0, 0(sp)\nsb a1, 1(sp)\nlhu a5, 0(sp)",
    ["1!+1!"],
  ],
  "by another register": [`${BYTES}\nlw a5, 12(s0)`, ["1+1+1+1"]],
  "by another register, of more": [`sw a0, 4(sp)\n${BYTES}\nlw a5, 12(s0)`, ["1+1+1+1"]],
  "by another register, far behind": [
    `${BYTES}\n${"add a7, a7, a7\n".repeat(8)}lw a5, 12(s0)`,
    ["no"],
  ],
  "only one store": ["sd a0, 8(sp)\nld a5, 8(sp)\nlw a6, 8(sp)", ["no", "no"]],
  "a byte is missing": ["sb a0, 8(sp)\nsb a1, 9(sp)\nsb a2, 10(sp)\nlw a5, 8(sp)", ["no"]],
  "a byte of it is stored again": [`${BYTES}\nsb a4, 9(sp)\nlw a5, 8(sp)`, ["1+1+1+1"]],
  "more of it is stored again": [`${BYTES}\nsh a4, 9(sp)\nlw a5, 8(sp)`, ["no"]],
  "somebody else stores": [`${BYTES}\nsb a4, 0(s1)\nlw a5, 8(sp)`, ["no"]],
  "an atomic stores": [`${BYTES}\namoadd.w a4, a4, (s1)\nlw a5, 8(sp)`, ["no"]],
  "floating point stores": [`${BYTES}\nfsd fa0, 0(s1)\nlw a5, 8(sp)`, ["no"]],
  "a stored register changes": [`${BYTES}\naddi a2, a2, 1\nlw a5, 8(sp)`, ["no"]],
  "the address changes": [`${BYTES}\naddi sp, sp, 4\nlw a5, 4(sp)`, ["no"]],
  "the load is what changes it": [`${BYTES}\nlw a2, 8(sp)\nlw a5, 8(sp)`, ["1+1+1+1", "no"]],
  "a halfword across two words": ["sh a0, 0(sp)\nsw a1, 2(sp)\nsh a2, 6(sp)\nld a5, 0(sp)", ["no"]],
};

for (const [name, [text, pieces]] of Object.entries(SHAPES)) {
  test(`what loads find in registers: ${name}`, () => {
    assert.deepEqual(piecesOf(`${text}\necall`), pieces);
  });
}

const VALUES = "a0 a1 a2 a3 a4 t0 zero".split(" ");
const LOADS = "lh lhu lw lwu ld".split(" ");

/** Puts pieces on top of each other, and loads them again, by registers some of which have the same address. */
function randomProgram(random: Random): string {
  const lines: string[] = [];
  for (let n = 1 + random.below(5); n > 0; n--) lines.push(...randomCopy(random));
  return `loop:
${lines.join("\n")}
addi t6, t6, -1
bne t6, zero, loop
ecall`;
}

function randomCopy(random: Random): string[] {
  const [value, base] = [() => random.pick(VALUES), () => random.pick(["s0", "s0", "s1", "s2"])];
  const [to, bytes, at] = [base(), random.pick([2, 4, 4, 8]), random.below(16)];
  const stores: string[] = [];
  for (let done = 0; done < bytes; ) {
    const size = random.pick([1, 1, 1, 2, 4].filter((s) => s < bytes && s <= bytes - done));
    stores.push(`s${" bh w"[size]} ${value()}, ${at + done}(${to})`);
    done += size;
  }
  if (random.below(3) === 0) stores.reverse();
  const others = [
    () => `lbu ${value()}, ${random.below(32)}(${base()})`,
    () => `addi ${value()}, ${value()}, ${random.below(4096) - 2048}`,
    () => `mul ${value()}, ${value()}, ${value()}`,
    () => `s${random.pick(["b", "h", "w", "d"])} ${value()}, ${random.below(32)}(${base()})`,
    () => `addi s1, s0, ${random.below(4)}`,
    () => `addi s2, s0, ${random.below(4)}`,
    () => `ld ${value()}, ${random.below(8)}(s3)`,
  ];
  for (let n = random.below(3); n > 0; n--) {
    stores.splice(random.below(stores.length + 1), 0, random.pick(others)());
  }
  const load = `${random.pick(LOADS)} ${value()}, ${random.below(4) ? at : random.below(24)}(${random.below(3) ? to : base()})`;
  return [...stores, load];
}

function setUp(ctx: Context, random: Random): void {
  // At the end of the page some stores fault, and what they were a part of is never loaded whole.
  const at = random.below(4) ? 64 * random.below(32) : PAGE_SIZE - 20;
  ctx.setX(8, DATA + at);
  ctx.setX(9, DATA + at + random.below(4));
  ctx.setX(18, DATA + at);
  ctx.setX(19, DATA + PAGE_SIZE - 12);
  ctx.setX(31, 5 + random.below(20));
  setValues(ctx, random, [5, 10, 11, 12, 13, 14]);
}

test("loads of what was stored in pieces leave the same, interpreted and compiled", () => {
  assertAlike({ count: 400, text: randomProgram, setUp }, [1]);
});
