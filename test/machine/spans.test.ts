/**
 * Long blocks look up first what they access, and accesses with an index that has a bound share a lookup: wherever the pages
 * lie, whichever of them may not be accessed, compiled code leaves what the interpreter leaves, fault for fault.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PTE_R } from "../../src/machine/mmu/pagetable.ts";
import { PAGE_SIZE, type Paddr } from "../../src/machine/physmem.ts";
import { TRAP_ECALL, TRAP_FUEL } from "../../src/machine/traps.ts";
import { Board, RW, RX } from "./board.ts";
import { Random } from "./random.ts";

const PROGRAMS = 50;
const CODE = 0x1_0000;
const DATA = 0x10_0000;
const PAGES = 8;
const ROUNDS = 150;
const MAX_FAULTS = 30;
const MAX_RUNS = 20_000;

const BASES = "s0 s2 s3".split(" ");
const INDEXES = "t0 t1 t2".split(" ");
const PLACES = "a6 a7 t3".split(" ");
const VALUES = "a0 a1 a2 a3 a4 a5".split(" ");
const LOADS = "lb lbu lh lhu lw lwu ld".split(" ");
const STORES = "sb sh sw sd".split(" ");
const OPS = "add sub xor or and addw sllw srlw".split(" ");

function randomProgram(random: Random): string {
  const lines: string[] = ["loop:"];
  // A short block that dominates the long one, and one between them that is only sometimes run.
  for (let n = random.below(8); n > 0; n--) lines.push(randomInsn(random), randomCopy(random));
  lines.push(`blt ${random.pick(VALUES)}, ${random.pick(VALUES)}, join`);
  for (let n = random.below(4); n > 0; n--) lines.push(randomInsn(random), randomCopy(random));
  lines.push("join:");
  for (let n = 10 + random.below(50); n > 0; n--) lines.push(randomInsn(random));
  for (const base of BASES) {
    if (random.below(2)) lines.push(`addi ${base}, ${base}, ${random.below(400) - 100}`);
  }
  return [...lines, "addi t6, t6, -1", "bne t6, zero, loop", "ecall"].join("\n");
}

const randomCopy = (random: Random): string => {
  const from = random.pick([...BASES, ...PLACES]);
  const to = random.pick([...INDEXES, ...PLACES, ...BASES]);
  return random.below(3) ? `add ${to}, ${from}, zero` : `addiw ${to}, ${from}, 0`;
};

function randomInsn(random: Random): string {
  const [index, place] = [random.pick(INDEXES), random.pick(PLACES)];
  const value = () => random.pick(VALUES);
  const kind = random.below(100);
  if (kind < 12) {
    const mask = random.pick([1, 7, 15, 60, 63, 127, 255, 0x1f8, -8]);
    return `andi ${index}, ${random.pick([...VALUES, ...INDEXES])}, ${mask}`;
  }
  if (kind < 20) return `slli ${index}, ${random.pick(INDEXES)}, ${random.below(5)}`;
  if (kind < 34) return `add ${place}, ${random.pick([...BASES, ...PLACES])}, ${index}`;
  if (kind < 40) return `add ${place}, ${index}, ${random.pick(BASES)}`;
  if (kind < 44) return `addi ${place}, ${random.pick(BASES)}, ${random.below(300) - 150}`;
  if (kind < 46) return `addi ${index}, ${random.pick(INDEXES)}, ${random.below(64) - 16}`;
  if (kind < 48) return `lbu ${index}, ${random.below(200)}(${random.pick(BASES)})`;
  if (kind < 50) return `addi ${random.pick(BASES)}, ${random.pick(BASES)}, ${random.below(64)}`;
  const at = `${random.below(120) - 40}(${random.pick([...BASES, ...PLACES, ...PLACES])})`;
  if (kind < 66) return `${random.pick(LOADS)} ${value()}, ${at}`;
  if (kind < 80) return `${random.pick(STORES)} ${value()}, ${at}`;
  if (kind < 90) return `${random.pick(OPS)} ${value()}, ${value()}, ${value()}`;
  if (kind < 94) return `slliw ${value()}, ${value()}, ${random.below(32)}`;
  if (kind < 98) return `srliw ${value()}, ${value()}, ${random.below(32)}`;
  return `add ${value()}, ${random.pick([...INDEXES, ...PLACES])}, zero`;
}

/** Pages in a row, some of them at home, elsewhere, read-only or missing. */
function mapData(board: Board, random: Random): Paddr[] {
  const home = board.frame(PAGES);
  board.space.home = home - DATA;
  return Array.from({ length: PAGES }, (_, i) => {
    const kind = random.below(16);
    const pa = kind < 8 ? ((home + i * PAGE_SIZE) as Paddr) : board.frame(2);
    for (let n = 0; n < PAGE_SIZE; n += 4) board.machine.mem.u32[(pa + n) >>> 2] = random.u32();
    if (kind < 14) board.map(DATA + i * PAGE_SIZE, pa, RW);
    else if (kind === 14) board.map(DATA + i * PAGE_SIZE, pa, PTE_R);
    return pa;
  });
}

const FILL = "xor a3, a3, a4\naddi a4, a4, 3\n".repeat(15);

/** A place with an index from an earlier block, in a register before that of its base; and what becomes of it. */
const withPlace = (change: string): string => `
loop:
  andi t0, a0, 63
  add a6, s2, t0
  blt a1, a0, join
  addi a2, a2, 1
join:
  lw a3, 0(a6)
  lw a4, 8(s2)
  ${FILL}
  sw a4, 12(s2)
  ${change}
  sw a3, 4(a6)
  addi a0, a0, 5
  addi s2, s2, 36
  addi t6, t6, -1
  bne t6, zero, loop
  ecall`;

/** An index that may be larger than a mask says if that is taken for what it is not. */
const withIndex = (index: string, scale: number): string => `
loop:
  ${FILL}
  lw a5, 0(s2)
  ${index}
  slli t0, t0, ${scale}
  add a6, t0, s2
  ld a3, 0(a6)
  add a7, a6, t0
  sd a3, -8(a7)
  addi a0, a0, 7
  addi s2, s2, 28
  addi t6, t6, -1
  bne t6, zero, loop
  ecall`;

const DIRECTED = [
  withPlace(""),
  withPlace("add a6, s2, zero"),
  withPlace("add s2, a6, zero"),
  withIndex("andi t0, a0, 31", 3),
  withIndex("andi t0, a0, -31", 0),
  withIndex("lbu t0, 3(s2)", 0),
  withIndex("lb t0, 3(s2)", 0),
  withIndex("addi t0, zero, -9", 4),
  withIndex("andi t0, a0, 15\n  andi t1, a0, 15\n  add t0, t0, t1", 4),
];

/** All that can be seen of a run: the state at each fault and at the end, and what is in memory. */
function outcome(
  threshold: number,
  seed: number,
  program = randomProgram,
): { seen: string[]; made: number } {
  const random = new Random(seed);
  const board = new Board(threshold);
  board.space = board.newSpace();
  const code = board.frame();
  board.place(code, program(random), CODE);
  board.map(CODE, code, RX);
  const pages = mapData(board, random);
  const { ctx, hart, machine } = board;
  for (let r = 5; r < 32; r++) ctx.setX(r, DATA + random.below(PAGES * PAGE_SIZE));
  ctx.setX(31, ROUNDS);
  ctx.pc = CODE;
  const seen: string[] = [];
  for (let runs = 0; runs < MAX_RUNS && seen.length <= MAX_FAULTS; runs++) {
    const trap = hart.run(ctx, board.space, 1 + random.below(200));
    if (trap === TRAP_FUEL) continue;
    seen.push(`${trap} ${hart.faultAddr} ${board.state()}`);
    if (trap === TRAP_ECALL) break;
    const page = Math.floor((hart.faultAddr - DATA) / PAGE_SIZE);
    const isMissing = page >= 0 && page < PAGES && seen.length % 4 === 0;
    if (isMissing) board.map(DATA + page * PAGE_SIZE, pages[page]!, RW);
    else ctx.pc += 4;
  }
  for (const pa of pages) {
    seen.push(Buffer.from(machine.mem.u8.subarray(pa, pa + PAGE_SIZE)).toString("base64"));
  }
  return { seen, made: machine.stats.regionsMade };
}

for (const threshold of [1, 20]) {
  test(`accesses near each other and with indexes, compiled after ${threshold} visits`, () => {
    let regions = 0;
    for (let seed = 1; seed <= PROGRAMS; seed++) {
      const expected = outcome(Number.POSITIVE_INFINITY, seed).seen;
      const { seen, made } = outcome(threshold, seed);
      assert.deepEqual(seen, expected, randomProgram(new Random(seed)));
      regions += made;
    }
    assert.ok(regions > PROGRAMS / 2);
  });
}

for (const [i, text] of DIRECTED.entries()) {
  test(`a long block with an index, ${i}`, () => {
    for (let seed = 1; seed <= 5; seed++) {
      const expected = outcome(Number.POSITIVE_INFINITY, seed, () => text).seen;
      const { seen, made } = outcome(5, seed, () => text);
      assert.deepEqual(seen, expected);
      assert.ok(made > 0);
    }
  });
}
