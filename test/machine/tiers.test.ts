/**
 * Interpreter and JIT do the same: on random programs with loops, faults in the middle that
 * are repaired or skipped, and fuel that runs out anywhere.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PTE_R } from "../../src/machine/mmu/pagetable.ts";
import { PAGE_SIZE, type Paddr } from "../../src/machine/physmem.ts";
import { TRAP_ECALL, TRAP_FUEL } from "../../src/machine/traps.ts";
import { Board, RW, RX } from "./board.ts";
import { Random } from "./random.ts";

const PROGRAMS = 400;
const CODE = 0x1_0000;
const DATA = 0x4_0000;
const DATA_PAGES = 4;
const SLOTS = 60;
/** Every slot is as long, so that its address is known. */
const SLOT_WORDS = 4;
const MAX_TRAPS = 200;
const MAX_RUNS = 20_000;

const ALU =
  "add sub xor or and sll srl sra slt sltu mul mulhu mulh div rem divu remu addw subw sllw sraw mulw divw remuw".split(
    " ",
  );
const ALU_IMM = "addi xori ori andi slti sltiu addiw".split(" ");
const BRANCH = "beq bne blt bge bltu bgeu".split(" ");
const LOAD = "lb lbu lh lhu lw lwu ld".split(" ");
const STORE = "sb sh sw sd".split(" ");
const FP = "fadd.d fsub.d fmul.d fadd.s fmul.s fsgnj.d fmin.d".split(" ");
const AMO = "amoadd.w amoswap.d amoxor.w amomax.d lr.w lr.d".split(" ");
const REGS = "a0 a1 a2 a3 a4 t0 t1 t2 s2 s3 zero".split(" ");
const FREGS = "fa0 fa1 fa2 ft3".split(" ");
/** Addresses: the middle of the data, a page boundary, an odd place. */
const BASES = "s0 s1 s4".split(" ");

/** A program that ends: each way back costs one of t6. */
function randomProgram(random: Random): string {
  const lines: string[] = [];
  for (let i = 0; i < SLOTS; i++) {
    const text = randomInsn(random, i).split("\n");
    while (text.length < SLOT_WORDS) text.push("nop");
    lines.push(`l${i}: ${text.join("\n")}`);
  }
  return `${lines.join("\n")}\nend: ecall`;
}

function randomInsn(random: Random, at: number): string {
  const r = () => random.pick(REGS);
  const f = () => random.pick(FREGS);
  const small = () => random.below(64) - 32;
  const kind = random.below(100);
  if (kind < 30) return `${random.pick(ALU)} ${r()}, ${r()}, ${r()}`;
  if (kind < 45) return `${random.pick(ALU_IMM)} ${r()}, ${r()}, ${random.below(4096) - 2048}`;
  if (kind < 50) return `slli ${r()}, ${r()}, ${random.below(64)}`;
  if (kind < 52) return `lui ${r()}, ${random.below(0x100000)}`;
  if (kind < 54) return `auipc ${r()}, ${random.below(0x100000)}`;
  if (kind < 64) return `${random.pick(LOAD)} ${r()}, ${small()}(${random.pick(BASES)})`;
  if (kind < 74) return `${random.pick(STORE)} ${r()}, ${small()}(${random.pick(BASES)})`;
  if (kind < 78) return `${random.pick(FP)} ${f()}, ${f()}, ${f()}`;
  if (kind < 80) return `fld ${f()}, ${small()}(${random.pick(BASES)})`;
  if (kind < 82) return `fsd ${f()}, ${small()}(${random.pick(BASES)})`;
  if (kind < 84) {
    const op = random.pick(AMO);
    return op.startsWith("lr") ? `${op} ${r()}, (s0)` : `${op} ${r()}, ${r()}, (s0)`;
  }
  if (kind < 85) return `csrrs ${r()}, fcsr, zero`;
  const target = random.below(SLOTS + 1);
  const label = target === SLOTS ? "end" : `l${target}`;
  if (kind < 88 && target > at) return random.below(2) ? `j ${label}` : `jal ra, ${label}`;
  if (kind < 90 && target > at) return `jalr ra, ${4 * SLOT_WORDS * target}(s5)`;
  if (kind < 92 && target > at && target + 3 < SLOTS) {
    // A jump table: one of four slots, by two bits of a register.
    return `and t3, ${r()}, s6\nadd t3, t3, s5\njalr zero, ${4 * SLOT_WORDS * target}(t3)`;
  }
  if (kind < 92) return "addi t6, t6, -1\nblt t6, zero, end\njalr zero, 0(ra)";
  const branch = `${random.pick(BRANCH)} ${r()}, ${r()}, ${label}`;
  if (target > at) return branch;
  return `addi t6, t6, -1\nblt t6, zero, end\n${branch}`;
}

/** Runs the program and tells everything that could be seen of it. */
function trace(board: Board, code: Paddr, data: Paddr, seed: number, text: string): string[] {
  const random = new Random(seed);
  board.space = board.newSpace();
  board.place(code, text, CODE);
  board.map(CODE, code, RX);
  const mem = board.machine.mem;
  mem.u8.fill(0x5a, data, data + DATA_PAGES * PAGE_SIZE);
  // Two pages writable, in order and at home, or swapped, one of them at home or none; one read-only; one absent.
  const swapped = seed % 3 === 0 ? 0 : PAGE_SIZE;
  if (seed % 3 !== 2) board.space.home = data + swapped - DATA;
  board.map(DATA, (data + swapped) as Paddr, RW);
  board.map(DATA + PAGE_SIZE, (data + PAGE_SIZE - swapped) as Paddr, RW);
  board.map(DATA + 2 * PAGE_SIZE, (data + 2 * PAGE_SIZE) as Paddr, PTE_R);
  const { ctx } = board;
  ctx.clear();
  ctx.setX(8, DATA + 64 * random.below(64));
  ctx.setX(9, DATA + PAGE_SIZE * (1 + random.below(3)) - 3);
  ctx.setX(20, DATA + PAGE_SIZE + 8 * random.below(500) + random.below(8));
  ctx.setX(1, CODE + 4 * SLOT_WORDS * SLOTS);
  ctx.setX(21, CODE);
  ctx.setX(22, 3 * 4 * SLOT_WORDS);
  ctx.setX(31, 40);
  for (let i = 10; i < 15; i++) ctx.setX(i, random.u32() - 0x8000_0000);
  ctx.pc = CODE;
  const seen: string[] = [];
  let runs = 0;
  for (let traps = 0; traps < MAX_TRAPS; ) {
    assert.ok(++runs < MAX_RUNS, `no progress at ${ctx.pc.toString(16)}`);
    const trap = board.hart.run(ctx, board.space, board.machine.harts.length + random.below(8));
    if (trap === TRAP_FUEL) continue;
    traps++;
    seen.push(`${trap} ${board.state()}`);
    if (trap === TRAP_ECALL) break;
    if (board.hart.faultAddr >= DATA && traps % 5 === 0) {
      const page = board.hart.faultAddr - (board.hart.faultAddr % PAGE_SIZE);
      board.map(page, (data + ((page - DATA) % (DATA_PAGES * PAGE_SIZE))) as Paddr, RW);
    } else {
      ctx.pc += 4;
    }
  }
  seen.push(Buffer.from(mem.u8.subarray(data, data + DATA_PAGES * PAGE_SIZE)).toString("base64"));
  return seen;
}

test("interpreter and JIT leave the same registers, memory and faults", () => {
  const boards = [Number.POSITIVE_INFINITY, 1, 3].map((threshold) => {
    const board = new Board(threshold);
    return { board, code: board.frame(), data: board.frame(DATA_PAGES) };
  });
  for (let seed = 1; seed <= PROGRAMS; seed++) {
    const text = randomProgram(new Random(seed));
    const [interp, ...jits] = boards.map((b) => trace(b.board, b.code, b.data, seed, text));
    for (const jit of jits) assert.deepEqual(jit, interp, `seed ${seed}\n${text}`);
  }
  assert.equal(boards[0]!.board.machine.stats.regionsMade, 0);
  assert.ok(boards[1]!.board.machine.stats.regionsMade > PROGRAMS);
});
