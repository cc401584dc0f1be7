/**
 * Optimistic floating-point code leaves what the interpreter leaves: on random programs of chains
 * of operations over ordinary and special numbers, with loads that fault between them, flags that
 * are cleared, modes that change, and fuel that runs out anywhere.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CTX_F } from "../../src/machine/layout.ts";
import { PAGE_SIZE, type Paddr } from "../../src/machine/physmem.ts";
import { TRAP_ECALL, TRAP_FUEL } from "../../src/machine/traps.ts";
import { Board, RW, RX } from "./board.ts";
import { Random } from "./random.ts";

const PROGRAMS = 600;
const CODE = 0x1_0000;
const DATA = 0x4_0000;
const SLOTS = 50;
/** Every slot is as long, so that a fault can skip to the next word. */
const SLOT_WORDS = 3;
const MAX_TRAPS = 60;
const MAX_RUNS = 20_000;
/** fcsr with nothing but NX accrued. */
const NX = 1;

/** Number of fa0. */
const FA0 = 10;

const F = "fa0 fa1 fa2 fa3 ft0 fs1".split(" ");
const X = "a0 a1 a2".split(" ");
const TWO = "fadd fsub fmul fdiv fmin fmax".split(" ");
const FUSED = "fmadd fmsub fnmsub fnmadd".split(" ");
const SIGN = "fsgnj fsgnjn fsgnjx".split(" ");
const COMPARE = "feq flt fle".split(" ");
const INTEGER = "w wu l lu".split(" ");

const DOUBLES = [
  0,
  -0,
  1,
  -3,
  0.1,
  2 ** -1074,
  2 ** -1022,
  2 ** -1022 * (1 - 2 ** -52),
  2 ** -1022 * (1 + 2 ** -52),
  2 ** -511,
  2 ** -512,
  2 ** -600,
  2 ** 511,
  2 ** 512,
  Number.MAX_VALUE,
  -Number.MAX_VALUE,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Number.NaN,
  2 ** 31,
  2 ** 63,
  -(2 ** 63),
];
const SINGLES = [
  0,
  -0,
  1,
  -7,
  0.1,
  2 ** -149,
  2 ** -126,
  2 ** -63,
  2 ** -64,
  2 ** -80,
  2 ** 64,
  3.4e38,
  Number.POSITIVE_INFINITY,
  Number.NaN,
  2 ** 31,
];

/** Mostly of one precision, so that chains get long; calm programs have few special numbers. */
interface Mood {
  readonly double: number;
  readonly calm: boolean;
}

function randomProgram(random: Random, mood: Mood): string {
  const lines: string[] = [];
  for (let i = 0; i < SLOTS; i++) {
    const text = randomInsn(random, mood, i).split("\n");
    while (text.length < SLOT_WORDS) text.push("addi a3, a3, 1");
    lines.push(`l${i}: ${text.join("\n")}`);
  }
  return `${lines.join("\n")}\nend: ecall`;
}

function randomInsn(random: Random, mood: Mood, at: number): string {
  const f = () => random.pick(F);
  const x = () => random.pick(X);
  const isDouble = random.below(100) < mood.double;
  const p = isDouble ? "d" : "s";
  const kind = random.below(100);
  const offset = 8 * random.below(32);
  if (kind < 34) return `${random.pick(TWO)}.${p} ${f()}, ${f()}, ${f()}`;
  if (kind < 50) return `${random.pick(FUSED)}.${p} ${f()}, ${f()}, ${f()}, ${f()}`;
  if (kind < 53) return `fsqrt.${p} ${f()}, ${f()}`;
  if (kind < 56) return `${random.pick(SIGN)}.${p} ${f()}, ${f()}, ${f()}`;
  if (kind < 61) return `${random.pick(COMPARE)}.${p} ${x()}, ${f()}, ${f()}`;
  if (kind < 63) return `fcvt.${random.pick(INTEGER)}.${p} ${x()}, ${f()}, rtz`;
  if (kind < 66) return `fcvt.${p}.${random.pick(INTEGER)} ${f()}, ${x()}`;
  if (kind < 68) return random.below(2) ? `fcvt.s.d ${f()}, ${f()}` : `fcvt.d.s ${f()}, ${f()}`;
  if (kind < 78) return `${isDouble ? "fld" : "flw"} ${f()}, ${offset + (isDouble ? 0 : 256)}(s0)`;
  if (kind < 79) return `fld ${f()}, ${offset}(s1)`;
  if (kind < 84) return `${isDouble ? "fsd" : "fsw"} ${f()}, ${512 + offset}(s0)`;
  if (kind < 87) return `addi ${x()}, ${x()}, ${random.below(64) - 20}`;
  if (kind < 88) return `csrrs ${x()}, fflags, zero`;
  if (kind < 89) return `csrrs ${x()}, fcsr, zero`;
  if (kind < 90)
    return `csrrs a4, fflags, zero\nflt.d ${x()}, ${f()}, ${f()}\ncsrrw zero, fflags, a4`;
  if (kind < 91) return `csrrwi zero, fflags, ${random.pick([0, 1, 1, 1, 17])}`;
  if (kind < 92) {
    // Another mode, or one that is none, for one operation.
    const one = random.pick([
      `fadd.d ${f()}, ${f()}, ${f()}`,
      `fmul.s ${f()}, ${f()}, ${f()}`,
      `fcvt.${p}.l ${f()}, ${x()}`,
      `fcvt.w.${p} ${x()}, ${f()}`,
    ]);
    return `csrrwi zero, frm, ${random.below(8)}\n${one}\ncsrrwi zero, fcsr, 1`;
  }
  if (kind < 93) return `fadd.${p} ${f()}, ${f()}, ${f()}, ${random.pick(["rtz", "rup", "rmm"])}`;
  if (kind < 94) return `csrrwi zero, fcsr, 1`;
  const target = random.below(SLOTS + 1);
  const label = target === SLOTS ? "end" : `l${target}`;
  const branch = `beq ${x()}, zero, ${label}`;
  if (target > at) return branch;
  return `addi t6, t6, -1\nblt t6, zero, end\nbge t6, zero, ${label}`;
}

function fillData(board: Board, data: Paddr, random: Random, mood: Mood): void {
  const view = new DataView(board.machine.mem.u8.buffer, data, 2 * PAGE_SIZE);
  const isSpecial = () => random.below(100) < (mood.calm ? 8 : 60);
  const ordinary = () => (random.u32() / 2 ** 31 - 1) * 2 ** (random.below(40) - 20);
  for (let i = 0; i < 64; i++) {
    view.setFloat64(8 * i, isSpecial() ? random.pick(DOUBLES) : ordinary(), true);
  }
  for (let i = 0; i < 64; i++) {
    view.setFloat32(256 + 8 * i, isSpecial() ? random.pick(SINGLES) : ordinary(), true);
  }
}

/** Runs the program and tells everything that could be seen of it. */
function trace(board: Board, code: Paddr, data: Paddr, seed: number): string[] {
  const random = new Random(seed);
  const mood = { double: random.pick([100, 95, 50, 5, 0]), calm: random.below(3) !== 0 };
  const text = randomProgram(random, mood);
  board.space = board.newSpace();
  board.place(code, text, CODE);
  board.map(CODE, code, RX);
  board.map(DATA, data, RW);
  fillData(board, data, random, mood);
  const { ctx } = board;
  ctx.clear();
  ctx.fcsr = NX;
  ctx.setX(8, DATA);
  // Half of what is read through this faults.
  ctx.setX(9, DATA + PAGE_SIZE - 128);
  ctx.setX(31, 30);
  for (let i = 10; i < 13; i++) ctx.setX(i, random.below(100) - 50);
  ctx.fBytes.set(board.machine.mem.u8.subarray(data, data + 256));
  ctx.pc = CODE;
  const seen: string[] = [text];
  let runs = 0;
  for (let traps = 0; traps < MAX_TRAPS; ) {
    assert.ok(++runs < MAX_RUNS, `no progress at ${ctx.pc.toString(16)}`);
    const trap = board.hart.run(ctx, board.space, 1 + random.below(12));
    if (trap === TRAP_FUEL) continue;
    traps++;
    seen.push(`${trap} ${board.state()}`);
    if (trap === TRAP_ECALL) break;
    ctx.pc += 4;
  }
  const { u8 } = board.machine.mem;
  seen.push(Buffer.from(u8.subarray(data, data + PAGE_SIZE)).toString("base64"));
  return seen;
}

test("optimistic and careful code leave the same registers, flags, memory and faults as the interpreter", () => {
  const setups = [
    { threshold: Number.POSITIVE_INFINITY, maxDoubts: 0 },
    { threshold: 1, maxDoubts: Number.POSITIVE_INFINITY },
    { threshold: 1, maxDoubts: 3 },
    { threshold: 3, maxDoubts: 1 },
  ];
  const boards = setups.map(({ threshold, maxDoubts }) => {
    const board = new Board(threshold, maxDoubts);
    return { board, code: board.frame(), data: board.frame() };
  });
  for (let seed = 1; seed <= PROGRAMS; seed++) {
    const [interpreted, ...compiled] = boards.map((b) => trace(b.board, b.code, b.data, seed));
    for (const other of compiled) assert.deepEqual(other, interpreted, `seed ${seed}`);
  }
  const [, hopeful, wary] = boards.map((b) => b.board.machine.stats);
  assert.ok(hopeful!.doubts > PROGRAMS && hopeful!.regionsCareful === 0);
  assert.ok(wary!.regionsCareful > 0);
  assert.ok(wary!.doubts < hopeful!.doubts);
});

/** Operands of `a op b` and of what is made of its result, which must not hide what went wrong before. */
const PAIR_REGS = ["fa0", "fa1", "fa2", "fa4", "fa5"];

test("no operation hides from optimistic code what the operation before it raised", () => {
  const random = new Random(7);
  const boards = [new Board(Number.POSITIVE_INFINITY), new Board(1, Number.POSITIVE_INFINITY)].map(
    (board) => ({ board, code: board.frame() }),
  );
  for (const { board, code } of boards) board.map(CODE, code, RX);
  const operation = (p: string, rd: string, sources: string[]): string[] => {
    const [a, b, c] = sources;
    return [
      ...TWO.map((op) => `${op}.${p} ${rd}, ${a}, ${b}`),
      ...FUSED.map((op) => `${op}.${p} ${rd}, ${a}, ${b}, ${c}`),
      ...SIGN.map((op) => `${op}.${p} ${rd}, ${a}, ${b}`),
      `fsqrt.${p} ${rd}, ${a}`,
      p === "d" ? `fcvt.s.d ${rd}, ${a}` : `fcvt.d.s ${rd}, ${a}`,
    ];
  };
  for (const p of ["d", "s"]) {
    for (const first of operation(p, "fa3", ["fa0", "fa1", "fa2"])) {
      for (const at of [0, 1, 2]) {
        const sources = ["fa4", "fa5", "fa0"].map((r, i) => (i === at ? "fa3" : r));
        for (const second of [
          ...operation(p, random.pick(["fa3", "fa6"]), sources),
          `flt.${p} a1, ${sources[0]}, ${sources[1]}`,
          `fcvt.w.${p} a1, ${sources[0]}, rtz`,
        ]) {
          const text = `${first}\n${second}\naddi a1, a1, 1\necall`;
          const inputs = Array.from({ length: 12 }, () => PAIR_REGS.map(() => operand(random, p)));
          const [expected, actual] = boards.map(({ board, code }) => {
            board.place(code, text, CODE);
            return inputs.map((values) => {
              board.ctx.clear();
              board.ctx.fcsr = NX;
              const f = new BigUint64Array(board.machine.mem.u8.buffer, board.ctx.addr + CTX_F, 32);
              values.forEach((bits, i) => {
                f[FA0 + (i < 3 ? i : i + 1)] = bits;
              });
              assert.equal(board.run(CODE), TRAP_ECALL);
              return board.state();
            });
          });
          assert.deepEqual(actual, expected, text);
        }
      }
    }
  }
  assert.ok(boards[1]!.board.machine.stats.doubts > 1000);
});

/**
 * Sums of products until one passes a bound, which a loop goes round for several times before anything is looked
 * at; then what is stored where tells which way control went.
 */
const SUMS = (p: string, load: string) => `
  next: ${load} fa1, 0(a0)
  addi a0, a0, 8
  fmadd.${p} fa0, fa1, fa2, fa0
  fsub.${p} fa4, fa0, fa5
  csrrs a4, fflags, zero
  flt.${p} a1, fa3, fa4
  csrrw zero, fflags, a4
  bne a1, zero, passed
  fmul.${p} fa6, fa1, fa2
  feq.${p} a3, fa6, fa5
  bne a3, zero, skip
  addi a5, a5, 1
  skip: addi a2, a2, -1
  bne a2, zero, next
  fsd fa0, 1024(s0)
  fsd fa6, 1032(s0)
  ecall
  passed: fsd fa4, 1040(s0)
  sd a5, 1048(s0)
  ecall
  nop`;

test("what goes wrong in some round of a loop, and leads a branch astray, is as if it had been seen at once", () => {
  const boards = [new Board(Number.POSITIVE_INFINITY), new Board(1, Number.POSITIVE_INFINITY)].map(
    (board) => ({ board, code: board.frame(), data: board.frame() }),
  );
  for (const { board, code, data } of boards) {
    board.map(CODE, code, RX);
    board.map(DATA, data, RW);
  }
  const rounds = 11;
  const random = new Random(11);
  for (const [p, specials] of [
    ["d", DOUBLES],
    ["s", SINGLES],
  ] as const) {
    const text = SUMS(p, p === "d" ? "fld" : "flw");
    for (const special of specials) {
      for (let at = 0; at < rounds; at++) {
        const numbers = Array.from({ length: rounds }, () => random.below(64) / 16 - 2);
        numbers[at] = special;
        const factor = random.pick([1, 0.1, 2 ** -600, 2 ** 600, 2 ** -70, specials.at(at)!]);
        const bound = random.pick([100, 1, special, Number.POSITIVE_INFINITY, Number.NaN]);
        const start = random.pick([0, 1, -0, special]);
        const values = [start, 0, factor, bound, 0, random.pick([0, special])];
        const [expected, actual] = boards.map(({ board, code, data }) => {
          const { u8 } = board.machine.mem;
          board.place(code, text, CODE);
          u8.fill(0, data, data + PAGE_SIZE);
          numbers.forEach((n, i) => {
            u8.set(bytesOf(p, n), data + 8 * i);
          });
          const seen: string[] = [];
          // The first of several runs compiles.
          for (const flags of [NX, NX, 0]) {
            board.ctx.clear();
            board.ctx.fcsr = flags;
            board.ctx.setX(8, DATA);
            board.ctx.setX(10, DATA);
            board.ctx.setX(12, rounds);
            values.forEach((n, i) => {
              u8.set(bytesOf(p, n), board.ctx.addr + CTX_F + 8 * (FA0 + i));
            });
            assert.equal(board.run(CODE), TRAP_ECALL);
            seen.push(
              board.state(),
              Buffer.from(u8.subarray(data, data + 2048)).toString("base64"),
            );
          }
          return seen;
        });
        assert.deepEqual(actual, expected, `${numbers} * ${factor} from ${start} to ${bound}`);
      }
    }
  }
  assert.ok(boards[1]!.board.machine.stats.doubts > 100);
});

/** A number as it lies in a register: singles in a box of ones. */
function bytesOf(p: string, n: number): Uint8Array {
  const view = new DataView(new Uint8Array(8).fill(0xff).buffer);
  if (p === "d") view.setFloat64(0, n, true);
  else view.setFloat32(0, n, true);
  return new Uint8Array(view.buffer);
}

function operand(random: Random, p: string): bigint {
  const view = new DataView(new ArrayBuffer(8));
  if (p === "d") {
    view.setFloat64(0, random.pick(DOUBLES) * random.pick([1, 1, -1, 3]));
    return view.getBigUint64(0);
  }
  view.setFloat32(4, random.pick(SINGLES) * random.pick([1, 1, -1, 3]));
  return view.getBigUint64(0) | 0xffff_ffff_0000_0000n;
}
