/** Long changes of a file's map, in many transactions: a crash amid them leaves a sound file. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { ENOENT } from "../../src/abi/errno.ts";
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
} from "../../src/abi/fcntl.ts";
import { Ext4 } from "../../src/fs/ext4/ext4.ts";
import { Ext4Vnode } from "../../src/fs/ext4/vnode.ts";
import { Cred } from "../../src/kern/cred.ts";
import type { Thread } from "../../src/kern/thread.ts";
import type { BlockStore } from "../../src/platform/host.ts";
import { Uio } from "../../src/vm/uio.ts";
import { Random } from "../fuzz/random.ts";
import { CrashStore } from "./crashstore.ts";
import { MemoryStore, makeImage, mountStore, newFrames, withTempDir } from "./ext4image.ts";
import { follow } from "./names.ts";

const td = { cred: Cred.root(), fileSizeLimit: Number.POSITIVE_INFINITY } as unknown as Thread;
const BLOCK = 1024;
/** Every other block of the file is there, so that each is an extent; many leaves of them. */
const PIECES = 700;
const PLACES = 12;

function mounted(store: BlockStore): Ext4 {
  const { result, messages } = mountStore(store, "", false, newFrames(4 << 20));
  assert.ok(result instanceof Ext4, messages.join());
  return result;
}

/** An image with the file, whose block 2n begins with n + 1. */
function imageWithFile(dir: string): Uint8Array {
  const tree = join(dir, "tree");
  mkdirSync(tree);
  writeFileSync(join(tree, "a"), "");
  const image = makeImage(dir, tree, 8192, ["-t", "ext4", "-b", "1024", "-N", "64"]);
  const store = new MemoryStore(readFileSync(image));
  const fs = mounted(store);
  const vp = follow(fs.root() as Ext4Vnode, "a").hold();
  const block = new Uint8Array(BLOCK);
  for (let n = 0; n < PIECES; n++) {
    new DataView(block.buffer).setUint32(0, n + 1);
    assert.equal(vp.write(td, Uio.kernel(block), 2 * n * BLOCK), BLOCK);
  }
  vp.release();
  assert.equal(fs.unmount(), 0);
  return store.bytes;
}

/** The numbers that the blocks of the file begin with, but for zeroes. */
function numbersIn(vp: Ext4Vnode): number[] {
  const all = new Uint8Array(vp.inode.sizeBytes);
  for (let at = 0; at < all.length; at += 65536) {
    const part = all.subarray(at, at + 65536);
    assert.equal(vp.read(td, Uio.kernel(part), at, null), part.length);
  }
  const view = new DataView(all.buffer);
  const found: number[] = [];
  for (let at = 0; at + 4 <= all.length; at += BLOCK) {
    if (view.getUint32(at) !== 0) found.push(view.getUint32(at));
  }
  return found;
}

const changes: Record<string, (vp: Ext4Vnode, dir: Ext4Vnode) => number> = {
  "collapsing a range": (vp) => vp.allocate(FALLOC_FL_COLLAPSE_RANGE, 100 * BLOCK, 300 * BLOCK),
  "inserting a range": (vp) => vp.allocate(FALLOC_FL_INSERT_RANGE, 100 * BLOCK, 77 * BLOCK),
  "punching a hole": (vp) =>
    vp.allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10 * BLOCK, 1200 * BLOCK),
  "cutting it short": (vp) => vp.setattr({ sizeBytes: 33 * BLOCK }),
  "removing it": (vp, dir) => dir.unlink("a", vp),
};

describe("a crash amid a long change of an ext4 file leaves all in order", () => {
  for (const [title, change] of Object.entries(changes)) {
    it(title, () => {
      withTempDir((dir) => {
        const store = new CrashStore(imageWithFile(dir));
        const fs = mounted(store);
        const root = fs.root() as Ext4Vnode;
        const vp = follow(root, "a").hold();
        // Each step is committed, as if the log were always full.
        const { tx } = fs.volume;
        const start = tx.start.bind(tx);
        let depth = 0;
        tx.start = (credits) => {
          if (depth === 0 && !fs.volume.cache.isBusy) tx.commit();
          const r = start(credits);
          if (r === 0) depth++;
          return r;
        };
        const stop = tx.stop.bind(tx);
        tx.stop = () => {
          depth--;
          stop();
        };
        assert.equal(change(vp, root), 0);
        vp.release();
        assert.equal(fs.sync(), 0);
        const flushes = store.log.filter((entry) => entry === null).length;
        assert.ok(flushes > 10, `many transactions, by ${flushes} flushes`);
        const random = new Random(7);
        const step = Math.max(1, Math.floor(store.log.length / PLACES));
        const shift = random.below(step);
        store.crashes(
          random,
          (place) => place % step === shift,
          (image, place) => check(dir, image, place),
        );
      });
    });
  }
});

function check(dir: string, image: Uint8Array, place: number): void {
  const store = new MemoryStore(image);
  const fs = mounted(store);
  const vp = (fs.root() as Ext4Vnode).lookup("a");
  if (vp instanceof Ext4Vnode) {
    const numbers = numbersIn(vp.hold());
    assert.ok(
      numbers.every((n, i) => i === 0 || n > numbers[i - 1]!),
      `in order after a crash at ${place}`,
    );
    assert.ok(numbers.length === 0 || (numbers[0] === 1 && numbers.length <= PIECES));
    vp.release();
  } else {
    assert.equal(vp, ENOENT);
  }
  assert.equal(fs.unmount(), 0);
  const path = join(dir, "crashed");
  writeFileSync(path, image);
  const r = spawnSync("e2fsck", ["-fn", path], { encoding: "utf8" });
  assert.equal(r.status, 0, `at ${place}: ${r.stdout}`);
}
