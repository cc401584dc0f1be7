/** Page tables: what is entered is found, walked, changed and freed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ENOMEM } from "../../src/abi/errno.ts";
import {
  PTE_CONTIG,
  PTE_D,
  PTE_R,
  PTE_SW0,
  PTE_V,
  PTE_W,
  VA_END,
} from "../../src/machine/mmu/pagetable.ts";
import { PAGE_SIZE, type Paddr } from "../../src/machine/physmem.ts";
import { Board, RW } from "./board.ts";

const board = new Board(Number.POSITIVE_INFINITY);
const FRAME = 0x1234_5000 as Paddr;

test("an entry carries frame and flags, wherever it is", () => {
  const pt = board.newSpace();
  for (const va of [0, 0x1000, 0x3f_f000, 0x40_0000, 0x1_2345_6000, VA_END - PAGE_SIZE]) {
    assert.equal(pt.get(va), 0);
    assert.equal(pt.enter(va, FRAME, PTE_R | PTE_SW0), 0);
    assert.equal(pt.get(va + 123), FRAME | PTE_V | PTE_R | PTE_SW0);
  }
  for (const wild of [-1, VA_END, 2 ** 60, Number.NaN]) assert.equal(pt.get(wild), 0);
  assert.equal(pt.enter(VA_END, FRAME, RW), ENOMEM);
});

test("walking sees every mapped page once, in order, and nothing else", () => {
  const pt = board.newSpace();
  const pages = [0x1000, 0x2000, 0x3f_f000, 0x40_0000, 0x8000_0000, 0x20_0000_0000];
  for (const va of pages) pt.enter(va, FRAME, RW);
  const seen: number[] = [];
  for (let va = pt.nextPresent(0, VA_END); va >= 0; va = pt.nextPresent(va + PAGE_SIZE, VA_END)) {
    seen.push(va);
  }
  assert.deepEqual(seen, pages);
  assert.equal(pt.nextPresent(0x3000, 0x3f_f000), -1);
});

test("a block ends when one of its pages changes", () => {
  const pt = board.newSpace();
  const frame = 0x20_0000 as Paddr;
  assert.equal(pt.enterBlock(0x10_0000, frame, RW), 0);
  assert.ok(pt.get(0x10_5000) & PTE_CONTIG);
  pt.clearFlags(0x10_3000, PTE_W);
  for (let k = 0; k < 16; k++) assert.equal(pt.get(0x10_0000 + k * PAGE_SIZE) & PTE_CONTIG, 0);
  assert.equal(pt.promote(0x10_0000), false);
  pt.setFlags(0x10_3000, RW);
  assert.equal(pt.promote(0x10_0000), true);
  pt.clearFlags(0x10_0000, PTE_D);
  assert.equal(pt.get(0x10_1000) & PTE_CONTIG, 0);
});

test("a page that gets its own flags back and more leaves its block", () => {
  const pt = board.newSpace();
  const block = board.frame(16);
  pt.enterBlock(0x10_0000, block, PTE_R);
  const flags = pt.get(0x10_3000) & 0xfff;
  assert.ok(flags & PTE_CONTIG);
  pt.setFlags(0x10_3000, flags | PTE_W);
  assert.equal(pt.get(0x10_3000), block + 0x3000 + (PTE_V | PTE_R | PTE_W));
});

test("tables that cannot be had are ENOMEM, and destroy gives all back", () => {
  let [left, held] = [3, 0];
  const pt = board.machine.newPageTable({
    allocTable: () => {
      if (left-- <= 0) return ENOMEM;
      held++;
      return board.frame();
    },
    freeTable: () => {
      held--;
    },
  });
  assert.equal(pt.enter(0, FRAME, RW), 0);
  assert.equal(pt.enter(0x40_0000, FRAME, RW), ENOMEM);
  assert.equal(pt.enter(0x1000, FRAME, RW), 0);
  assert.equal(pt.tablePages, 3);
  pt.destroy();
  assert.equal(held, 0);
});
