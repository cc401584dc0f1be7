/** Damaged qcow2 images: a complaint or a disk, never an exception of another kind, never a hang. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { DiskImageError } from "../../src/hosts/disk/imagefile.ts";
import { Qcow2 } from "../../src/hosts/disk/qcow2/qcow2.ts";
import { nodeDecompressor } from "../../src/hosts/node/disk/decompressor.ts";
import { pattern } from "../fs/ext4image.ts";
import { MemoryFile } from "./memoryfile.ts";
import { exercise, noQemuImg, open, qemuImg, randomFrom, withTempDir } from "./qemu.ts";

const SIZE = 1 << 20;

function images(dir: string): Uint8Array[] {
  const found = [];
  for (const options of ["cluster_size=1k", "cluster_size=64k,lazy_refcounts=on", "compat=0.10"]) {
    const path = join(dir, "disk");
    qemuImg(["create", "-q", "-f", "qcow2", "-o", options, path, `${SIZE}`]);
    const disk = open(path);
    exercise(disk, new Uint8Array(SIZE), 1, 40);
    disk.close();
    qemuImg(["snapshot", "-c", "s", path]);
    found.push(new Uint8Array(readFileSync(path)));
  }
  const small = join(dir, "small");
  const path = join(dir, "disk");
  qemuImg(["convert", "-c", "-O", "qcow2", "-o", "cluster_size=4k", path, small]);
  found.push(new Uint8Array(readFileSync(small)));
  return found;
}

function use(bytes: Uint8Array): string {
  let disk: Qcow2;
  try {
    disk = new Qcow2(new MemoryFile(bytes), { backing: null, decompressor: nodeDecompressor });
  } catch (e) {
    assert.ok(e instanceof DiskImageError, `${e}`);
    return "refused";
  }
  let worst = 0;
  const into = new Uint8Array(65536);
  const size = Math.min(disk.sizeBytes, SIZE);
  for (let at = 0; at < size; at += into.length) {
    worst = Math.min(worst, disk.read(at, into.subarray(0, size - at)));
  }
  for (let at = 0; at + 30000 < size; at += 99 * 1024) {
    worst = Math.min(worst, disk.write(at, pattern(30000, at)));
    worst = Math.min(worst, disk.discard(at + 4096, 65536));
    worst = Math.min(worst, disk.writeZeroes(at, 5000));
  }
  worst = Math.min(worst, disk.flush());
  disk.close();
  return worst < 0 ? "failed" : "worked";
}

it("bytes changed at random in headers and tables", { skip: noQemuImg }, () => {
  withTempDir((dir) => {
    const outcomes = new Map<string, number>();
    for (const [seed, good] of images(dir).entries()) {
      const random = randomFrom(seed + 1);
      // Headers and what is no pattern of ours: entries have long runs of zeroes.
      const places: number[] = [];
      for (let at = 0; at < good.length; at += 64) {
        const part = good.subarray(at, at + 64);
        if (at < 192 || (part.some((b) => b !== 0) && part.filter((b) => b === 0).length > 24)) {
          places.push(at);
        }
      }
      for (let i = 0; i < 400; i++) {
        const bad = good.slice();
        for (let flips = 1 + random(4); flips > 0; flips--) {
          const at = random(3) === 0 ? random(192) : places[random(places.length)]! + random(64);
          bad[at] = random(2) === 0 ? random(256) : bad[at]! ^ (1 << random(8));
        }
        const outcome = use(bad);
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }
    }
    // All three happen, or nothing is put to the test.
    assert.equal(outcomes.size, 3);
  });
});
