/** vkd(4): bounds, copy-on-write and its limit, over a store kept in memory. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EIO, ENOSPC, EOPNOTSUPP, EROFS } from "../../src/abi/errno.ts";
import { Partition } from "../../src/dev/partition/partition.ts";
import { Vkd } from "../../src/dev/vkd.ts";
import { KernelClock } from "../../src/kern/clock.ts";
import { Cpu } from "../../src/kern/cpu.ts";
import { diskStatNumbers } from "../../src/vfs/blockdevice.ts";
import { MemoryStore, pattern } from "../fs/ext4image.ts";
import { ManualClock } from "../vfs/harness.ts";

const SIZE = 64 * 1024 + 512;

function disk(isCopyOnWrite: boolean, isReadOnly = false, overlayLimitBytes = 1 << 20) {
  const bytes = pattern(SIZE, 1);
  const store = new MemoryStore(bytes);
  Object.defineProperty(store, "isReadOnly", { value: isReadOnly });
  const vkd = new Vkd(0, store, { isCopyOnWrite, overlayLimitBytes, serial: "s" });
  return { vkd, bytes };
}

describe("a virtual disk", () => {
  it("refuses what is beyond its end", () => {
    const { vkd } = disk(false);
    for (const at of [SIZE, SIZE - 1, -1, 1.5, Number.NaN, 2 ** 53]) {
      assert.equal(vkd.read(at, new Uint8Array(2)), EIO, `read at ${at}`);
      assert.equal(vkd.write(at, new Uint8Array(2)), EIO, `write at ${at}`);
    }
  });

  it("refuses writes if its image is read-only, unless copy-on-write", () => {
    assert.equal(disk(false, true).vkd.write(0, new Uint8Array(1)), EROFS);
    assert.equal(disk(true, true).vkd.write(0, new Uint8Array(1)), 0);
  });

  it("shows copy-on-write what was written, and never changes the image", () => {
    const { vkd, bytes } = disk(true);
    const before = bytes.slice();
    const model = bytes.slice();
    let x = 12345;
    const random = (n: number) => {
      x = (Math.imul(x, 1103515245) + 12345) >>> 0;
      return Math.floor((x / 4294967296) * n);
    };
    for (let i = 0; i < 600; i++) {
      const at = random(SIZE);
      const data = pattern(Math.min(random(9000), SIZE - at), i);
      switch (random(4)) {
        case 0:
          assert.equal(vkd.writeZeroes(at, data.length), 0);
          model.fill(0, at, at + data.length);
          break;
        case 1: {
          assert.equal(vkd.discard(at, data.length), 0);
          // Each byte as it was, or zero.
          assert.equal(vkd.read(at, data), 0);
          for (const [k, byte] of data.entries()) if (byte !== model[at + k]) assert.equal(byte, 0);
          model.set(data, at);
          break;
        }
        default:
          assert.equal(vkd.write(at, data), 0);
          model.set(data, at);
      }
      const from = random(SIZE);
      const got = new Uint8Array(Math.min(random(20000), SIZE - from));
      assert.equal(vkd.read(from, got), 0);
      assert.deepEqual(got, model.slice(from, from + got.length));
    }
    assert.deepEqual(bytes, before);
  });

  it("holds no more in memory than its limit, and a refused write changes nothing", () => {
    const { vkd, bytes } = disk(true, false, 8192);
    assert.equal(vkd.write(0, new Uint8Array(8192)), 0);
    assert.equal(vkd.write(8000, new Uint8Array(400)), ENOSPC);
    assert.equal(vkd.overlayBytes, 8192);
    const got = new Uint8Array(400);
    vkd.read(8000, got);
    assert.deepEqual(got.subarray(192), bytes.slice(8192, 8400));
    assert.deepEqual(got.subarray(0, 192), new Uint8Array(192));
  });

  it("gives memory back when what it holds is discarded, and uses it again", () => {
    const { vkd } = disk(true, false, 16384);
    for (let round = 0; round < 50; round++) {
      assert.equal(vkd.write(0, pattern(12288, round)), 0);
      assert.equal(vkd.overlayBytes, 12288);
      assert.equal(vkd.discard(0, 12288), 0);
      assert.equal(vkd.overlayBytes, 0);
      const got = new Uint8Array(12288).fill(1);
      assert.equal(vkd.read(0, got), 0);
      assert.deepEqual(got, new Uint8Array(12288));
    }
  });

  it("notes zeroes at little cost, but not at none", () => {
    const size = 64 << 20;
    const store = {
      sizeBytes: size,
      isReadOnly: true,
      read: () => 0,
      write: () => EIO,
      flush: () => 0,
      close() {},
    };
    const vkd = new Vkd(0, store, { isCopyOnWrite: true, overlayLimitBytes: 1 << 20, serial: "" });
    assert.equal(vkd.writeZeroes(0, 32 << 20), 0);
    assert.equal(vkd.overlayBytes, 0);
    assert.equal(vkd.writeZeroes(0, size), 0);
    const small = new Vkd(0, store, { isCopyOnWrite: true, overlayLimitBytes: 65536, serial: "" });
    assert.equal(small.writeZeroes(0, size), ENOSPC);
    const huge = { ...store, sizeBytes: 2 ** 42 };
    const vast = new Vkd(0, huge, { isCopyOnWrite: true, overlayLimitBytes: 2 ** 42, serial: "" });
    assert.equal(vast.writeZeroes(0, 2 ** 42), ENOSPC);
  });

  it("discards nothing where the store cannot, and writes zeroes all the same", () => {
    const { vkd, bytes } = disk(false);
    assert.equal(vkd.discardBytes, 0);
    assert.equal(vkd.discard(0, 4096), EOPNOTSUPP);
    assert.equal(vkd.writeZeroes(1000, 3000), 0);
    assert.deepEqual(bytes.subarray(1000, 4000), new Uint8Array(3000));
    assert.notEqual(bytes[4001]! | bytes[4002]! | bytes[4003]!, 0);
    assert.equal(vkd.setReadOnly(true), 0);
    assert.equal(vkd.writeZeroes(0, 1), EROFS);
    assert.equal(vkd.discard(0, 1), EROFS);
  });

  it("says what it did, and how long that took, as Documentation/admin-guide/iostats.rst has it", () => {
    const time = new ManualClock();
    class SlowStore extends MemoryStore {
      override read(offset: number, into: Uint8Array): number {
        time.nowNs += 2e6;
        return super.read(offset, into);
      }
      override write(offset: number, from: Uint8Array): number {
        time.nowNs += 3e6;
        return super.write(offset, from);
      }
      override flush(): number {
        time.nowNs += 20e6;
        return super.flush();
      }
    }
    const cpu = new Cpu(0, new KernelClock(time));
    const options = { isCopyOnWrite: false, overlayLimitBytes: 0, serial: "", cpu };
    const vkd = new Vkd(0, new SlowStore(pattern(SIZE, 1)), options);
    const place = { whole: vkd, number: 1, startBytes: 4096, uuid: "", label: "" };
    const part = new Partition(place, 16384, 1);
    vkd.read(0, new Uint8Array(8192));
    part.read(0, new Uint8Array(512));
    part.write(0, new Uint8Array(1024));
    part.flush();
    const both = [2, 0, 17, 4, 1, 0, 2, 3, 0, 27, 27, 0, 0, 0, 0, 1, 20];
    assert.deepEqual(diskStatNumbers(vkd.counts), both);
    const its = [1, 0, 1, 2, 1, 0, 2, 3, 0, 25, 25, 0, 0, 0, 0, 1, 20];
    assert.deepEqual(diskStatNumbers(part.counts), its);
  });

  it("notes what the host could not do, and falls silent at last", () => {
    const said: string[] = [];
    const log = { log: (_level: number, text: string) => void said.push(text) };
    class BadStore extends MemoryStore {
      override read(): number {
        return EIO;
      }
      override write(): number {
        return ENOSPC;
      }
    }
    const options = { isCopyOnWrite: false, overlayLimitBytes: 0, serial: "", log };
    const vkd = new Vkd(2, new BadStore(pattern(SIZE, 1)), options);
    assert.equal(vkd.read(4096, new Uint8Array(512)), EIO);
    assert.equal(vkd.write(1024, new Uint8Array(512)), ENOSPC);
    assert.deepEqual(said, [
      "I/O error, dev vkd2, sector 8 op READ",
      "critical space allocation error, dev vkd2, sector 2 op WRITE",
    ]);
    for (let i = 0; i < 100; i++) vkd.read(0, new Uint8Array(512));
    assert.ok(said.length < 20);
  });
});
