/** What the kernel itself reads and writes of an object, beside its page cache: the two never differ. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EAGAIN, EIO, ENOMEM, ENOSPC, failed } from "../../src/abi/errno.ts";
import { AnonObject } from "../../src/vm/object.ts";
import { PagedObject } from "../../src/vm/pagedobject.ts";
import type { Pager } from "../../src/vm/pager.ts";
import { PAGE_SIZE } from "../../src/vm/param.ts";
import { pattern } from "../fs/ext4image.ts";
import { World } from "./harness.ts";

const SIZE = 40 * PAGE_SIZE + 1234;

/** A file as an array, whose pager reserves what becomes dirty, as ext4 does. */
class ArrayPager implements Pager {
  readonly bytes = pattern(SIZE, 5);
  readonly reserved = new Set<number>();
  refusesDirt = false;
  isFailing = false;

  pageIn(first: number, into: Uint8Array): number {
    const part = this.bytes.subarray(first * PAGE_SIZE, first * PAGE_SIZE + into.length);
    into.set(part);
    into.fill(0, part.length);
    return 0;
  }

  pageOut(first: number, from: Uint8Array): number {
    for (let i = 0; i < from.length / PAGE_SIZE; i++) assert.ok(this.reserved.has(first + i));
    if (this.isFailing) return EIO;
    const room = this.bytes.length - first * PAGE_SIZE;
    this.bytes.set(from.subarray(0, room), first * PAGE_SIZE);
    for (let i = 0; i < from.length / PAGE_SIZE; i++) this.reserved.delete(first + i);
    return 0;
  }

  mayDirty(pindex: number): number {
    if (this.refusesDirt) return ENOSPC;
    this.reserved.add(pindex);
    return 0;
  }

  undirtied(pindex: number): void {
    this.reserved.delete(pindex);
  }
}

function generator(seed: number): (n: number) => number {
  let x = seed;
  return (n) => {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    return Math.floor((x / 4294967296) * n);
  };
}

describe("bytes of an object", () => {
  for (const seed of [1, 2, 3]) {
    it(`are those of its pages, wherever they are: seed ${seed}`, () => {
      const world = new World();
      const pager = new ArrayPager();
      const object = new PagedObject(world.frames, pager, SIZE);
      const model = pager.bytes.slice();
      const random = generator(seed);
      for (let i = 0; i < 3000; i++) {
        const offset = random(SIZE);
        const length = Math.min(random(random(8) === 0 ? 60000 : 6000), SIZE - offset);
        const pindex = random(41);
        switch (random(7)) {
          case 0:
          case 1: {
            const into = new Uint8Array(length);
            assert.equal(object.readBytes(offset, into), 0);
            assert.ok(Buffer.compare(into, model.subarray(offset, offset + length)) === 0, `${i}`);
            break;
          }
          case 2:
          case 3: {
            const data = pattern(length, i);
            assert.equal(object.writeBytes(offset, data), 0);
            model.set(data, offset);
            break;
          }
          case 4: {
            const pa = object.getPage(pindex, false);
            assert.ok(!failed(pa));
            const n = Math.min(PAGE_SIZE, SIZE - pindex * PAGE_SIZE);
            const at = pindex * PAGE_SIZE;
            assert.deepEqual(world.mem.u8.slice(pa, pa + n), model.slice(at, at + n));
            break;
          }
          case 5: {
            const pa = object.getPage(pindex, true);
            assert.ok(!failed(pa));
            world.mem.u8[pa + 7] = i;
            model[pindex * PAGE_SIZE + 7] = i;
            break;
          }
          default:
            assert.equal(object.sync(pindex, pindex + 10), 0);
            object.dropClean(random(41), 41);
        }
        assert.equal(pager.reserved.size, object.dirtyPages);
      }
      assert.equal(object.sync(0, 41), 0);
      assert.deepEqual(pager.bytes, model);
      object.release();
      assert.equal(world.leaked, 0);
    });
  }

  it("need no frame where there is none", () => {
    const world = new World(64);
    const object = new PagedObject(world.frames, new ArrayPager(), SIZE);
    const data = pattern(SIZE - 100, 9);
    assert.equal(object.writeBytes(50, data), 0);
    const into = new Uint8Array(SIZE - 100);
    assert.equal(object.readBytes(50, into), 0);
    assert.deepEqual(into, data);
    assert.equal(world.leaked, 0);
  });

  it("keep what was reserved for them no longer than they fail", () => {
    const world = new World();
    const pager = new ArrayPager();
    const object = new PagedObject(world.frames, pager, SIZE);
    const before = pager.bytes.slice();
    pager.isFailing = true;
    assert.equal(object.writeBytes(100, pattern(9000, 1)), EIO);
    pager.isFailing = false;
    pager.refusesDirt = true;
    assert.equal(object.writeBytes(100, pattern(9000, 1)), ENOSPC);
    assert.equal(pager.reserved.size, 0);
    assert.deepEqual(pager.bytes, before);
  });

  it("of memory without a file are zeroes until written, and wait while memory is reclaimed", () => {
    const world = new World(64);
    const object = new AnonObject(world.frames, SIZE);
    const into = new Uint8Array(5000).fill(1);
    assert.equal(object.readBytes(3000, into), 0);
    assert.ok(into.every((b) => b === 0));
    assert.equal(object.writeBytes(3000, pattern(2000, 1)), 0);
    assert.equal(object.residentPages, 2);
    assert.equal(object.readBytes(3000, into), 0);
    assert.deepEqual(into.slice(0, 2000), pattern(2000, 1));
    const rest: number[] = [];
    for (let pa = world.frames.alloc(); !failed(pa); pa = world.frames.alloc()) rest.push(pa);
    assert.equal(object.writeBytes(20 * PAGE_SIZE, into), ENOMEM);
    world.frames.isReclaiming = true;
    assert.equal(object.writeBytes(20 * PAGE_SIZE, into), EAGAIN);
    assert.ok(rest.length > 0);
  });
});
