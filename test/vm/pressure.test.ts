/** Little memory: the page cache gives way, limits hold, and only then is memory out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EIO, ENOMEM, failed } from "../../src/abi/errno.ts";
import {
  MAP_FIXED,
  MAP_GROWSDOWN,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_READ,
  PROT_WRITE,
} from "../../src/abi/mman.ts";
import { FAULT_BUS, FAULT_OOM } from "../../src/vm/faultcode.ts";
import { AnonObject } from "../../src/vm/object.ts";
import { chooseVictim } from "../../src/vm/oom.ts";
import { PagedObject } from "../../src/vm/pagedobject.ts";
import type { Pager } from "../../src/vm/pager.ts";
import { PAGE_SIZE } from "../../src/vm/param.ts";
import { map, PRIVATE_ANON, RW, World } from "./harness.ts";

/** A file whose every page begins with its number, and which remembers what is written back. */
class NumberedFile implements Pager {
  readonly written = new Map<number, Uint8Array>();
  reads = 0;
  isBroken = false;

  pageIn(pindex: number, into: Uint8Array): number {
    if (this.isBroken) return EIO;
    this.reads++;
    into.fill(0);
    for (let at = 0; at < into.length; at += PAGE_SIZE) {
      const page = pindex + at / PAGE_SIZE;
      const kept = this.written.get(page);
      if (kept) into.set(kept, at);
      else into.set([page & 255, page >> 8, 0, 1], at);
    }
    return 0;
  }

  pageOut(pindex: number, from: Uint8Array): number {
    for (let at = 0; at < from.length; at += PAGE_SIZE) {
      this.written.set(pindex + at / PAGE_SIZE, from.slice(at, at + PAGE_SIZE));
    }
    return 0;
  }
}

const numbered = (page: number) => page + 0x01000000;

test("a map larger than memory is read through, and pages come back as they were", () => {
  const world = new World(256);
  const file = new PagedObject(world.frames, new NumberedFile(), 1000 * PAGE_SIZE);
  const vs = world.space();
  const a = vs.mmap({
    addr: 0,
    length: 1000 * PAGE_SIZE,
    prot: PROT_READ,
    flags: MAP_PRIVATE | MAP_NORESERVE,
    object: file,
  });
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 1000; i++) assert.equal(vs.loadU32(a + i * PAGE_SIZE), numbered(i));
  }
  assert.ok(world.frames.queue.evicted > 1000);
  vs.destroy();
  file.release();
  assert.equal(world.leaked, 0);
});

test("pages written through a shared map reach the file before their frames go", () => {
  const world = new World(128);
  const pager = new NumberedFile();
  const file = new PagedObject(world.frames, pager, 500 * PAGE_SIZE);
  const vs = world.space();
  const a = vs.mmap({
    addr: 0,
    length: 500 * PAGE_SIZE,
    prot: RW,
    flags: MAP_SHARED,
    object: file,
  });
  for (let i = 0; i < 500; i++) assert.equal(vs.storeU32(a + i * PAGE_SIZE, i * 7), 0);
  for (let i = 0; i < 500; i++) assert.equal(vs.loadU32(a + i * PAGE_SIZE), i * 7);
  assert.equal(file.sync(0, 500), 0);
  assert.equal(world.frames.writeback.dirtyPages, 0);
  assert.equal(pager.written.size, 500);
  assert.equal(vs.storeU32(a, 99), 0, "a synced page is noticed when written again");
  assert.equal(world.frames.writeback.dirtyPages, 1);
  vs.destroy();
  file.release();
  assert.equal(world.leaked, 0);
});

test("private copies survive reclaim of what they were copied from", () => {
  const world = new World(128);
  const file = new PagedObject(world.frames, new NumberedFile(), 400 * PAGE_SIZE);
  const vs = world.space();
  const a = vs.mmap({
    addr: 0,
    length: 400 * PAGE_SIZE,
    prot: RW,
    flags: MAP_PRIVATE | MAP_NORESERVE,
    object: file,
  });
  for (let i = 0; i < 40; i++) vs.storeU32(a + i * 10 * PAGE_SIZE, 5000 + i);
  for (let i = 0; i < 400; i++) {
    assert.equal(vs.loadU32(a + i * PAGE_SIZE), i % 10 === 0 ? 5000 + i / 10 : numbered(i));
  }
  vs.destroy();
  file.release();
  assert.equal(world.leaked, 0);
});

test("reads and writes race with reclaim in a forked family", () => {
  const world = new World(160);
  const file = new PagedObject(world.frames, new NumberedFile(), 300 * PAGE_SIZE);
  const first = world.space();
  const a = first.mmap({
    addr: 0,
    length: 300 * PAGE_SIZE,
    prot: RW,
    flags: MAP_PRIVATE | MAP_NORESERVE,
    object: file,
  });
  const family = [first];
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 300; i += 3) first.loadU32(a + i * PAGE_SIZE);
    for (let i = 0; i < 8; i++) first.storeU32(a + (i * 20 + round) * PAGE_SIZE, round);
    const child = first.fork();
    assert.ok(!failed(child));
    family.push(child);
  }
  for (const vs of family)
    for (let i = 0; i < 300; i++) assert.ok(vs.loadU32(a + i * PAGE_SIZE) >= 0);
  for (const vs of family) vs.destroy();
  file.release();
  assert.equal(world.leaked, 0);
});

test("a page that cannot be read, or is past the end, is a bus error", () => {
  const world = new World();
  const pager = new NumberedFile();
  const file = new PagedObject(world.frames, pager, 10 * PAGE_SIZE);
  const vs = world.space();
  const a = vs.mmap({ addr: 0, length: 20 * PAGE_SIZE, prot: RW, flags: MAP_SHARED, object: file });
  assert.equal(vs.fault(a + 10 * PAGE_SIZE, PROT_READ), FAULT_BUS);
  pager.isBroken = true;
  assert.equal(vs.fault(a, PROT_READ), FAULT_BUS);
  pager.isBroken = false;
  assert.equal(vs.loadU32(a + 5 * PAGE_SIZE), numbered(5));
  file.truncate(5 * PAGE_SIZE);
  assert.equal(vs.fault(a + 5 * PAGE_SIZE, PROT_READ), FAULT_BUS);
  vs.destroy();
  file.release();
  assert.equal(world.leaked, 0);
});

test("a truncated file reads as zeroes when it grows again", () => {
  const world = new World();
  const file = new AnonObject(world.frames, PAGE_SIZE);
  const vs = world.space();
  const a = vs.mmap({ addr: 0, length: PAGE_SIZE, prot: RW, flags: MAP_SHARED, object: file });
  vs.storeU32(a, 1);
  vs.storeU32(a + 2000, 2);
  file.truncate(100);
  file.truncate(PAGE_SIZE);
  assert.equal(vs.loadU32(a), 1);
  assert.equal(vs.loadU32(a + 2000), 0);
});

test("when memory is out a fault says so, fork fails clean, and all comes back", () => {
  const world = new World(64);
  const vs = world.space();
  const a = map(vs, 60);
  const b = map(vs, 60);
  let i = 0;
  while (vs.storeU32(a + i * PAGE_SIZE, i) === 0) i++;
  assert.ok(i > 40 && i <= 60);
  assert.equal(world.frames.freePages, 0);
  assert.equal(vs.fault(b, PROT_WRITE), FAULT_OOM);
  assert.equal(vs.fork(), ENOMEM);
  for (let k = 0; k < i; k++) assert.equal(vs.loadU32(a + k * PAGE_SIZE), k);
  assert.equal(vs.storeU32(a, 77), 0, "the failed fork left no page shared");
  vs.destroy();
  assert.equal(world.leaked, 0);
});

test("the oom handler may make room", () => {
  const world = new World(64);
  const vs = world.space();
  const hog = world.space();
  const h = map(hog, 30);
  for (let k = 0; k < 30; k++) hog.storeU32(h + k * PAGE_SIZE, k);
  let killed = 0;
  world.frames.oomHandler = {
    outOfMemory: () => {
      const victim = chooseVictim(
        [
          { vmspace: vs, oomScoreAdj: -1000, isUnkillable: false },
          { vmspace: hog, oomScoreAdj: 0, isUnkillable: false },
        ],
        world.frames.totalPages,
      );
      assert.equal(victim?.vmspace, hog);
      killed++;
      if (killed > 1) return false;
      hog.clear();
      return true;
    },
  };
  const a = map(vs, 40);
  for (let k = 0; k < 40; k++) assert.equal(vs.storeU32(a + k * PAGE_SIZE, k), 0);
  assert.equal(killed, 1);
});

test("the victim is who holds most, bent by oom_score_adj", () => {
  const world = new World(512);
  const small = world.space();
  const large = world.space();
  map(small, 10, 0x100000);
  map(large, 100, 0x100000);
  small.populate(0x100000, 0x100000 + 10 * PAGE_SIZE);
  large.populate(0x100000, 0x100000 + 100 * PAGE_SIZE);
  const c = (vmspace: typeof small, oomScoreAdj: number, isUnkillable = false) => ({
    vmspace,
    oomScoreAdj,
    isUnkillable,
  });
  assert.equal(chooseVictim([c(small, 0), c(large, 0)], 512)?.vmspace, large);
  assert.equal(chooseVictim([c(small, 500), c(large, 0)], 512)?.vmspace, small);
  assert.equal(chooseVictim([c(small, 0), c(large, -1000)], 512)?.vmspace, small);
  assert.equal(chooseVictim([c(small, -1000), c(large, 0, true)], 512), null);
});

test("limits hold: address space, data, stack", () => {
  const vs = new World().space();
  vs.limits.asBytes = 20 * PAGE_SIZE;
  vs.limits.dataBytes = 10 * PAGE_SIZE;
  assert.equal(map(vs, 11), ENOMEM);
  const a = map(vs, 10);
  assert.ok(a > 0);
  assert.equal(map(vs, 1), ENOMEM);
  assert.equal(map(vs, 10, a), a, "replacing needs no more room");
  assert.equal(vs.mmap({ addr: 0, length: 11 * PAGE_SIZE, prot: 0, flags: PRIVATE_ANON }), ENOMEM);
  assert.equal(vs.mremap(a, 10 * PAGE_SIZE, 11 * PAGE_SIZE, 1, 0), ENOMEM);
  vs.setBrkStart(0x20000);
  assert.equal(vs.brk(0x21000), 0x20000);
  vs.munmap(a, 10 * PAGE_SIZE);
  assert.equal(vs.brk(0x21000), 0x21000);
});

test("a stack grows down to its limit and keeps its guard", () => {
  const world = new World(4096);
  const vs = world.space();
  vs.limits.stackBytes = 64 * PAGE_SIZE;
  const top = 0x7000_0000;
  const flags = PRIVATE_ANON | MAP_FIXED | MAP_GROWSDOWN;
  vs.mmap({ addr: top - PAGE_SIZE, length: PAGE_SIZE, prot: RW, flags });
  assert.equal(vs.storeU32(top - 60 * PAGE_SIZE, 1), 0);
  assert.equal(vs.stackBytes, 60 * PAGE_SIZE);
  assert.ok(vs.storeU32(top - 65 * PAGE_SIZE, 1) < 0, "past RLIMIT_STACK");
  vs.limits.stackBytes = 8 << 20;
  map(vs, 1, top - 600 * PAGE_SIZE);
  assert.equal(vs.storeU32(top - 340 * PAGE_SIZE, 1), 0);
  assert.ok(vs.storeU32(top - 350 * PAGE_SIZE, 1) < 0, "into the guard gap");
});
