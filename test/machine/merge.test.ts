/** Segments of translations that are small become one (jit/merge.ts), and nobody loses by that. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CTX_F } from "../../src/machine/layout.ts";
import { TRAP_ECALL } from "../../src/machine/traps.ts";
import type { TranslationSegment } from "../../src/platform/translations.ts";
import { Board, RX } from "./board.ts";
import { Shelf } from "./shelf.ts";

const CODE = 0x1_0000;
const THRESHOLD = 1000;
/** fcsr with the inexact flag raised: arithmetic need not raise it. */
const INEXACT = 1;
/** Small segments that there may be before they are merged. */
const FEW = 8;

/** A machine that runs a loop which adds `add` to a0, and leaves one region if it found none. */
function sum(store: Shelf, add: number): Board["machine"]["stats"] {
  const board = new Board(THRESHOLD, 200, 150, store);
  const code = board.frame();
  board.map(CODE, code, RX);
  board.place(
    code,
    `lui a1, 1\nloop: addi a0, a0, ${add}\naddi a1, a1, -1\nbnez a1, loop\necall`,
    CODE,
  );
  assert.equal(board.run(CODE), TRAP_ECALL);
  assert.equal(board.ctx.getX(10), 4096 * add);
  board.machine.finish();
  return board.machine.stats;
}

/** A machine that forgives so many doubts runs a loop that is in doubt each time. */
function doubt(store: Shelf, maxDoubts: number): Board["machine"]["stats"] {
  const board = new Board(THRESHOLD, maxDoubts, 150, store);
  const code = board.frame();
  board.map(CODE, code, RX);
  board.place(
    code,
    "lui a1, 2\nloop: fadd.d fa2, fa0, fa1\naddi a1, a1, -1\nbnez a1, loop\necall",
    CODE,
  );
  board.ctx.fcsr = INEXACT;
  const f = new Float64Array(board.machine.mem.u8.buffer, board.ctx.addr + CTX_F, 32);
  f[10] = f[11] = Number.MAX_VALUE;
  assert.equal(board.run(CODE), TRAP_ECALL);
  board.machine.finish();
  return board.machine.stats;
}

const PROGRAMS = Array.from({ length: 30 }, (_, i) => i + 1);

test("machines that make one region each leave few segments, and all of their regions are found", () => {
  const shelf = new Shelf();
  for (const add of PROGRAMS) {
    assert.equal(sum(shelf, add).modules, 1);
    assert.ok(shelf.segments.length <= FEW, `${shelf.segments.length} segments`);
  }
  for (const add of PROGRAMS) {
    const { modules, regionsRestored } = sum(shelf, add);
    assert.deepEqual([modules, regionsRestored], [0, 1]);
  }
});

test("a region that was replaced does not become the newest", () => {
  const shelf = new Shelf();
  assert.equal(doubt(shelf, Number.POSITIVE_INFINITY).regionsCareful, 0);
  assert.equal(doubt(shelf, 3).regionsCareful, 1);
  const [careful, hopeful] = shelf.segments;
  assert.ok(careful && hopeful);
  for (const add of PROGRAMS) sum(shelf, add);
  assert.ok(!shelf.segments.includes(careful) && !shelf.segments.includes(hopeful));
  const { doubts, modules } = doubt(shelf, 3);
  assert.deepEqual([doubts, modules], [0, 0]);
});

test("large segments stay as they are, and so does what cannot be read", () => {
  const shelf = new Shelf();
  sum(shelf, 100);
  sum(shelf, 101);
  const [sound, other] = shelf.segments as [TranslationSegment, TranslationSegment];
  // Its index is where it was, behind more than is small.
  const ahead = 1 << 20;
  const large: TranslationSegment = {
    sizeBytes: sound.sizeBytes + ahead,
    read: (offset, into) => (offset < ahead ? -5 : sound.read(offset - ahead, into)),
  };
  const broken: TranslationSegment = {
    sizeBytes: other.sizeBytes,
    read: (offset, into) => (offset === 0 ? -5 : other.read(offset, into)),
  };
  shelf.segments = [large, broken];
  for (const add of PROGRAMS) sum(shelf, add);
  assert.ok(shelf.segments.includes(large) && shelf.segments.includes(broken));
  assert.ok(shelf.segments.length <= FEW + 2);
});

test("damaged records are left behind", () => {
  const shelf = new Shelf();
  for (const add of PROGRAMS.slice(0, FEW)) sum(shelf, add);
  shelf.segments = shelf.segments.map((segment, i) => {
    if (i % 2 === 0) return segment;
    const read = (offset: number, into: Uint8Array): number => {
      const error = segment.read(offset, into);
      // The length of the first record, and of what is in it.
      if (offset === 0) into.fill(i === 1 ? 0xff : 0x55, 0, 40);
      return error;
    };
    return { sizeBytes: segment.sizeBytes, read };
  });
  sum(shelf, 100);
  assert.equal(shelf.segments.length, 1);
  const made = PROGRAMS.slice(0, FEW).map((add) => sum(shelf, add).modules);
  assert.deepEqual(made.sort(), [0, 0, 0, 0, 1, 1, 1, 1]);
});

test("a store that is full keeps what there was", () => {
  const shelf = new Shelf();
  for (const add of PROGRAMS.slice(0, FEW)) sum(shelf, add);
  const before = [...shelf.segments];
  let room = 1;
  const append = shelf.append.bind(shelf);
  shelf.append = (bytes) => (room-- > 0 ? append(bytes) : -28);
  sum(shelf, 100);
  assert.deepEqual(shelf.segments, before);
});
