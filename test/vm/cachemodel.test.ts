/**
 * The page cache against plain arrays: files read, written, mapped, truncated,
 * synced and dropped at random, in memory that holds a fraction of them.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EAGAIN, failed } from "../../src/abi/errno.ts";
import { MAP_SHARED } from "../../src/abi/mman.ts";
import { readObject, writeObject } from "../../src/vfs/pagecache.ts";
import { ReadAhead } from "../../src/vfs/readahead.ts";
import { PagedObject } from "../../src/vm/pagedobject.ts";
import { PAGE_SIZE } from "../../src/vm/param.ts";
import { Uio } from "../../src/vm/uio.ts";
import type { Vmspace } from "../../src/vm/vmspace.ts";
import { DirtyDomain } from "../../src/vm/writeback.ts";
import { map, RW, World } from "./harness.ts";
import { StoredFile } from "./storedfile.ts";

const MAX_PAGES = 300;
const FILES = 3;
const STEPS = 1500;

function generator(seed: number): (below: number) => number {
  let x = seed;
  return (below) => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return Math.floor((x / 4294967296) * below);
  };
}

class ModelFile {
  readonly bytes = new Uint8Array(MAX_PAGES * PAGE_SIZE);
  size = 0;
  readonly pager = new StoredFile();
  readonly object: PagedObject;
  readonly ahead = new ReadAhead();
  readonly mapped: number;
  readonly #vs: Vmspace;

  constructor(world: World, vs: Vmspace, domain: DirtyDomain) {
    this.object = new PagedObject(world.frames, this.pager, 0, domain);
    this.#vs = vs;
    const { object } = this;
    const length = MAX_PAGES * PAGE_SIZE;
    this.mapped = vs.mmap({ addr: 0, length, prot: RW, flags: MAP_SHARED, object });
  }

  write(at: number, uio: Uio, bytes: Uint8Array): void {
    assert.equal(writeObject(this.object, uio, at), bytes.length);
    if (at > this.size) this.bytes.fill(0, this.size, at);
    this.bytes.set(bytes, at);
    this.size = Math.max(this.size, at + bytes.length);
  }

  checkRead(at: number, count: number): void {
    const into = new Uint8Array(count);
    const n = readObject(this.object, Uio.kernel(into), at, this.ahead);
    assert.equal(n, Math.max(0, Math.min(count, this.size - at)));
    assert.deepEqual(into.subarray(0, n), this.bytes.subarray(at, at + n));
  }

  store(at: number, value: number): void {
    assert.equal(this.#vs.storeU32(this.mapped + at, value), 0);
    new DataView(this.bytes.buffer).setUint32(at, value, true);
  }

  checkLoad(at: number): void {
    const value = new DataView(this.bytes.buffer).getUint32(at, true);
    assert.equal(this.#vs.loadU32(this.mapped + at), value);
  }

  /** As a file system does it: what is past the end goes from the disk, to its last byte. */
  truncate(size: number): void {
    this.object.truncate(size);
    const last = Math.floor(size / PAGE_SIZE);
    for (const pindex of this.pager.stored.keys()) {
      if (pindex * PAGE_SIZE >= size) this.pager.stored.delete(pindex);
      else if (pindex === last) this.pager.stored.get(pindex)!.fill(0, size % PAGE_SIZE);
    }
    if (size < this.size) this.bytes.fill(0, size, this.size);
    this.size = size;
  }

  checkStored(): void {
    for (let i = 0; i * PAGE_SIZE < this.size; i++) {
      const stored = this.pager.stored.get(i) ?? new Uint8Array(PAGE_SIZE);
      const end = Math.min(PAGE_SIZE, this.size - i * PAGE_SIZE);
      const model = this.bytes.subarray(i * PAGE_SIZE, i * PAGE_SIZE + end);
      assert.deepEqual(stored.subarray(0, end), model, `page ${i}`);
      assert.ok(stored.subarray(end).every((b) => b === 0));
    }
  }
}

function run(seed: number): void {
  const random = generator(seed);
  const world = new World(192 + random(200));
  const vs = world.space();
  const domain = new DirtyDomain(world.frames.writeback);
  const files = Array.from({ length: FILES }, () => new ModelFile(world, vs, domain));
  for (const f of files) {
    const bytes = new Uint8Array((60 + random(200)) * PAGE_SIZE).fill(1);
    f.write(0, Uio.kernel(bytes), bytes);
  }
  const buffer = map(vs, 20);
  const anon = map(vs, 60);
  for (let step = 0; step < STEPS; step++) {
    const f = files[random(FILES)]!;
    const word = 4 * random(f.size >> 2);
    const at = random(Math.min(f.size + 3 * PAGE_SIZE, (MAX_PAGES - 20) * PAGE_SIZE));
    const count = 1 + random(random(4) === 0 ? 18 * PAGE_SIZE : 3000);
    switch (random(11)) {
      case 0:
      case 1:
      case 2: {
        const bytes = new Uint8Array(count).fill(step);
        const from = buffer + random(PAGE_SIZE);
        assert.equal(vs.copyout(from, bytes), 0);
        f.write(at, random(4) === 0 ? Uio.kernel(bytes) : Uio.user(vs, from, count), bytes);
        break;
      }
      case 3:
      case 4:
        f.checkRead(at, count);
        break;
      case 5:
        if (f.size >= 4) f.store(word, step * 0x01010101);
        break;
      case 6:
        if (f.size >= 4) f.checkLoad(word);
        break;
      case 7:
        if (random(12) === 0) f.truncate(random(f.size + 5 * PAGE_SIZE));
        break;
      case 8:
        if (random(8) === 0) f.object.sync(random(40), 40 + random(MAX_PAGES));
        break;
      case 9:
        if (random(8) === 0) f.object.dropClean(random(40), 40 + random(MAX_PAGES));
        break;
      default:
        // Anonymous memory comes and goes beside it.
        assert.equal(vs.storeU32(anon + random(60) * PAGE_SIZE, step), 0);
        if (random(60) === 0) assert.equal(vs.munmap(anon, 60 * PAGE_SIZE), 0);
        if (vs.entries.find(anon) === null) map(vs, 60, anon);
    }
  }
  assert.equal(domain.sync(), 0);
  for (const f of files) {
    f.checkStored();
    f.checkRead(0, f.size + 1);
    assert.equal(f.pager.reserved.size, 0);
  }
  assert.ok(world.frames.queue.evicted > 0);
  vs.destroy();
  for (const f of files) f.object.release();
  assert.equal(world.leaked, 0);
  assert.equal(world.frames.writeback.dirtyPages, 0);
}

test("files in little memory behave as arrays", () => {
  for (let seed = 1; seed <= 30; seed++) {
    try {
      run(seed);
    } catch (e) {
      throw new Error(`seed ${seed}`, { cause: e });
    }
  }
});

test("so they do when their file system is often too busy to write", () => {
  const world = new World(256);
  const vs = world.space();
  const domain = new DirtyDomain(world.frames.writeback);
  const f = new ModelFile(world, vs, domain);
  const random = generator(77);
  const pageOut = f.pager.pageOut.bind(f.pager);
  f.pager.pageOut = (first, from) => (random(3) === 0 ? EAGAIN : pageOut(first, from));
  for (let i = 0; i < 3000; i++) {
    const at = random((MAX_PAGES - 2) * PAGE_SIZE);
    const bytes = new Uint8Array(1 + random(PAGE_SIZE)).fill(i);
    f.write(at, Uio.kernel(bytes), bytes);
    if (random(3) === 0) f.checkRead(random(f.size), PAGE_SIZE);
  }
  for (let tries = 0; tries < 100 && failed(domain.sync()); tries++);
  f.checkStored();
  assert.equal(f.object.errors.check(0), 0);
});
