/** Dirty pages: counted, found, written in runs, kept when that fails; and who gives way when memory is short. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EAGAIN, EIO, ENOSPC, failed } from "../../src/abi/errno.ts";
import {
  MADV_PAGEOUT,
  MADV_RANDOM,
  MADV_SEQUENTIAL,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_READ,
  PROT_WRITE,
} from "../../src/abi/mman.ts";
import { readObject, writeObject } from "../../src/vfs/pagecache.ts";
import { ReadAhead } from "../../src/vfs/readahead.ts";
import { ErrSeq } from "../../src/vm/errseq.ts";
import { FAULT_BUS } from "../../src/vm/faultcode.ts";
import { AnonObject, type VmObject } from "../../src/vm/object.ts";
import { PagedObject } from "../../src/vm/pagedobject.ts";
import { PAGE_SIZE } from "../../src/vm/param.ts";
import { Uio } from "../../src/vm/uio.ts";
import { DirtyDomain } from "../../src/vm/writeback.ts";
import { RW, World } from "./harness.ts";
import { StoredFile } from "./storedfile.ts";

const ALL = Number.POSITIVE_INFINITY;

function setUp(pages = 1024) {
  const world = new World(pages);
  const pager = new StoredFile();
  const domain = new DirtyDomain(world.frames.writeback);
  const object = new PagedObject(world.frames, pager, 0, domain);
  return { world, pager, domain, object };
}

function write(object: VmObject, offset: number, bytes: Uint8Array): number {
  return writeObject(object, Uio.kernel(bytes), offset);
}

test("what is written in order leaves in few large runs, and only once", () => {
  const { world, pager, domain, object } = setUp();
  for (let i = 0; i < 300; i++) write(object, i * 1000, new Uint8Array(1000).fill(i));
  assert.equal(object.dirtyPages, 74);
  assert.ok(domain.objects.has(object) && pager.isDirty);
  assert.equal(domain.sync(), 0);
  assert.deepEqual(pager.writes, [74]);
  assert.equal(world.frames.writeback.dirtyPages, 0);
  assert.ok(!domain.isDirty && !pager.isDirty && domain.objects.size === 0);
  assert.equal(pager.reads, 0, "nothing of a new file needs to be read");
  write(object, 5 * PAGE_SIZE + 7, new Uint8Array(1));
  write(object, 7 * PAGE_SIZE, new Uint8Array(PAGE_SIZE));
  assert.deepEqual(object.dirtyWithin(0, ALL), [5, 7]);
  assert.equal(object.sync(7, 8), 0);
  assert.deepEqual(object.dirtyWithin(0, ALL), [5]);
  object.release();
  assert.equal(world.leaked, 0);
  assert.equal(world.frames.writeback.dirtyPages, 0);
});

test("what a page holds past the end of the file does not reach it, nor comes back", () => {
  const { world, pager, object } = setUp();
  write(object, 0, new Uint8Array(100).fill(1));
  const vs = world.space();
  const a = vs.mmap({ addr: 0, length: PAGE_SIZE, prot: RW, flags: MAP_SHARED, object });
  vs.storeU32(a + 200, 77);
  object.sync(0, ALL);
  assert.equal(pager.stored.get(0)![200], 0);
  vs.storeU32(a + 200, 77);
  write(object, 300, new Uint8Array(1));
  assert.equal(vs.loadU32(a + 200), 0);
});

for (const kind of ["a file", "memory"]) {
  test(`what a map stored past the end of ${kind} is gone when it grows, though the map is gone too`, () => {
    const { world, object: file } = setUp();
    const object = kind === "a file" ? file : new AnonObject(world.frames, 0);
    write(object, 0, new Uint8Array(100).fill(1));
    const vs = world.space();
    const map = () => vs.mmap({ addr: 0, length: PAGE_SIZE, prot: RW, flags: MAP_SHARED, object });
    const a = map();
    vs.storeU32(a + 200, 77);
    vs.munmap(a, PAGE_SIZE);
    write(object, 300, new Uint8Array(1));
    const b = map();
    assert.equal(vs.loadU32(b + 200), 0);
    vs.storeU32(b + 400, 77);
    object.truncate(1000);
    assert.equal(vs.loadU32(b + 400), 0);
    vs.munmap(b, PAGE_SIZE);
    object.release();
  });
}

test("a page that cannot be written stays, its neighbours do not, and it is tried again", () => {
  const { pager, domain, object } = setUp();
  const before = object.errors.sample();
  write(object, 0, new Uint8Array(10 * PAGE_SIZE).fill(9));
  pager.bad.add(4);
  assert.equal(object.sync(0, ALL), EIO);
  assert.deepEqual(object.dirtyWithin(0, ALL), [4]);
  assert.equal(pager.stored.size, 9);
  assert.equal(object.errors.check(before), EIO);
  assert.equal(domain.errors.check(0), EIO);
  pager.bad.clear();
  assert.equal(domain.sync(), 0);
  assert.equal(pager.stored.get(4)![0], 9);
  assert.equal(object.errors.check(object.errors.sample()), 0);
});

test("a file system that is busy is asked again later, and nobody hears of it", () => {
  const { pager, object } = setUp();
  write(object, 0, new Uint8Array(2 * PAGE_SIZE));
  pager.pageOut = () => EAGAIN;
  assert.equal(object.sync(0, ALL), EAGAIN);
  assert.equal(object.dirtyPages, 2);
  assert.equal(object.errors.check(0), 0);
});

test("each reader hears of an error once, a new one only of what nobody heard of", () => {
  const e = new ErrSeq();
  const a = e.sample();
  const b = e.sample();
  e.set(EIO);
  const late = e.sample();
  assert.equal(e.check(a), EIO);
  assert.equal(e.check(e.sample()), 0);
  assert.equal(e.check(b), EIO);
  assert.equal(e.check(late), EIO);
  assert.equal(e.check(e.sample()), 0, "whoever opens now is not concerned");
  const c = e.sample();
  e.set(ENOSPC);
  assert.equal(e.check(c), ENOSPC);
});

test("space is asked for before a page is dirty, and given back if it is dropped", () => {
  const { world, pager, object } = setUp();
  pager.room = 3;
  assert.equal(write(object, 0, new Uint8Array(5 * PAGE_SIZE)), 3 * PAGE_SIZE);
  assert.equal(write(object, 3 * PAGE_SIZE, new Uint8Array(1)), ENOSPC);
  assert.equal(object.sizeBytes, 3 * PAGE_SIZE);
  object.truncate(PAGE_SIZE);
  assert.equal(pager.reserved.size, 1);
  object.grow(8 * PAGE_SIZE);
  const vs = world.space();
  const a = vs.mmap({ addr: 0, length: 8 * PAGE_SIZE, prot: RW, flags: MAP_SHARED, object });
  assert.equal(vs.fault(a + 2 * PAGE_SIZE, PROT_WRITE), 0);
  assert.equal(vs.fault(a + 3 * PAGE_SIZE, PROT_WRITE), 0);
  assert.equal(vs.fault(a + 4 * PAGE_SIZE, PROT_WRITE), FAULT_BUS);
  assert.equal(vs.fault(a + 4 * PAGE_SIZE, PROT_READ), 0, "a hole can be read all the same");
  assert.equal(object.sync(0, ALL), 0);
  assert.equal(pager.stored.size, 3);
  vs.destroy();
  object.release();
  assert.equal(world.leaked, 0);
});

test("a write whose source ends in the middle of a page leaves the rest as it is in the file", () => {
  const { world, pager, object } = setUp();
  write(object, 0, new Uint8Array(2 * PAGE_SIZE).fill(5));
  object.sync(0, ALL);
  object.dropClean(0, ALL);
  assert.equal(object.residentPages, 0);
  const vs = world.space();
  const a = vs.mmap({ addr: 0, length: PAGE_SIZE, prot: RW, flags: MAP_PRIVATE | 0x20 });
  vs.storeU32(a + PAGE_SIZE - 4, 0x07070707);
  const n = writeObject(object, Uio.user(vs, a + PAGE_SIZE - 4, PAGE_SIZE), 0);
  assert.equal(n, 4);
  object.sync(0, ALL);
  assert.deepEqual([...pager.stored.get(0)!.subarray(0, 6)], [7, 7, 7, 7, 5, 5]);
});

test("files written are larger than memory, and read back as they were", () => {
  const { world, pager, object } = setUp(128);
  const pages = 1000;
  const page = (i: number) => new Uint8Array(PAGE_SIZE).fill(i * 31 + (i >> 8));
  for (let i = 0; i < pages; i++) assert.equal(write(object, i * PAGE_SIZE, page(i)), PAGE_SIZE);
  const into = new Uint8Array(PAGE_SIZE);
  for (let i = 0; i < pages; i++) {
    readObject(object, Uio.kernel(into), i * PAGE_SIZE);
    assert.deepEqual(into, page(i));
  }
  assert.ok(pager.writes.length < pages / 8, `${pager.writes.length} writes`);
  object.release();
  assert.equal(world.leaked, 0);
});

test("pages that cannot be written hold on to memory, but to no more than there is", () => {
  const { world, pager, object } = setUp(128);
  pager.isFailing = true;
  let i = 0;
  while (i < 1000 && write(object, i * PAGE_SIZE, new Uint8Array(PAGE_SIZE)) > 0) i++;
  assert.ok(i > 60 && i < 128);
  assert.equal(object.dirtyPages, i);
  pager.isFailing = false;
  assert.equal(write(object, i * PAGE_SIZE, new Uint8Array(PAGE_SIZE)), PAGE_SIZE);
  object.release();
  assert.equal(world.leaked, 0);
});

test("a file streamed through ten times memory does not push out what a program goes on using", () => {
  for (const how of ["read", "mapped", "written"]) {
    const world = new World(1024);
    const program = new StoredFile();
    const text = new PagedObject(world.frames, program, 64 * PAGE_SIZE);
    const length = how === "written" ? 0 : 10_240 * PAGE_SIZE;
    const hog = new PagedObject(world.frames, new StoredFile(), length);
    const vs = world.space();
    const map = (object: PagedObject, pages: number) =>
      vs.mmap({
        addr: 0,
        length: pages * PAGE_SIZE,
        prot: PROT_READ,
        flags: MAP_PRIVATE,
        object,
      });
    const code = map(text, 64);
    const data = map(hog, 10_240);
    const loop = () => {
      for (let i = 0; i < 64; i++) vs.loadU32(code + i * PAGE_SIZE);
    };
    loop();
    const cold = program.pagesRead;
    const ahead = new ReadAhead();
    const buffer = new Uint8Array(16 * PAGE_SIZE);
    for (let at = 0; at < 10_240; at += 16) {
      if (how === "mapped") {
        for (let i = 0; i < 16; i++) vs.loadU32(data + (at + i) * PAGE_SIZE);
      } else if (how === "written") write(hog, at * PAGE_SIZE, buffer);
      else readObject(hog, Uio.kernel(buffer), at * PAGE_SIZE, ahead);
      loop();
    }
    assert.ok(world.frames.queue.evicted > 8000);
    assert.equal(program.pagesRead, cold, `its pages were read once, the others ${how}`);
    vs.destroy();
    text.release();
    hog.release();
    assert.equal(world.leaked, 0);
  }
});

test("what was used often, but is not any more, makes room for a file that fits", () => {
  const world = new World(1024);
  const old = new StoredFile();
  const past = new PagedObject(world.frames, old, 450 * PAGE_SIZE);
  const now = new StoredFile();
  const file = new PagedObject(world.frames, now, 700 * PAGE_SIZE);
  const into = new Uint8Array(PAGE_SIZE);
  const readAll = (object: PagedObject, pages: number) => {
    const ahead = new ReadAhead();
    for (let i = 0; i < pages; i++) readObject(object, Uio.kernel(into), i * PAGE_SIZE, ahead);
  };
  for (let pass = 0; pass < 4; pass++) readAll(past, 450);
  assert.ok(world.frames.queue.activePages >= 400);
  for (let pass = 0; pass < 20; pass++) readAll(file, 700);
  const before = now.pagesRead;
  for (let pass = 0; pass < 5; pass++) readAll(file, 700);
  const missed = now.pagesRead - before;
  assert.ok(missed < 350, `${missed} of 3,500 pages were not in memory`);
  past.release();
  file.release();
  assert.equal(world.leaked, 0);
});

test("read-ahead grows for who reads in order, and reads nothing extra for who does not", () => {
  const { pager, object } = setUp(4096);
  object.grow(2000 * PAGE_SIZE);
  const into = new Uint8Array(PAGE_SIZE);
  const inOrder = new ReadAhead();
  for (let i = 0; i < 512; i++) readObject(object, Uio.kernel(into), i * PAGE_SIZE, inOrder);
  assert.ok(pager.reads <= 12, `${pager.reads} reads`);
  pager.reads = pager.pagesRead = 0;
  const random = new ReadAhead();
  for (let i = 0; i < 50; i++) {
    readObject(object, Uio.kernel(into), (1990 - i * 20) * PAGE_SIZE, random);
  }
  assert.equal(pager.pagesRead, 50);
  assert.ok(!failed(object.fill(0, 10)));
});

test("madvise(2) says how a map is read, and that it no longer is", () => {
  const { world, pager, object } = setUp(4096);
  object.grow(1000 * PAGE_SIZE);
  const vs = world.space();
  const length = 1000 * PAGE_SIZE;
  const a = vs.mmap({ addr: 0, length, prot: RW, flags: MAP_SHARED, object });
  vs.madvise(a, length, MADV_RANDOM);
  for (let i = 0; i < 20; i++) vs.loadU32(a + i * 37 * PAGE_SIZE);
  assert.equal(pager.pagesRead, 20);
  pager.reads = 0;
  vs.madvise(a, length, MADV_SEQUENTIAL);
  for (let i = 750; i < 1000; i++) vs.loadU32(a + i * PAGE_SIZE);
  assert.ok(pager.reads <= 2, `${pager.reads}`);
  vs.storeU32(a + 800 * PAGE_SIZE, 7);
  vs.madvise(a + 750 * PAGE_SIZE, 250 * PAGE_SIZE, MADV_PAGEOUT);
  assert.equal(object.residentPages, 20);
  assert.equal(pager.stored.size, 1);
  assert.equal(vs.loadU32(a + 800 * PAGE_SIZE), 7);
  vs.destroy();
  object.release();
  assert.equal(world.leaked, 0);
});

test("a disk that takes nothing is not tried with each page that could be reclaimed", () => {
  const { pager, object } = setUp(2048);
  let tries = 0;
  pager.pageOut = () => {
    tries++;
    return EIO;
  };
  for (let i = 0; i < 3000 && write(object, i * PAGE_SIZE, new Uint8Array(PAGE_SIZE)) > 0; i++);
  assert.ok(object.dirtyPages > 1500);
  assert.ok(tries < 200, `${tries}`);
});
