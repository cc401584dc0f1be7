/** Private pages lie together: one aligned chunk of frames for 64 KiB of addresses, at no cost to others. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { failed } from "../../src/abi/errno.ts";
import { MADV_DONTNEED, MAP_NORESERVE, MAP_PRIVATE, PROT_READ } from "../../src/abi/mman.ts";
import { PTE_CONTIG, PTE_FLAGS, PTE_W } from "../../src/machine/mmu/pagetable.ts";
import { writeObject } from "../../src/vfs/pagecache.ts";
import { PagedObject } from "../../src/vm/pagedobject.ts";
import type { Pager } from "../../src/vm/pager.ts";
import { CHUNK_SIZE, PAGE_SIZE } from "../../src/vm/param.ts";
import { Uio } from "../../src/vm/uio.ts";
import type { Vmspace } from "../../src/vm/vmspace.ts";
import { FIXED_ANON, map, PRIVATE_ANON, RW, World } from "./harness.ts";

const BASE = 0x1000_0000;
const page = (i: number) => BASE + i * PAGE_SIZE;

/** Frame of `va`, 0 if there is none. */
function frameOf(vs: Vmspace, va: number): number {
  return (vs.pageTable.get(va) & ~PTE_FLAGS) >>> 0;
}

/** Address of the chunk that pages first … end of BASE all have their place in; -1 if they have not. */
function chunkOf(vs: Vmspace, first: number, end: number): number {
  const chunk = frameOf(vs, page(first)) - (first % 16) * PAGE_SIZE;
  for (let i = first; i < end; i++) {
    if (frameOf(vs, page(i)) !== chunk + (i % 16) * PAGE_SIZE) return -1;
  }
  return chunk % CHUNK_SIZE === 0 ? chunk : -1;
}

class FilledFile implements Pager {
  pageIn(_pindex: number, into: Uint8Array): number {
    into.fill(1);
    return 0;
  }

  pageOut(): number {
    return 0;
  }
}

function file(world: World, pages: number): PagedObject {
  return new PagedObject(world.frames, new FilledFile(), pages * PAGE_SIZE);
}

test("pages take their places whatever the order they are touched in, and whichever map they are of", () => {
  const world = new World();
  const vs = world.space();
  const o = file(world, 3);
  map(vs, 6, page(10));
  vs.mmap({ addr: page(7), length: 3 * PAGE_SIZE, prot: RW, flags: FIXED_ANON, object: o });
  map(vs, 5, page(2));
  for (const i of [12, 7, 3, 9, 8]) assert.equal(vs.storeU32(page(i), i), 0);
  assert.notEqual(chunkOf(vs, 2, 10), -1);
  assert.equal(frameOf(vs, page(12)) - frameOf(vs, page(7)), 5 * PAGE_SIZE);
  vs.destroy();
  o.release();
  assert.equal(world.leaked, 0);
});

test("two address spaces, and two granules, never share a chunk while there are others", () => {
  const world = new World();
  const [a, b] = [world.space(), world.space()];
  for (const vs of [a, b]) map(vs, 64, BASE);
  for (let i = 0; i < 64; i += 16) for (const vs of [a, b]) vs.storeU32(page(i), 1);
  const chunks = [a, b].flatMap((vs) => [0, 16, 32, 48].map((i) => frameOf(vs, page(i)) >>> 16));
  assert.equal(new Set(chunks).size, 8);
  a.destroy();
  b.destroy();
  assert.equal(world.leaked, 0);
});

test("what is reserved is free, and is given away when nothing else is", () => {
  const world = new World(1024);
  const vs = world.space();
  const length = 2048 * CHUNK_SIZE;
  vs.mmap({ addr: BASE, length, prot: RW, flags: FIXED_ANON | MAP_NORESERVE });
  const before = world.frames.freePages;
  vs.storeU32(page(0), 1);
  const tables = vs.pageTable.tablePages;
  assert.equal(before - world.frames.freePages, 1 + tables, "one page and its tables, not a chunk");
  assert.equal(vs.rssAnon, 1);
  let held = 1;
  for (let i = 16; !failed(vs.storeU32(page(i), 1)); i += 16) held++;
  assert.equal(world.frames.freePages, 0, "every last frame is in use before memory is out");
  assert.equal(vs.rssAnon, held);
  vs.destroy();
  assert.equal(world.leaked, 0);
});

test("an unmapped granule's chunk is whole again", () => {
  const world = new World(256);
  const vs = world.space();
  for (let round = 0; round < 100; round++) {
    map(vs, 16, BASE);
    vs.storeU32(page(3), 1);
    vs.storeU32(page(4), 1);
    assert.ok((vs.pageTable.get(page(0)) & PTE_CONTIG) !== 0, `round ${round}`);
    assert.equal(vs.munmap(page(0), 5 * PAGE_SIZE), 0);
    assert.equal(vs.munmap(page(5), 11 * PAGE_SIZE), 0);
  }
  vs.destroy();
  assert.equal(world.leaked, 0);
});

test("a page that went and came back takes its old place", () => {
  const world = new World();
  const vs = world.space();
  map(vs, 16, BASE);
  for (let i = 0; i < 16; i++) vs.storeU32(page(i), i);
  const chunk = chunkOf(vs, 0, 16);
  vs.madvise(page(5), 3 * PAGE_SIZE, MADV_DONTNEED);
  for (const i of [7, 5, 6]) vs.storeU32(page(i), 1);
  assert.equal(chunkOf(vs, 0, 16), chunk);
  vs.destroy();
});

test("after a fork the copies of one side lie together too", () => {
  const world = new World();
  const parent = world.space();
  map(parent, 16, BASE);
  for (let i = 0; i < 16; i++) parent.storeU32(page(i), i);
  const child = parent.fork();
  assert.ok(!failed(child));
  for (const i of [2, 3, 9]) child.storeU32(page(i), 100 + i);
  const copies = frameOf(child, page(2)) - 2 * PAGE_SIZE;
  assert.notEqual(copies, chunkOf(parent, 0, 16));
  assert.equal(frameOf(child, page(3)), copies + 3 * PAGE_SIZE);
  assert.equal(frameOf(child, page(9)), copies + 9 * PAGE_SIZE);
  for (let i = 0; i < 16; i++) assert.equal(parent.loadU32(page(i)), i);
  child.destroy();
  parent.destroy();
  assert.equal(world.leaked, 0);
});

test("gathering brings a forked child's granule into one chunk, and leaves the parent's", () => {
  const world = new World();
  const parent = world.space(0);
  map(parent, 16, BASE);
  for (let i = 0; i < 16; i++) parent.storeU32(page(i), i);
  const child = parent.fork();
  assert.ok(!failed(child));
  child.storeU32(page(4), 104);
  assert.equal(chunkOf(child, 0, 16), -1);
  assert.equal(child.gather(page(9)), true);
  assert.notEqual(chunkOf(child, 0, 16), -1);
  assert.notEqual(chunkOf(child, 0, 16), chunkOf(parent, 0, 16));
  assert.ok((child.pageTable.get(page(0)) & PTE_W) !== 0, "its own now");
  assert.equal(child.gather(page(9)), false, "nothing is left to do");
  for (let i = 0; i < 16; i++) {
    assert.equal(child.loadU32(page(i)), i === 4 ? 104 : i);
    assert.equal(parent.loadU32(page(i)), i);
  }
  assert.deepEqual([child.rssAnon, parent.rssAnon], [16, 16]);
  child.destroy();
  parent.destroy();
  assert.equal(world.leaked, 0);
});

test("gathering copies file pages among private ones, and fills holes only between pages", () => {
  const world = new World();
  const vs = world.space();
  const o = file(world, 4);
  const flags = FIXED_ANON;
  vs.mmap({ addr: page(4), length: 4 * PAGE_SIZE, prot: PROT_READ, flags, object: o });
  map(vs, 6, page(8));
  assert.equal(vs.loadU32(page(5)), 0x01010101);
  vs.storeU32(page(8), 8);
  vs.loadU32(page(10));
  assert.equal(vs.gather(page(8)), true);
  assert.notEqual(chunkOf(vs, 4, 11), -1);
  assert.equal(frameOf(vs, page(12)), 0);
  assert.deepEqual([vs.rssAnon, vs.rssFile], [7, 0]);
  assert.equal(vs.loadU32(page(5)), 0x01010101);
  assert.equal(vs.loadU32(page(9)), 0);
  assert.equal(vs.pageTable.get(page(5)) & PTE_W, 0, "no more rights than before");
  vs.destroy();
  o.release();
  assert.equal(world.leaked, 0);
});

test("what is executable or shared stays where it is", () => {
  const world = new World();
  const vs = world.space();
  const o = file(world, 2);
  const flags = FIXED_ANON;
  vs.mmap({ addr: page(0), length: 2 * PAGE_SIZE, prot: PROT_READ | 4, flags, object: o });
  map(vs, 4, page(2));
  vs.loadU32(page(0));
  vs.storeU32(page(2), 1);
  const text = frameOf(vs, page(0));
  assert.equal(vs.gather(page(0)), false);
  assert.equal(frameOf(vs, page(0)), text);
  vs.destroy();
  o.release();
});

test("maps that mmap places have granules of their own, unless they continue one another", () => {
  const world = new World();
  const vs = world.space();
  const o = file(world, 40);
  const granules = (at: number, pages: number) => [
    Math.floor(at / CHUNK_SIZE),
    Math.floor((at + pages * PAGE_SIZE - 1) / CHUNK_SIZE),
  ];
  const seen = new Map<number, number>();
  for (const [i, pages] of [1, 3, 40, 2, 17, 5].entries()) {
    const at = vs.mmap({
      addr: 0,
      length: pages * PAGE_SIZE,
      prot: PROT_READ,
      flags: MAP_PRIVATE,
      object: o,
    });
    const [first, last] = granules(at, pages) as [number, number];
    for (let g = first; g <= last; g++) {
      assert.equal(seen.get(g), undefined);
      seen.set(g, i);
    }
    if (pages >= 16) assert.equal(at % CHUNK_SIZE, 0);
  }
  const a = vs.mmap({ addr: 0, length: PAGE_SIZE, prot: RW, flags: PRIVATE_ANON });
  const b = vs.mmap({ addr: 0, length: 2 * PAGE_SIZE, prot: RW, flags: PRIVATE_ANON });
  assert.equal(b + 2 * PAGE_SIZE, a);
  vs.destroy();
  o.release();
});

test("pages of an object that are brought in alternately still find their chunks", () => {
  const world = new World();
  const o = file(world, 64);
  for (let i = 0; i < 16; i++) for (const run of [0, 16, 32]) o.grabPage(run + i);
  for (const run of [0, 16, 32]) {
    const chunk = o.lookup(run);
    for (let i = 0; i < 16; i++) assert.equal(o.lookup(run + i), chunk + i * PAGE_SIZE);
  }
  o.release();
  assert.equal(world.leaked, 0);
});

test("what a file gave back in order comes back in order: a large read is of one piece of memory", () => {
  const world = new World();
  const pages = 40;
  const first = file(world, pages);
  assert.equal(first.fill(0, pages), 0);
  first.dropClean(0, pages);
  const reads: number[] = [];
  const pager: Pager = {
    pageIn(_pindex, into) {
      reads.push(into.length / PAGE_SIZE);
      return 0;
    },
  };
  const second = new PagedObject(world.frames, pager, pages * PAGE_SIZE);
  assert.equal(second.fill(0, pages), 0);
  assert.deepEqual(reads, [pages]);
  first.release();
  second.release();
  assert.equal(world.leaked, 0);
});

test("pages that are apart in memory are written together, also while others are being written", () => {
  const world = new World();
  const written: string[] = [];
  let inner: PagedObject | null = null;
  const pager = (name: string): Pager => ({
    pageIn(_pindex, into) {
      into.fill(0);
      return 0;
    },
    pageOut(pindex, from) {
      const before = from.slice();
      // As a commit does that must write others first.
      if (name === "outer") assert.equal(inner!.sync(0, Number.POSITIVE_INFINITY), 0);
      assert.deepEqual(from, before);
      const firsts = Array.from({ length: from.length / PAGE_SIZE }, (_, i) => from[i * PAGE_SIZE]);
      written.push(`${name} ${pindex}: ${firsts.join()}`);
      return 0;
    },
  });
  const outer = new PagedObject(world.frames, pager("outer"), 4 * PAGE_SIZE);
  inner = new PagedObject(world.frames, pager("inner"), 4 * PAGE_SIZE);
  // Their frames by turns, so that neither has two in a row.
  const held: number[] = [];
  for (let i = 0; i < 4; i++) {
    for (const [k, o] of [outer, inner].entries()) {
      o.sizeBytes = PAGE_SIZE;
      const pa = o.grabPage(i);
      assert.ok(!failed(pa));
      world.frames.mem.u8.fill(10 * k + i + 1, pa, pa + PAGE_SIZE);
      held.push(pa);
    }
  }
  assert.notEqual(held[2]! - held[0]!, PAGE_SIZE);
  outer.sizeBytes = inner.sizeBytes = 4 * PAGE_SIZE;
  assert.equal(outer.sync(0, Number.POSITIVE_INFINITY), 0);
  assert.deepEqual(written, ["inner 0: 11,12,13,14", "outer 0: 1,2,3,4"]);
  outer.release();
  inner.release();
  assert.equal(world.leaked, 0);
});

test("what is written back to find space for the rest of a write is dirty again when that is done", () => {
  const world = new World();
  const written: string[] = [];
  let object: PagedObject | null = null;
  const pager: Pager = {
    pageIn(_pindex, into) {
      into.fill(0);
      return 0;
    },
    pageOut(pindex, from) {
      for (let i = 0; i < from.length; i += PAGE_SIZE) {
        written.push(`${pindex + i / PAGE_SIZE}=${from[i]}`);
      }
      return 0;
    },
    // As ext4 does that is short of space.
    mayDirty: (pindex) => (pindex === 1 ? object!.sync(0, Number.POSITIVE_INFINITY) : 0),
  };
  object = new PagedObject(world.frames, pager, 3 * PAGE_SIZE);
  assert.equal(object.fill(0, 3), 0);
  const bytes = new Uint8Array(3 * PAGE_SIZE).fill(7);
  assert.equal(writeObject(object, Uio.kernel(bytes), 0), bytes.length);
  assert.deepEqual(written, ["0=0"], "before anything was copied");
  assert.equal(object.sync(0, Number.POSITIVE_INFINITY), 0);
  assert.deepEqual(written.slice(1), ["0=7", "1=7", "2=7"]);
  object.release();
  assert.equal(world.leaked, 0);
});
