/**
 * Random programs that leave the same, interpreted and compiled: they run in slices of a few units of fuel, so that they are left and entered
 * everywhere, and all is compared that can be seen of them.
 */
import assert from "node:assert/strict";
import type { Context } from "../../src/machine/context.ts";
import { PAGE_SIZE, type Paddr } from "../../src/machine/physmem.ts";
import { TRAP_ECALL, TRAP_FUEL } from "../../src/machine/traps.ts";
import { Board, RW, RX } from "./board.ts";
import { Random } from "./random.ts";

/** Where the program is, and a page for it to work on. */
export const CODE = 0x1_0000;
export const DATA = 0x10_0000;
const MAX_RUNS = 20_000;

/** What a test's programs are like. */
export interface Programs {
  /** How many are tried. */
  readonly count: number;
  /** Begins at CODE and ends with an ecall. */
  readonly text: (random: Random) => string;
  /** Sets the registers that it begins with. */
  readonly setUp: (ctx: Context, random: Random) => void;
}

/** A board with a frame for each. */
interface Placed {
  readonly board: Board;
  readonly code: Paddr;
  readonly data: Paddr;
}

function placed(threshold: number): Placed {
  const board = new Board(threshold);
  return { board, code: board.frame(), data: board.frame() };
}

/** Sets registers that are some 32-bit value, or one of more bits. */
export function setValues(ctx: Context, random: Random, registers: readonly number[]): void {
  for (const r of registers) {
    const word = random.u32() | 0;
    ctx.setX(r, random.below(4) ? word : word * 2 ** (1 + random.below(20)));
  }
}

/** The programs leave the same, interpreted, and compiled after each of these numbers of visits. */
export function assertAlike({ count, text, setUp }: Programs, thresholds: readonly number[]): void {
  const interpreted = placed(Number.POSITIVE_INFINITY);
  const compiled = thresholds.map(placed);
  for (let seed = 1; seed <= count; seed++) {
    const program = text(new Random(seed));
    const expected = traceInSlices(interpreted, program, seed, setUp);
    for (const on of compiled) {
      assert.deepEqual(
        traceInSlices(on, program, seed, setUp),
        expected,
        `seed ${seed}\n${program}`,
      );
    }
  }
  for (const { board } of compiled) assert.ok(board.machine.stats.regionsMade > 0);
}

/**
 * Runs the program up to its ecall, each trap before that behind the instruction that it came from: the registers at each, and
 * what is on the page in the end. `setUp` sets the registers; the fuel is random as well, by the seed.
 */
function traceInSlices(
  { board, code, data }: Placed,
  text: string,
  seed: number,
  setUp: Programs["setUp"],
): string[] {
  const random = new Random(seed);
  board.space = board.newSpace();
  board.place(code, text, CODE);
  board.map(CODE, code, RX);
  const { mem } = board.machine;
  mem.u8.fill(0xa5, data, data + PAGE_SIZE);
  board.map(DATA, data, RW);
  const { ctx } = board;
  ctx.clear();
  setUp(ctx, random);
  ctx.pc = CODE;
  const seen: string[] = [];
  for (let runs = 0; ; ) {
    assert.ok(++runs < MAX_RUNS, `no progress at ${ctx.pc.toString(16)}`);
    const trap = board.hart.run(ctx, board.space, 1 + random.below(8));
    if (trap === TRAP_FUEL) continue;
    seen.push(`${trap} ${board.state()}`);
    if (trap === TRAP_ECALL) break;
    ctx.pc += 4;
  }
  seen.push(Buffer.from(mem.u8.subarray(data, data + PAGE_SIZE)).toString("base64"));
  return seen;
}
