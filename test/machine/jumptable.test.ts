/**
 * A switch in compiled code goes by its index alone, and does whatever the jump table says all the same: where another table is
 * used than was thought, beyond its end, and when it has changed.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Decoder } from "../../src/machine/riscv/decode.ts";
import { RV64GC } from "../../src/machine/riscv/isa/rv64gc.ts";
import { Discovery } from "../../src/machine/riscv/jit/graph.ts";
import { Switches } from "../../src/machine/riscv/jit/switches.ts";
import { TRAP_ECALL, TRAP_FAULT_READ, TRAP_FUEL } from "../../src/machine/traps.ts";
import { Board, RW, RWX, RX } from "./board.ts";
import { Random } from "./random.ts";
import { Shelf } from "./shelf.ts";

const CODE = 0x1_0000;
const CASES = 0x100;
const CASE_BYTES = 32;
const TABLE = 0x400;
const OTHER_TABLE = 0x600;
const DATA = 0x10_0000;
const ROUNDS = 4000;
const COUNT = 8;
/** Beyond these entries nothing that looks like one, and then one more. */
const FAR_INDEX = 40;
const [S1, S6, S7] = [9, 22, 23];

const ADDRESS = `auipc a1, 0
  addi a1, a1, ${TABLE}`;
const DISPATCH = `add a5, a5, a1
  lw a5, 0(a5)
  add a5, a5, a1
  jalr zero, 0(a5)`;
/** s7 is added to the table's address outside of the loop, or zero. */
const OUTSIDE = (shift: string): string => `
  ${ADDRESS}
  add a1, a1, s7
loop:
  addi s6, s6, -1
  beq s6, zero, end
  lbu a5, 0(s1)
  addi s1, s1, 1
  ${shift}
  ${DISPATCH}
end:
  ecall`;
const INSIDE = `
loop:
  addi s6, s6, -1
  beq s6, zero, end
  lbu a5, 0(s1)
  addi s1, s1, 1
  auipc a1, 0
  addi a1, a1, ${TABLE - 16}
  slli a5, a5, 2
  ${DISPATCH}
end:
  ecall`;
const SHIFT = "slli a5, a5, 2";
const WORD_SHIFT = `slli a5, a5, 32
  srli a5, a5, 30`;
const PROGRAMS = {
  "an address from the block": { text: INSIDE, loop: CODE },
  "an address from before the loop": { text: OUTSIDE(SHIFT), loop: CODE + 12 },
  "a masked index": { text: OUTSIDE(`andi a5, a5, 7\n  ${SHIFT}`), loop: CODE + 12 },
  "a 32-bit index": { text: OUTSIDE(WORD_SHIFT), loop: CODE + 12 },
};

/** Of the cases, a5 and the table included, something that depends on their order. */
const caseText = (n: number, back: number): string => `
  addi s3, s3, ${n + 1}
  lw a6, 8(a1)
  add s4, s4, a6
  xor s4, s4, a5
  mul s4, s4, s3
  jal zero, ${back}`;

class Switch {
  readonly board: Board;
  readonly #code: number;
  readonly #loop: number;

  constructor(
    { text, loop }: { text: string; loop: number },
    threshold: number,
    { store = null, flags = RX }: { store?: Shelf | null; flags?: number } = {},
  ) {
    this.board = new Board(threshold, 200, 150, store);
    const { board } = this;
    const code = board.frame();
    const data = board.frame();
    this.#code = code;
    this.#loop = loop;
    board.map(CODE, code, flags);
    board.map(DATA, data, RW);
    board.place(code, text, CODE);
    for (let n = 0; n < COUNT; n++) {
      const at = CASES + n * CASE_BYTES;
      board.place((code + at) as never, caseText(n, loop), CODE + at);
    }
    this.fill(TABLE, (n) => n);
    this.fill(OTHER_TABLE, (n) => (n * 3 + 1) % COUNT);
    const random = new Random(7);
    for (let i = 0; i < 4096; i++) board.machine.mem.u8[data + i] = random.below(COUNT);
  }

  /** Has entry n of a table lead to `toCase(n)`. */
  fill(table: number, toCase: (n: number) => number): void {
    const { mem } = this.board.machine;
    const entry = (n: number): number => CASES + n * CASE_BYTES - table;
    const put = (n: number, value: number) => {
      mem.u32[(this.#code + table + n * 4) >>> 2] = value;
    };
    for (let n = 0; n < COUNT; n++) put(n, entry(toCase(n)));
    for (let n = COUNT; n < FAR_INDEX; n++) put(n, 0x7fff_fff1);
    put(FAR_INDEX, entry(2));
    this.board.machine.codeWritten((this.#code + table) as never, (FAR_INDEX + 1) * 4);
  }

  put(index: number, value: number): void {
    this.board.machine.mem.u8[((this.board.space.get(DATA) & ~0xfff) >>> 0) + index] = value;
  }

  /** Runs until the trap `end`, `fuel` at a time: what is in the registers then. */
  run(distance = 0, fuel = 100, end = TRAP_ECALL): string {
    const { board } = this;
    const { ctx, hart, space } = board;
    for (let r = 1; r < 32; r++) ctx.setX(r, r);
    ctx.setX(S1, DATA);
    ctx.setX(S6, ROUNDS);
    ctx.setX(S7, distance);
    ctx.pc = CODE;
    for (let left = ROUNDS; left > 0; left--) {
      const trap = hart.run(ctx, space, fuel);
      if (trap === TRAP_FUEL) continue;
      assert.equal(trap, end);
      return board.state();
    }
    return assert.fail("no end");
  }

  /** Tables that a region at the loop would have. */
  tables(): readonly { va: number; length: number }[] {
    const switches = new Switches();
    for (let at = CODE; at < CODE + CASES; at += 4) {
      for (let n = 0; n < COUNT; n++) switches.note(at, CODE + CASES + n * CASE_BYTES);
    }
    const hints = { switches, ways: undefined, isErratic: () => false, isAway: () => false };
    const { space } = this.board;
    return new Discovery(space, new Decoder(RV64GC), hints, this.#loop).run()!.tables;
  }
}

const NEVER = Number.POSITIVE_INFINITY;

for (const [name, program] of Object.entries(PROGRAMS)) {
  test(`with ${name}, a table is known for what it is`, () => {
    const made = new Switch(program, NEVER);
    assert.deepEqual(made.tables(), [{ va: CODE + TABLE, length: COUNT * 4 }]);
    assert.deepEqual(new Switch(program, NEVER, { flags: RWX }).tables(), [], "writable");
  });

  for (const threshold of [1, 20, 300]) {
    for (const fuel of [3, 1000]) {
      test(`with ${name}, compiled after ${threshold} visits, fuel ${fuel}`, () => {
        const compiled = new Switch(program, threshold);
        const wanted = new Switch(program, NEVER).run();
        assert.equal(compiled.run(0, fuel), wanted);
        assert.equal(compiled.run(0, fuel), wanted);
        assert.ok(compiled.board.machine.stats.regionsMade > 0);
      });
    }
  }

  if (name !== "a masked index")
    test(`with ${name}, an index beyond the cases leads where the table says`, () => {
      const results = [20, NEVER].map((threshold) => {
        const made = new Switch(program, threshold);
        for (let i = 500; i < 4096; i += 100) made.put(i, FAR_INDEX);
        return [made.run(), made.run()];
      });
      assert.deepEqual(results[0], results[1]);
    });

  test(`with ${name}, a table that has changed counts`, () => {
    const results = [20, NEVER].map((threshold) => {
      const made = new Switch(program, threshold);
      const before = made.run();
      made.fill(TABLE, (n) => (n * 5 + 2) % COUNT);
      return [before, made.run(), made.run()];
    });
    assert.deepEqual(results[0], results[1]);
    assert.notEqual(results[0]![0], results[0]![1]);
  });

  test(`with ${name}, a later machine takes what was kept if its table is the same`, () => {
    const shelf = new Shelf();
    const runs = [0, 2, 0].map((turn) => {
      const { board, run, fill } = boundTo(new Switch(program, 300, { store: shelf }));
      fill(TABLE, (n) => (n + turn) % COUNT);
      const states = [run(), run()];
      board.machine.finish();
      return { states, restored: board.machine.stats.regionsRestored };
    });
    for (const [i, turn] of [0, 2, 0].entries()) {
      const { run, fill } = boundTo(new Switch(program, NEVER));
      fill(TABLE, (n) => (n + turn) % COUNT);
      assert.deepEqual(runs[i]!.states, [run(), run()]);
    }
    assert.equal(runs[1]!.restored, 0);
    assert.ok(runs[2]!.restored > 0);
  });
}

const boundTo = (made: Switch) => ({
  board: made.board,
  run: () => made.run(),
  fill: (table: number, toCase: (n: number) => number) => made.fill(table, toCase),
});

for (const name of ["an address from before the loop", "a 32-bit index"] as const) {
  test(`with ${name}, another table in its place counts`, () => {
    const distance = OTHER_TABLE - TABLE;
    const results = [20, NEVER].map((threshold) => {
      const made = new Switch(PROGRAMS[name], threshold);
      return [made.run(), made.run(distance), made.run()];
    });
    assert.deepEqual(results[0], results[1]);
    assert.notEqual(results[0]![0], results[0]![1]);
  });
}

test("an index of more than 32 bits is no entry", () => {
  // In the last round it has bit 32.
  const shift = `sltiu t1, s6, 2\n  slli t1, t1, 32\n  or a5, a5, t1\n  ${SHIFT}`;
  const program = { text: OUTSIDE(shift), loop: CODE + 12 };
  const results = [20, NEVER].map((threshold) => {
    const made = new Switch(program, threshold);
    return [made.run(0, 100, TRAP_FAULT_READ), made.board.hart.faultAddr];
  });
  assert.deepEqual(results[0], results[1]);
});

test("stores to a table in a writable page count at once", () => {
  // Case 0 has the next 5 lead where it leads itself.
  const results = [1, 20, NEVER].map((threshold) => {
    const made = new Switch(PROGRAMS["an address from before the loop"], threshold, { flags: RWX });
    const { board } = made;
    const at = CODE + CASES;
    const pa = (board.space.get(CODE) & ~0xfff) >>> 0;
    const back = PROGRAMS["an address from before the loop"].loop;
    const text = `lw a6, 0(a1)\nsw a6, 20(a1)\nadd s4, s4, a5\njal zero, ${back}`;
    board.place((pa + CASES) as never, text, at);
    return [made.run(), made.run()];
  });
  assert.deepEqual(results[0], results[2]);
  assert.deepEqual(results[1], results[2]);
});
