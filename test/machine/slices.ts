/** A random program's run in slices of a few units of fuel, so that it is left and entered everywhere: all that can be seen of it. */
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

/** A board with a frame for each. */
export interface Placed {
  readonly board: Board;
  readonly code: Paddr;
  readonly data: Paddr;
}

export function placed(threshold: number): Placed {
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

/**
 * Runs the program up to its ecall, each trap before that behind the instruction that it came from: the registers at each, and
 * what is on the page in the end. `setUp` sets the registers; the fuel is random as well, by the seed.
 */
export function traceInSlices(
  { board, code, data }: Placed,
  text: string,
  seed: number,
  setUp: (ctx: Context, random: Random) => void,
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
