/**
 * The interpreter decodes by tables of its own. 16-bit instructions have their own handlers: each of them, over registers
 * that are addresses or anything, does what the 32-bit instruction that it abbreviates does, or is as illegal. And 32-bit
 * words that are no instruction are none for the interpreter either.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PAGE_SIZE } from "../../src/machine/physmem.ts";
import { Decoder } from "../../src/machine/riscv/decode.ts";
import { expand } from "../../src/machine/riscv/isa/c.ts";
import { immOf } from "../../src/machine/riscv/isa/insn.ts";
import { RV64GC } from "../../src/machine/riscv/isa/rv64gc.ts";
import { traitsOf } from "../../src/machine/riscv/traits.ts";
import { TRAP_ILLEGAL } from "../../src/machine/traps.ts";
import { Board, RW, RX } from "./board.ts";
import { Random } from "./random.ts";

const CODE = 0x1_0000;
const DATA = 0x4_0000;
const PATTERN = Uint8Array.from({ length: PAGE_SIZE }, (_, i) => i * 7);
const RA = 1;

/** Steps over one instruction from a given state, and tells all that it left. */
class Stepper {
  readonly board = new Board(Number.POSITIVE_INFINITY);
  readonly #code = this.board.frame();
  readonly #data = this.board.frame();

  constructor() {
    this.board.map(CODE, this.#code, RX);
    this.board.map(DATA, this.#data, RW);
  }

  step(word: number, registers: Uint8Array, seesStores: boolean) {
    const { ctx, hart, machine, space } = this.board;
    const data = machine.mem.u8.subarray(this.#data, this.#data + PATTERN.length);
    if (seesStores) data.set(PATTERN);
    machine.mem.u32[this.#code >>> 2] = word;
    ctx.xBytes.set(registers);
    ctx.fBytes.set(registers);
    ctx.pc = CODE;
    const trap = hart.step(ctx, space);
    const stored = seesStores ? Buffer.from(data).toString("latin1") : "";
    return {
      trap,
      pc: ctx.pc,
      ra: ctx.getX(RA),
      state: this.#others(),
      stored,
      at: hart.faultAddr,
    };
  }

  /** All registers but ra, which a call makes the next instruction's address. */
  #others(): string {
    const { xBytes, fBytes } = this.board.ctx;
    const x = Buffer.from(xBytes);
    x.fill(0, 8 * RA, 8 * RA + 8);
    return x.toString("latin1") + Buffer.from(fBytes).toString("latin1");
  }
}

/** Bytes of x registers: addresses of data, or anything. */
function registersOf(random: Random, areAddresses: boolean): Uint8Array {
  const x = new BigUint64Array(32);
  for (let i = 1; i < 32; i++) {
    const anything = (BigInt(random.below(2 ** 31)) << 33n) | BigInt(random.below(2 ** 31));
    x[i] = areAddresses ? BigInt(DATA + 8 * random.below(PAGE_SIZE / 16)) : anything;
  }
  return new Uint8Array(x.buffer);
}

for (const areAddresses of [true, false]) {
  test(`every 16-bit instruction is its long form, over ${areAddresses ? "addresses" : "anything"}`, () => {
    const decoder = new Decoder(RV64GC);
    const stepper = new Stepper();
    const random = new Random(16);
    for (let half = 0; half < 0x1_0000; half++) {
      if ((half & 3) === 3) continue;
      const name = half.toString(16);
      const registers = registersOf(random, areAddresses);
      const long = expand(half);
      const insn = decoder.decode(long);
      // What lies behind it is none of its business.
      const word = (half | (random.below(0x1_0000) << 16)) >>> 0;
      if (!insn) {
        assert.equal(stepper.step(word, registers, false).trap, TRAP_ILLEGAL, name);
        continue;
      }
      const { stores, flow } = traitsOf(insn);
      // A jump as far as the long form's next instruction would look like none.
      if ((flow === "branch" || flow === "jump") && immOf(insn.imm, long) === 4) continue;
      const expected = stepper.step(long, registers, stores);
      const found = stepper.step(word, registers, stores);
      if (expected.pc === CODE + 4) expected.pc = CODE + 2;
      if (expected.ra === CODE + 4) expected.ra = CODE + 2;
      // Compared as one string: thirty thousand times.
      assert.ok(JSON.stringify(found) === JSON.stringify(expected), name);
    }
  });
}

test("words that are nearly instructions, but none, are illegal", () => {
  const decoder = new Decoder(RV64GC);
  const stepper = new Stepper();
  const random = new Random(32);
  const registers = registersOf(random, true);
  let illegal = 0;
  for (let i = 0; i < 50_000; i++) {
    const { match, mask } = random.pick(RV64GC);
    const turned = 1 << (2 + random.below(30));
    const word = (((random.u32() & ~mask) | match) ^ turned) >>> 0;
    if (decoder.decode(word)) continue;
    illegal++;
    assert.equal(stepper.step(word, registers, false).trap, TRAP_ILLEGAL, word.toString(16));
  }
  assert.ok(illegal > 10_000);
});
