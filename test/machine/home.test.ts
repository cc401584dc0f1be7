/**
 * Pages at home (mmu/home.ts): where pages lie changes nothing but the time, whatever the kernel does to them, and no access
 * gets anywhere that the page table does not allow. Random kernels with and without homes, interpreted and compiled, must see the same.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HOME_BYTES } from "../../src/machine/layout.ts";
import { PTE_R, PTE_X } from "../../src/machine/mmu/pagetable.ts";
import { PAGE_SIZE, type Paddr } from "../../src/machine/physmem.ts";
import {
  TRAP_ECALL,
  TRAP_FAULT_READ,
  TRAP_FAULT_WRITE,
  TRAP_FUEL,
} from "../../src/machine/traps.ts";
import { Board, RW, RWX, RX } from "./board.ts";
import { Random } from "./random.ts";

const CODE = 0x1_0000;
const LIST = 0x2_0000;
/** Pages that the programs access, across the end of a granule. */
const DATA = 0x4_c000;
const PAGES = 8;
const A0 = 10;
const A1 = 11;
const INTERPRETED = Number.POSITIVE_INFINITY;

/** Takes the addresses of a list, a1 of them, and does the same with each; sums in a2. */
const loopOf = (body: string): string => `
  loop:
  ld a3, 0(a0)
  ${body}
  addi a0, a0, 8
  addi a1, a1, -1
  bnez a1, loop
  ecall`;

const BODIES = [
  "lbu t0, 0(a3)\nadd a2, a2, t0",
  "lh t0, 0(a3)\nadd a2, a2, t0",
  "lw t0, 0(a3)\nadd a2, a2, t0",
  "ld t0, 0(a3)\nadd a2, a2, t0",
  "sb a1, 0(a3)",
  "sw a1, 0(a3)",
  "sd a2, 0(a3)",
  "fld ft0, 0(a3)\nfsd ft0, 8(a3)",
  // One lookup for two, or for three, 400 bytes apart.
  "ld t0, 8(a3)\nld t1, -16(a3)\nadd a2, a2, t0\nadd a2, a2, t1",
  "ld t0, 0(a3)\nsd a1, 400(a3)\nlw t1, 200(a3)\nadd a2, a2, t0\nadd a2, a2, t1",
  "andi a3, a3, -8\namoadd.d t0, a1, (a3)\nadd a2, a2, t0",
] as const;

const FLAGS = [RW, PTE_R, RW, PTE_R | PTE_X] as const;

/** One machine with its frames; all with the same seed are told to do the same. */
class Rig {
  readonly board: Board;
  readonly list: Paddr;
  readonly frames: Paddr;
  readonly programs: readonly Paddr[];

  constructor(threshold: number) {
    this.board = new Board(threshold);
    this.programs = BODIES.map(() => this.board.frame());
    this.list = this.board.frame();
    this.frames = this.board.frame(2 * PAGES);
    this.programs.forEach((pa, i) => {
      this.board.place(pa, loopOf(BODIES[i]!), CODE + i * PAGE_SIZE);
    });
  }

  newSpace(hasHome: boolean): void {
    this.board.space = this.board.newSpace();
    if (hasHome) this.board.space.home = this.frames - DATA;
    this.programs.forEach((pa, i) => {
      this.board.map(CODE + i * PAGE_SIZE, pa, RX);
    });
    this.board.map(LIST, this.list, RW);
  }

  /** Runs one of the programs over `addresses`: the traps on the way, and the sum. */
  access(program: number, addresses: readonly number[], fuel: number): string[] {
    const { board } = this;
    addresses.forEach((va, i) => {
      const at = (this.list >>> 2) + i * 2;
      board.machine.mem.u32[at] = va % 2 ** 32;
      board.machine.mem.u32[at + 1] = Math.floor(va / 2 ** 32);
    });
    board.ctx.setX(A0, LIST);
    board.ctx.setX(A1, addresses.length);
    board.ctx.setX(12, 1);
    board.ctx.pc = CODE + program * PAGE_SIZE;
    const seen: string[] = [];
    for (;;) {
      const trap = board.hart.run(board.ctx, board.space, fuel);
      if (trap === TRAP_FUEL) continue;
      if (trap === TRAP_ECALL) break;
      assert.ok(trap === TRAP_FAULT_READ || trap === TRAP_FAULT_WRITE);
      seen.push(`${trap} ${board.hart.faultAddr} ${board.ctx.pc - CODE}`);
      board.ctx.pc += board.ctx.pc === CODE ? 0 : 4;
    }
    return [...seen, board.state()];
  }
}

/** What a random kernel and its programs see. */
function history(rig: Rig, hasHome: boolean, seed: number): string[] {
  const random = new Random(seed);
  const { board, frames } = rig;
  const { u8 } = board.machine.mem;
  for (let i = 0; i < 2 * PAGES * PAGE_SIZE; i++) u8[frames + i] = i * 7;
  board.ctx.clear();
  rig.newSpace(hasHome);
  const seen: string[] = [];
  for (let step = 0; step < 40; step++) {
    for (let n = random.below(4); n > 0; n--) change(rig, random);
    const addresses = Array.from({ length: 1 + random.below(60) }, () => addressFor(random));
    seen.push(...rig.access(random.below(BODIES.length), addresses, 1 + random.below(90)));
  }
  return [
    ...seen,
    Buffer.from(u8.subarray(frames, frames + 2 * PAGES * PAGE_SIZE)).toString("hex"),
  ];
}

/** Maps, unmaps, protects or moves a page. */
function change({ board, frames }: Rig, random: Random): void {
  const page = random.below(PAGES);
  const va = DATA + page * PAGE_SIZE;
  const kind = random.below(8);
  if (kind < 4) board.map(va, (frames + page * PAGE_SIZE) as Paddr, random.pick(FLAGS));
  else if (kind < 5) board.map(va, (frames + (PAGES + page) * PAGE_SIZE) as Paddr, RW);
  else if (kind < 6) board.space.remove(va);
  else board.space.setFlags(va, random.pick(FLAGS));
  board.space.invalidate(va, PAGE_SIZE);
}

/** Mostly anywhere in the pages, often where one ends, seldom far away with the same low bits. */
function addressFor(random: Random): number {
  const page = DATA + random.below(PAGES) * PAGE_SIZE;
  const kind = random.below(20);
  if (kind < 12) return page + random.below(PAGE_SIZE / 8) * 8;
  if (kind < 18) return page - 12 + random.below(24);
  return page + random.pick([HOME_BYTES, 2 ** 31, 2 ** 32, 2 ** 38, 2 ** 44, 2 ** 52]);
}

test("where pages lie changes nothing but the time", () => {
  const rigs = [INTERPRETED, 1, 3, 30].flatMap((threshold) =>
    [false, true].map((hasHome) => ({ hasHome, rig: new Rig(threshold) })),
  );
  for (let seed = 1; seed <= 60; seed++) {
    const [first, ...others] = rigs.map(({ rig, hasHome }) => history(rig, hasHome, seed));
    for (const other of others) assert.deepEqual(other, first, `seed ${seed}`);
  }
});

/** A compiled loop that reads one word; how often its region was left. */
function settled(flags: number): { rig: Rig; misses: () => number } {
  const rig = new Rig(3);
  rig.newSpace(true);
  for (let i = 0; i < PAGES; i++) {
    rig.board.map(DATA + i * PAGE_SIZE, (rig.frames + i * PAGE_SIZE) as Paddr, flags);
  }
  return { rig, misses: () => rig.board.machine.stats.misses };
}

test("what is at home is found there: compiled code does not come out", () => {
  const { rig, misses } = settled(RW);
  const everywhere = Array.from({ length: 400 }, (_, i) => DATA + 32 + ((i * 808) % 31_000));
  for (let i = 0; i < 5; i++) for (const p of [0, 3, 6, 8, 9]) rig.access(p, everywhere, 1e6);
  const before = misses();
  for (let i = 0; i < 20; i++) for (const p of [0, 3, 6, 8, 9]) rig.access(p, everywhere, 1e6);
  assert.equal(misses(), before);
  assert.ok(rig.board.machine.stats.regionsMade > 0);
});

test("an access that begins in the page before the first is refused", () => {
  const { rig } = settled(RW);
  rig.board.space.remove(DATA);
  rig.board.space.invalidate(DATA, PAGE_SIZE);
  const inside = Array.from({ length: 200 }, (_, i) => DATA + PAGE_SIZE + (i % 100) * 8);
  assert.equal(rig.access(3, inside, 1e6).length, 1);
  const [fault] = rig.access(3, [...inside, DATA + PAGE_SIZE - 4], 1e6);
  assert.equal(fault?.split(" ")[0], String(TRAP_FAULT_READ));
});

test("a store to a page at home that has code drops what was compiled of it", () => {
  const { rig } = settled(RWX);
  const { board } = rig;
  const at = DATA + 2 * PAGE_SIZE;
  const stored = Array.from({ length: 200 }, (_, i) => at + 2048 + (i % 2) * PAGE_SIZE);
  const sd = 6;
  for (const last of [at + 2048, at + PAGE_SIZE - 4]) {
    rig.access(sd, stored, 1e6);
    board.place((rig.frames + 2 * PAGE_SIZE) as Paddr, loopOf("addi a2, a2, 1"), at);
    board.ctx.setX(A0, LIST);
    board.ctx.setX(A1, 100);
    assert.equal(board.run(at), TRAP_ECALL);
    const dropped = board.machine.stats.regionsDropped;
    // The second one begins in the page and ends in the next.
    rig.access(sd, [last], 1e6);
    assert.equal(board.machine.stats.regionsDropped, dropped + 1);
  }
});

test("address spaces that take turns keep their own homes, and banks that change hands nobody's", () => {
  const { rig } = settled(RW);
  const { board } = rig;
  const spaces = Array.from({ length: 40 }, (_, n) => {
    rig.newSpace(n % 2 === 0);
    // Each has one page; the frames are as if all of them were at home.
    const page = n % PAGES;
    board.map(DATA + page * PAGE_SIZE, (rig.frames + page * PAGE_SIZE) as Paddr, RW);
    return board.space;
  });
  const addresses = Array.from({ length: PAGES }, (_, i) => DATA + i * PAGE_SIZE + 64);
  for (let round = 0; round < 4; round++) {
    spaces.forEach((space, n) => {
      board.space = space;
      const seen = rig.access(3, addresses, 1e6);
      assert.equal(seen.length, PAGES, `space ${n} reaches one page`);
      for (const va of addresses.filter((_, i) => i !== n % PAGES)) {
        assert.ok(seen.some((s) => s.includes(` ${va} `)));
      }
    });
  }
});
