/** Homes: private pages lie at one distance from their addresses, as long as that costs neither memory nor the host. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { failed } from "../../src/abi/errno.ts";
import {
  MADV_DONTNEED,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  PROT_READ,
} from "../../src/abi/mman.ts";
import { HOME_BYTES } from "../../src/machine/layout.ts";
import { PTE_CONTIG, PTE_FLAGS, PTE_W } from "../../src/machine/mmu/pagetable.ts";
import type { PageAllocator } from "../../src/vm/page.ts";
import { PagedObject } from "../../src/vm/pagedobject.ts";
import { CHUNK_PAGES, CHUNK_SIZE, PAGE_SIZE, USER_END } from "../../src/vm/param.ts";
import type { Vmspace } from "../../src/vm/vmspace.ts";
import { FIXED_ANON, map, RW, World } from "./harness.ts";

const PROGRAM = 0x40_0000;
const STACK = HOME_BYTES - 64 * PAGE_SIZE;

function frameOf(vs: Vmspace, va: number): number {
  return (vs.pageTable.get(va) & ~PTE_FLAGS) >>> 0;
}

function isAtHome(vs: Vmspace, va: number): boolean {
  return frameOf(vs, va) === (va + vs.pageTable.home) % 2 ** 32;
}

function forked(vs: Vmspace): Vmspace {
  const child = vs.fork();
  assert.ok(!failed(child));
  return child;
}

/** Numbers of all chunks that a page of `vs` lies in. */
function chunksOf(vs: Vmspace, seen: Set<number>): void {
  const { pageTable } = vs;
  let va = pageTable.nextPresent(0, USER_END);
  for (; va >= 0; va = pageTable.nextPresent(va + PAGE_SIZE, USER_END)) {
    seen.add(frameOf(vs, va) >>> 16);
  }
}

/** Takes every frame there is; how many those were. */
function exhaust(frames: PageAllocator, seen: Set<number>): number {
  const taken: number[] = [];
  for (let pa = frames.alloc(); !failed(pa); pa = frames.alloc()) {
    taken.push(pa);
    seen.add(pa >>> 16);
  }
  for (const pa of taken) frames.release(pa as never);
  return taken.length;
}

test("pages at both ends of the low addresses are at home, those above are not", () => {
  const world = new World();
  const [a, b] = [world.space(), world.space()];
  assert.notEqual(a.pageTable.home, b.pageTable.home);
  for (const vs of [a, b]) {
    for (const base of [PROGRAM, STACK, 2 ** 32 + PROGRAM]) {
      map(vs, 40, base);
      for (const i of [3, 0, 39]) vs.storeU32(base + i * PAGE_SIZE, 1);
    }
    for (const i of [0, 3, 7, 39]) {
      assert.ok(i === 7 || isAtHome(vs, PROGRAM + i * PAGE_SIZE));
      assert.ok(i === 7 || isAtHome(vs, STACK + i * PAGE_SIZE));
    }
    assert.ok(!isAtHome(vs, 2 ** 32 + PROGRAM));
  }
  const { homePages, awayPages } = world.frames.meter;
  assert.equal(awayPages, 2 * (16 + 1));
  assert.equal(homePages, 2 * 2 * (16 + 1));
  a.destroy();
  b.destroy();
  assert.equal(world.leaked, 0);
});

test("the home given back last is the next one's, who finds the frames that were used there", () => {
  const world = new World();
  const others = [world.space(), world.space()];
  const first = world.space();
  const { home } = first.pageTable;
  map(first, 16, PROGRAM);
  first.storeU32(PROGRAM, 1);
  const frame = frameOf(first, PROGRAM);
  first.destroy();
  const used = world.frames.usedChunks;
  const second = world.space();
  assert.equal(second.pageTable.home, home);
  map(second, 16, PROGRAM);
  second.storeU32(PROGRAM, 1);
  assert.equal(frameOf(second, PROGRAM), frame);
  assert.equal(world.frames.usedChunks, used);
  for (const vs of [second, ...others]) vs.destroy();
  assert.equal(world.leaked, 0);
});

test("when there are no more homes they are shared, and each still has its pages", () => {
  const world = new World(2048);
  const spaces = Array.from({ length: 100 }, () => world.space());
  const homes = spaces.map((vs) => vs.pageTable.home);
  assert.equal(new Set(homes).size, 32);
  spaces.forEach((vs, i) => {
    map(vs, 2, PROGRAM);
    vs.storeU32(PROGRAM, i);
  });
  spaces.forEach((vs, i) => {
    assert.equal(vs.loadU32(PROGRAM), i);
  });
  for (const vs of spaces) vs.destroy();
  assert.equal(world.leaked, 0);
  const again = Array.from({ length: 32 }, () => world.space());
  assert.equal(new Set(again.map((vs) => vs.pageTable.home)).size, 32);
});

for (const [what, spareBytes] of [
  ["with room for homes", 2 ** 31],
  ["without", 0],
] as const) {
  test(`no more chunks are ever touched than memory has, ${what}`, () => {
    const world = new World(1024, spareBytes);
    const { frames } = world;
    const limit = frames.totalPages / CHUNK_PAGES;
    const seen = new Set<number>();
    for (let round = 0; round < 6; round++) {
      const spaces: Vmspace[] = [];
      for (let k = 0; k < 40; k++) {
        const vs = world.space();
        spaces.push(vs);
        for (const base of [0x1_0000, 0x1000_0000 + round * 0x100_0000, 0x3000_0000]) {
          const length = 64 * CHUNK_SIZE;
          vs.mmap({ addr: base, length, prot: RW, flags: FIXED_ANON | MAP_NORESERVE });
          for (let i = 0; i < (round === 5 ? 64 : 4); i++) {
            if (failed(vs.storeU32(base + i * CHUNK_SIZE + (i % 16) * PAGE_SIZE, k + 1))) break;
          }
        }
        const child = vs.fork();
        if (!failed(child)) {
          spaces.push(child);
          for (let i = 0; i < 4; i++) child.storeU32(0x1_0000 + i * CHUNK_SIZE, 1);
          for (let i = 0; i < 4; i++) vs.storeU32(0x3000_0000 + i * CHUNK_SIZE, 1);
          child.gather(0x1_0000);
        }
        chunksOf(vs, seen);
        if (k % 3 === 0) spaces.shift()!.destroy();
      }
      for (const vs of spaces) chunksOf(vs, seen);
      for (const vs of spaces) vs.destroy();
      assert.equal(world.leaked, 0);
      assert.ok(frames.usedChunks <= limit);
      assert.equal(frames.freeChunks, limit - 1, "but for the page of zeroes");
      assert.equal(exhaust(frames, seen), frames.totalPages - 1);
      assert.ok(seen.size <= limit, `${seen.size} chunks of ${limit}`);
    }
    assert.equal(frames.usedChunks, limit);
  });
}

test("what was a home is used for other things when all else is", () => {
  const world = new World(256);
  const { frames } = world;
  const vs = world.space();
  map(vs, 64, PROGRAM);
  for (let i = 0; i < 64; i++) vs.storeU32(PROGRAM + i * PAGE_SIZE, 1);
  const homes = new Set<number>();
  chunksOf(vs, homes);
  assert.equal(homes.size, 4);
  vs.munmap(PROGRAM, 64 * PAGE_SIZE);
  const taken: number[] = [];
  while (frames.freePages > 64) taken.push(frames.alloc());
  assert.ok(taken.every((pa) => !homes.has(pa >>> 16)));
  for (let i = 0; i < 64; i++) taken.push(frames.alloc());
  assert.equal(taken.filter((pa) => homes.has(pa >>> 16)).length, 64);
  assert.ok(failed(frames.alloc()));
  for (const pa of taken) frames.release(pa as never);
  vs.destroy();
  assert.equal(world.leaked, 0);
});

test("a page that went and came back is at home again", () => {
  const world = new World();
  const vs = world.space();
  map(vs, 16, PROGRAM);
  for (let i = 0; i < 16; i++) vs.storeU32(PROGRAM + i * PAGE_SIZE, i);
  vs.madvise(PROGRAM, 16 * PAGE_SIZE, MADV_DONTNEED);
  for (let i = 0; i < 16; i++) vs.storeU32(PROGRAM + i * PAGE_SIZE, i);
  assert.ok(isAtHome(vs, PROGRAM + 5 * PAGE_SIZE));
  assert.ok((vs.pageTable.get(PROGRAM) & PTE_CONTIG) !== 0);
  vs.destroy();
});

test("who forks stays at home, whichever side writes first, and each side has its own bytes", () => {
  const world = new World();
  const parent = world.space();
  map(parent, 16, PROGRAM);
  for (let i = 0; i < 16; i++) parent.storeU32(PROGRAM + i * PAGE_SIZE, i);
  const child = forked(parent);
  assert.equal(child.pageTable.home, parent.pageTable.home);
  for (let i = 0; i < 16; i += 2) parent.storeU32(PROGRAM + i * PAGE_SIZE, 100 + i);
  for (let i = 0; i < 16; i += 3) child.storeU32(PROGRAM + i * PAGE_SIZE, 200 + i);
  for (let i = 0; i < 16; i++) {
    assert.ok(isAtHome(parent, PROGRAM + i * PAGE_SIZE));
    assert.equal(parent.loadU32(PROGRAM + i * PAGE_SIZE), i % 2 === 0 ? 100 + i : i);
    assert.equal(child.loadU32(PROGRAM + i * PAGE_SIZE), i % 3 === 0 ? 200 + i : i);
  }
  assert.deepEqual([parent.rssAnon, child.rssAnon], [16, 16]);
  child.destroy();
  parent.destroy();
  assert.equal(world.leaked, 0);
});

test("of several copies, and where rights differ, nobody gets what is another's", () => {
  const world = new World();
  const parent = world.space();
  map(parent, 4, PROGRAM);
  for (let i = 0; i < 4; i++) parent.storeU32(PROGRAM + i * PAGE_SIZE, i);
  const [first, second] = [forked(parent), forked(parent)];
  const grandchild = forked(second);
  assert.equal(second.mprotect(PROGRAM + PAGE_SIZE, PAGE_SIZE, PROT_READ), 0);
  parent.storeU32(PROGRAM, 10);
  second.storeU32(PROGRAM, 20);
  first.destroy();
  grandchild.destroy();
  parent.storeU32(PROGRAM + PAGE_SIZE, 11);
  assert.equal(second.pageTable.get(PROGRAM + PAGE_SIZE) & PTE_W, 0);
  assert.ok(failed(second.storeU32(PROGRAM + PAGE_SIZE, 5)));
  const read = (vs: Vmspace) => [0, 1, 2, 3].map((i) => vs.loadU32(PROGRAM + i * PAGE_SIZE));
  assert.deepEqual(read(parent), [10, 11, 2, 3]);
  assert.deepEqual(read(second), [20, 1, 2, 3]);
  parent.destroy();
  assert.deepEqual(read(second), [20, 1, 2, 3]);
  second.storeU32(PROGRAM + 2 * PAGE_SIZE, 22);
  assert.deepEqual(read(second), [20, 1, 22, 3]);
  second.destroy();
  assert.equal(world.leaked, 0);
});

test("who forks twice, and whose child forks, stays at home too", () => {
  const world = new World();
  const parent = world.space();
  map(parent, 4, PROGRAM);
  for (let i = 0; i < 4; i++) parent.storeU32(PROGRAM + i * PAGE_SIZE, i);
  const [first, second] = [forked(parent), forked(parent)];
  const grandchild = forked(first);
  const all = [parent, first, second, grandchild];
  parent.storeU32(PROGRAM, 100);
  assert.ok(isAtHome(parent, PROGRAM));
  assert.deepEqual(
    all.map((vs) => vs.loadU32(PROGRAM)),
    [100, 0, 0, 0],
  );
  assert.equal(frameOf(first, PROGRAM), frameOf(grandchild, PROGRAM));
  for (const [k, vs] of all.entries()) vs.storeU32(PROGRAM, 10 * k);
  assert.deepEqual(
    all.map((vs) => vs.loadU32(PROGRAM)),
    [0, 10, 20, 30],
  );
  first.destroy();
  parent.storeU32(PROGRAM + PAGE_SIZE, 7);
  assert.deepEqual(
    [parent, second, grandchild].map((vs) => vs.loadU32(PROGRAM + PAGE_SIZE)),
    [7, 1, 1],
  );
  for (const vs of [second, parent, grandchild]) vs.destroy();
  assert.equal(world.leaked, 0);
});

test("gathering brings pages home when their places are free, and tells when there is nothing to do", () => {
  const world = new World();
  const parent = world.space();
  map(parent, 16, PROGRAM);
  for (let i = 0; i < 16; i++) parent.storeU32(PROGRAM + i * PAGE_SIZE, i);
  const child = forked(parent);
  for (let i = 0; i < 16; i++) child.storeU32(PROGRAM + i * PAGE_SIZE, 100 + i);
  assert.ok(!isAtHome(child, PROGRAM));
  assert.equal(child.gather(PROGRAM), false, "the places are the parent's");
  parent.destroy();
  assert.equal(child.gather(PROGRAM + 3 * PAGE_SIZE), true);
  for (let i = 0; i < 16; i++) {
    assert.ok(isAtHome(child, PROGRAM + i * PAGE_SIZE));
    assert.equal(child.loadU32(PROGRAM + i * PAGE_SIZE), 100 + i);
  }
  assert.ok((child.pageTable.get(PROGRAM) & PTE_CONTIG) !== 0);
  assert.equal(child.gather(PROGRAM), false);
  assert.equal(world.frames.meter.homecomings, 16);
  assert.equal(child.rssAnon, 16);
  child.destroy();
  assert.equal(world.leaked, 0);
});

test("file pages among private ones at home are copied there, and holes between them filled", () => {
  const world = new World();
  const vs = world.space();
  const pager = {
    pageIn: (_pindex: number, into: Uint8Array): number => {
      into.fill(1);
      return 0;
    },
    pageOut: () => 0,
  };
  const object = new PagedObject(world.frames, pager, 8 * PAGE_SIZE);
  const flags = MAP_PRIVATE | MAP_FIXED;
  vs.mmap({ addr: PROGRAM, length: 8 * PAGE_SIZE, prot: RW, flags, object });
  for (const i of [0, 3, 7]) vs.storeU32(PROGRAM + i * PAGE_SIZE, 100 + i);
  assert.equal(vs.loadU32(PROGRAM + 5 * PAGE_SIZE), 0x01010101);
  assert.equal(vs.gather(PROGRAM), true);
  for (let i = 0; i < 8; i++) assert.ok(isAtHome(vs, PROGRAM + i * PAGE_SIZE));
  assert.equal(vs.loadU32(PROGRAM + 3 * PAGE_SIZE), 103);
  assert.equal(vs.loadU32(PROGRAM + 5 * PAGE_SIZE), 0x01010101);
  assert.equal(vs.gather(PROGRAM), false);
  vs.destroy();
  object.release();
  assert.equal(world.leaked, 0);
});

test("what mremap moved comes home when it is gathered", () => {
  const world = new World();
  const vs = world.space();
  map(vs, 16, PROGRAM);
  for (let i = 0; i < 16; i++) vs.storeU32(PROGRAM + i * PAGE_SIZE, i);
  const to = 0x1000_0000;
  assert.equal(vs.mremap(PROGRAM, 16 * PAGE_SIZE, 16 * PAGE_SIZE, 3, to), to);
  assert.ok(!isAtHome(vs, to));
  assert.equal(vs.gather(to), true);
  assert.ok(isAtHome(vs, to));
  for (let i = 0; i < 16; i++) assert.equal(vs.loadU32(to + i * PAGE_SIZE), i);
  vs.destroy();
  assert.equal(world.leaked, 0);
});
