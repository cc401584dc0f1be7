/** qcow2 images made by qemu-img, read and written here, and judged by qemu-img again. */
import assert from "node:assert/strict";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { EROFS } from "../../src/abi/errno.ts";
import { pattern } from "../fs/ext4image.ts";
import {
  check,
  compare,
  exercise,
  MIB,
  noQemuImg,
  open,
  qemuImg,
  qemuIo,
  readAll,
  withTempDir,
} from "./qemu.ts";

const SIZE = 8 * MIB;

const KINDS: readonly (readonly [name: string, options: string])[] = [
  ["version 3", "compat=1.1"],
  ["version 2", "compat=0.10"],
  ["clusters of 512 bytes", "cluster_size=512"],
  ["clusters of 4 KiB, refcounts of 1 bit", "cluster_size=4k,refcount_bits=1"],
  ["clusters of 1 KiB, refcounts of 64 bits", "cluster_size=1k,refcount_bits=64"],
  ["refcounts of 2 bits", "cluster_size=512,refcount_bits=2"],
  ["clusters of 2 MiB", "cluster_size=2M"],
  ["allocated beforehand", "preallocation=metadata"],
  ["lazy refcounts", "lazy_refcounts=on"],
];

describe("qcow2", { skip: noQemuImg }, () => {
  for (const [name, options] of KINDS) {
    it(`${name}: reads back what was written, and qemu finds nothing wrong`, () => {
      withTempDir((dir) => {
        const image = join(dir, "disk");
        qemuImg(["create", "-q", "-f", "qcow2", "-o", options, image, `${SIZE}`]);
        const model = new Uint8Array(SIZE);
        for (const seed of [1, 2]) {
          const disk = open(image);
          exercise(disk, model, seed, 150);
          disk.close();
          assert.equal(check(image), "");
          assert.equal(compare(image, model), "");
        }
        qemuIo(image, ["write -P 85 70000 300000", "discard 1M 2M", "write -P 3 3M 64k"]);
        const disk = open(image, null, true);
        assert.equal(disk.write(0, new Uint8Array(512)), EROFS);
        assert.equal(compare(image, readAll(disk)), "");
        disk.close();
      });
    });
  }

  it("snapshots are kept: what they share is copied before it is written", () => {
    withTempDir((dir) => {
      const image = join(dir, "disk");
      qemuImg(["create", "-q", "-f", "qcow2", "-o", "cluster_size=4k", image, `${SIZE}`]);
      const model = new Uint8Array(SIZE);
      const first = open(image);
      exercise(first, model, 6, 150);
      first.close();
      const then = model.slice();
      qemuImg(["snapshot", "-c", "then", image]);
      const second = open(image);
      exercise(second, model, 7, 200);
      second.close();
      assert.equal(check(image), "");
      assert.equal(compare(image, model), "");
      qemuImg(["snapshot", "-a", "then", image]);
      assert.equal(compare(image, then), "");
      qemuImg(["snapshot", "-d", "then", image]);
      assert.equal(check(image), "");
    });
  });

  it("the refcount table grows where it must", () => {
    withTempDir((dir) => {
      const image = join(dir, "disk");
      // A block counts 64 clusters of 512 bytes, the first table 64 blocks: 2 MiB.
      const options = "cluster_size=512,refcount_bits=64";
      qemuImg(["create", "-q", "-f", "qcow2", "-o", options, image, `${SIZE}`]);
      const disk = open(image);
      const model = pattern(SIZE, 8);
      for (let at = 0; at < SIZE; at += 3 * 65536) {
        assert.equal(disk.write(at, model.subarray(at, at + 3 * 65536)), 0);
      }
      disk.close();
      assert.equal(check(image), "");
      assert.equal(compare(image, model), "");
    });
  });

  it("what is discarded is used again, and the file does not grow for ever", () => {
    withTempDir((dir) => {
      const image = join(dir, "disk");
      qemuImg(["create", "-q", "-f", "qcow2", image, `${SIZE}`]);
      const disk = open(image);
      for (let round = 0; round < 20; round++) {
        assert.equal(disk.write(0, pattern(4 * MIB, round)), 0);
        assert.equal(disk.flush(), 0);
        assert.equal(disk.discard!(0, 4 * MIB), 0);
        assert.equal(disk.flush(), 0);
      }
      assert.ok(disk.heldBytes! < 6 * MIB, `${disk.heldBytes}`);
      disk.close();
      assert.equal(check(image), "");
    });
  });

  it("an image that was not closed is repaired: dirty, its refcounts left behind", () => {
    withTempDir((dir) => {
      const image = join(dir, "disk");
      qemuImg(["create", "-q", "-f", "qcow2", "-o", "lazy_refcounts=on", image, `${SIZE}`]);
      // qemu-io's abort leaves it as a crash would.
      try {
        qemuIo(image, ["write -P 7 0 3M", "flush", "abort"]);
      } catch {}
      const broken = `${image}.broken`;
      copyFileSync(image, broken);
      assert.notEqual(check(broken), "");
      const disk = open(image);
      const model = new Uint8Array(SIZE).fill(7, 0, 3 * MIB);
      assert.ok(Buffer.compare(readAll(disk), model) === 0);
      exercise(disk, model, 11, 100);
      disk.close();
      assert.equal(check(image), "");
      assert.equal(compare(image, model), "");
    });
  });

  for (const [what, args, why] of [
    ["extended L2 entries", ["-o", "extended_l2=on"], /extended_l2/],
    ["external data", ["-o", "data_file=data.raw"], /in another file/],
  ] as const) {
    it(`${what}: refused by name`, () => {
      withTempDir((dir) => {
        qemuImg(["create", "-q", "-f", "qcow2", ...args, "disk", "1M"], { cwd: dir });
        assert.throws(() => open(join(dir, "disk")), why);
      });
    });
  }

  it("encryption, corruption and unknown features: refused by name", () => {
    withTempDir((dir) => {
      const image = join(dir, "disk");
      qemuImg(["create", "-q", "-f", "qcow2", image, "1M"]);
      const good = readFileSync(image);
      for (const [at, value, why] of [
        [35, 2, /encrypted \(LUKS\)/],
        [35, 1, /encrypted \(AES\)/],
        [79, 2, /marked corrupt/],
        [77, 1, /not supported: bit 16/],
        [7, 4, /version 4/],
        [104, 9, /compression type 9/],
      ] as const) {
        const bad = Buffer.from(good);
        bad[at] = value;
        writeFileSync(image, bad);
        assert.throws(() => open(image), why);
      }
    });
  });
});
