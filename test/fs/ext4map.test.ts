/** Block maps of ext4 files, changed at random, against a plain table and e2fsck. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { ENOSPC, failed } from "../../src/abi/errno.ts";
import { BlockRun, HOLE, mapBlock } from "../../src/fs/ext4/blockmap.ts";
import { Ext4 } from "../../src/fs/ext4/ext4.ts";
import { markExtent } from "../../src/fs/ext4/extenttree.ts";
import { MAP_CREDITS, mapBlocks, truncateBlocks, unmapRange } from "../../src/fs/ext4/filemap.ts";
import type { Inode } from "../../src/fs/ext4/inode.ts";
import { EXTENTS_FL } from "../../src/fs/ext4/layout.ts";
import type { Ext4Vnode } from "../../src/fs/ext4/vnode.ts";
import { Random } from "../fuzz/random.ts";
import { makeImage, mountBytes, withTempDir } from "./ext4image.ts";
import { follow } from "./names.ts";

const SPACE = 3000;

/** What a block of the file should be: 0 none, else its block of the volume, negative while unwritten. */
type Model = Float64Array;

class Subject {
  readonly ip: Inode;
  readonly model: Model = new Float64Array(SPACE);
  readonly #random: Random;

  constructor(ip: Inode, random: Random) {
    this.ip = ip;
    this.#random = random;
  }

  step(): void {
    const from = this.#random.below(SPACE);
    const count = 1 + this.#random.below(this.#random.below(4) === 0 ? 300 : 8);
    const end = Math.min(SPACE, from + count);
    const what = this.#random.below(10);
    if (what < 6) this.#map(from, end);
    else if (what < 8) this.#mark(from, end);
    else this.#unmap(from, end);
  }

  #map(from: number, end: number): void {
    const { volume } = this.ip;
    const isUnwritten = this.ip.has(EXTENTS_FL) && this.#random.below(3) === 0;
    for (let lblk = from; lblk < end; ) {
      if (this.model[lblk] !== 0) {
        lblk++;
        continue;
      }
      let stop = lblk;
      while (stop < end && this.model[stop] === 0) stop++;
      // Near what precedes it, or anywhere, so that some extents merge and most do not.
      const isNext = this.#random.below(2) === 0 && lblk > 0 && this.model[lblk - 1] !== 0;
      const goal = isNext
        ? Math.abs(this.model[lblk - 1]!) + 1
        : this.#random.below(volume.geometry.blocksCount);
      assert.equal(volume.tx.start(MAP_CREDITS), 0);
      const run = volume.alloc.alloc(goal, stop - lblk, { isNext });
      if (typeof run === "number") {
        assert.equal(run, ENOSPC);
        volume.tx.stop();
        return;
      }
      const r = mapBlocks(this.ip, lblk, run.start, run.count, isUnwritten);
      if (failed(r)) {
        assert.equal(r, ENOSPC);
        volume.alloc.free(run.start, run.count, false);
      } else {
        this.ip.blocks512 += (run.count * volume.geometry.blockSize) / 512;
        for (let i = 0; i < run.count; i++) {
          this.model[lblk + i] = isUnwritten ? -(run.start + i) : run.start + i;
        }
      }
      this.ip.dirty();
      volume.tx.stop();
      if (failed(r)) return;
      lblk += run.count;
    }
  }

  #mark(from: number, end: number): void {
    if (!this.ip.has(EXTENTS_FL)) return;
    const { tx } = this.ip.volume;
    const unwritten = this.#random.below(2) === 0;
    const run = new BlockRun();
    for (let lblk = from; lblk < end; lblk += run.count) {
      assert.equal(mapBlock(this.ip, lblk, run), 0);
      const n = Math.min(run.count, end - lblk);
      if (run.pblk === HOLE && run.unwritten === HOLE) continue;
      assert.equal(tx.start(MAP_CREDITS), 0);
      const r = markExtent(this.ip, lblk, n, unwritten);
      this.ip.dirty();
      tx.stop();
      if (r === ENOSPC) return;
      assert.equal(r, 0);
      for (let i = lblk; i < lblk + n; i++) {
        this.model[i] = Math.abs(this.model[i]!) * (unwritten ? -1 : 1);
      }
    }
  }

  #unmap(from: number, end: number): void {
    const r = unmapRange(this.ip, from, end);
    if (r === ENOSPC) return;
    assert.equal(r, 0);
    this.model.fill(0, from, end);
  }

  check(): void {
    const run = new BlockRun();
    for (let lblk = 0; lblk < SPACE; lblk += run.count) {
      assert.equal(mapBlock(this.ip, lblk, run), 0);
      assert.ok(run.count > 0);
      for (let i = 0; i < run.count && lblk + i < SPACE; i++) {
        const got = run.unwritten !== HOLE ? -(run.unwritten + i) : run.at(lblk + i);
        assert.equal(got, this.model[lblk + i], `block ${lblk + i}`);
      }
    }
  }
}

function fsck(dir: string, bytes: Uint8Array): void {
  const image = join(dir, "checked");
  writeFileSync(image, bytes);
  const r = spawnSync("e2fsck", ["-fn", image], { encoding: "utf8" });
  assert.equal(r.status, 0, r.stdout + r.stderr);
}

const flavours: Record<string, string[]> = {
  "extents, 1 KiB blocks": ["-t", "ext4", "-b", "1024"],
  "extents, 4 KiB blocks, no journal": ["-t", "ext4", "-b", "4096", "-O", "^has_journal"],
  "extents without checksums": ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^64bit"],
  "extents with uninit_bg": [
    "-t",
    "ext4",
    "-b",
    "1024",
    "-O",
    "^metadata_csum,uninit_bg",
    "-g",
    "1024",
  ],
  "the block map of ext3": ["-t", "ext3", "-b", "1024"],
  "the block map of ext2": ["-t", "ext2", "-b", "4096"],
};

describe("a file's blocks are where they were put", () => {
  for (const [title, options] of Object.entries(flavours)) {
    it(title, () => {
      for (let seed = 1; seed <= 3; seed++) {
        withTempDir((dir) => {
          const tree = join(dir, "tree");
          mkdirSync(tree);
          writeFileSync(join(tree, "a"), "");
          writeFileSync(join(tree, "b"), "");
          const bytes = readFileSync(makeImage(dir, tree, 16384, [...options, "-N", "64"]));
          const { result: fs } = mountBytes(bytes, "", false);
          assert.ok(fs instanceof Ext4);
          const root = fs.root();
          assert.ok(typeof root !== "number");
          const random = new Random(seed);
          const subjects = ["a", "b"].map((name) => {
            const { inode } = follow(root as Ext4Vnode, name);
            inode.resize(SPACE * fs.volume.geometry.blockSize);
            return new Subject(inode, random);
          });
          for (let i = 0; i < 1500; i++) {
            subjects[random.below(2)]!.step();
            if (i % 100 === 99) for (const s of subjects) s.check();
            if (i % 500 === 250) assert.equal(fs.volume.tx.commit(), 0);
            if (i === 1000) {
              assert.equal(fs.sync(), 0);
              fsck(dir, bytes);
            }
          }
          assert.equal(fs.sync(), 0);
          fsck(dir, bytes);
          const free = fs.volume.groups.freeClusters;
          let held = 0;
          for (const s of subjects) {
            held += (s.ip.blocks512 * 512) / fs.volume.geometry.blockSize;
            assert.equal(truncateBlocks(s.ip, 0), 0);
            assert.equal(s.ip.blocks512, 0);
          }
          assert.equal(fs.volume.groups.freeClusters, free + held);
          assert.equal(fs.unmount(), 0);
          fsck(dir, bytes);
        });
      }
    });
  }
});
