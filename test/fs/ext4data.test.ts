/** Contents of ext4 files, changed at random through the page cache, against plain bytes, debugfs and e2fsck. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { ENOSPC, ENXIO, EOPNOTSUPP, failed } from "../../src/abi/errno.ts";
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
} from "../../src/abi/fcntl.ts";
import { Ext4 } from "../../src/fs/ext4/ext4.ts";
import { EXTENTS_FL } from "../../src/fs/ext4/layout.ts";
import type { Ext4Vnode } from "../../src/fs/ext4/vnode.ts";
import { Cred } from "../../src/kern/cred.ts";
import type { Thread } from "../../src/kern/thread.ts";
import { PAGE_SIZE } from "../../src/vm/param.ts";
import { Uio } from "../../src/vm/uio.ts";
import { Random } from "../fuzz/random.ts";
import {
  debugfs,
  MemoryStore,
  makeImage,
  mountStore,
  newFrames,
  pattern,
  withTempDir,
} from "./ext4image.ts";
import { follow } from "./names.ts";

const td = { cred: Cred.root(), fileSizeLimit: Number.POSITIVE_INFINITY } as unknown as Thread;
const MOST = 600_000;

class FileModel {
  readonly vp: Ext4Vnode;
  bytes = new Uint8Array(0);
  /** Where something was written, so that it cannot be told to be a hole. */
  readonly #random: Random;
  #stamp = 1;

  constructor(vp: Ext4Vnode, random: Random) {
    this.vp = vp;
    this.#random = random;
  }

  step(): void {
    const what = this.#random.below(20);
    if (what < 8) this.#write();
    else if (what < 10) this.#truncate();
    else if (what < 12) this.#map();
    else if (what < 14) this.#read();
    else if (what < 18) this.#allocate();
    else if (what < 19) assert.equal(this.vp.fsync(this.#random.oneIn(2)), 0);
    else this.#seek();
  }

  #offset(): number {
    const at = this.#random.oneIn(3) ? this.bytes.length : this.#random.below(MOST);
    return this.#random.oneIn(2) ? at - (at % 4096) : at;
  }

  #length(): number {
    const n = this.#random.pick([1, 100, 512, 1024, 4096, 5000, 30000, 65536]);
    return 1 + this.#random.below(n);
  }

  #data(n: number): Uint8Array {
    this.#stamp = (this.#stamp % 250) + 1;
    return new Uint8Array(n).fill(this.#stamp);
  }

  #put(at: number, data: Uint8Array): void {
    this.#size(Math.max(this.bytes.length, at + data.length));
    this.bytes.set(data, at);
  }

  #size(n: number): void {
    if (n === this.bytes.length) return;
    const next = new Uint8Array(n);
    next.set(this.bytes.subarray(0, n));
    this.bytes = next;
  }

  #write(): void {
    const at = this.#offset();
    const data = this.#data(this.#length());
    const r = this.vp.write(td, Uio.kernel(data), at);
    if (r === ENOSPC) return;
    assert.ok(r > 0, `write: ${r}`);
    this.#put(at, data.subarray(0, r));
  }

  #truncate(): void {
    const size = this.#random.oneIn(4) ? 0 : this.#offset();
    assert.equal(this.vp.setattr({ sizeBytes: size }), 0);
    this.#size(size);
  }

  /** A store through a shared map. */
  #map(): void {
    if (this.bytes.length === 0) return;
    const at = this.#random.below(this.bytes.length);
    const object = this.vp.object();
    assert.ok(typeof object !== "number");
    const pa = object.getPage(Math.floor(at / PAGE_SIZE), true);
    if (pa === ENOSPC) return;
    assert.ok(!failed(pa), `page: ${pa}`);
    const data = this.#data(1);
    object.frames.mem.u8[pa + (at % PAGE_SIZE)] = data[0]!;
    this.bytes.set(data, at);
  }

  #read(): void {
    const at = this.#random.below(MOST);
    const into = new Uint8Array(this.#length());
    const r = this.vp.read(td, Uio.kernel(into), at, null);
    const expected = this.bytes.subarray(at, at + into.length);
    assert.equal(r, expected.length);
    assert.ok(Buffer.compare(into.subarray(0, r), expected) === 0, `bytes at ${at}`);
  }

  #allocate(): void {
    const { blockSize } = this.vp.inode.volume.geometry;
    let at = this.#offset();
    let n = this.#length();
    const what = this.#random.pick([
      0,
      FALLOC_FL_PUNCH_HOLE,
      FALLOC_FL_ZERO_RANGE,
      FALLOC_FL_COLLAPSE_RANGE,
      FALLOC_FL_INSERT_RANGE,
    ]);
    const isShift = (what & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) !== 0;
    let mode = what;
    if (isShift) {
      at -= at % blockSize;
      n = Math.ceil(n / blockSize) * blockSize;
      if (what === FALLOC_FL_COLLAPSE_RANGE && at + n >= this.bytes.length) return;
      if (
        what === FALLOC_FL_INSERT_RANGE &&
        (at >= this.bytes.length || this.bytes.length > MOST)
      ) {
        return;
      }
    } else if (what === FALLOC_FL_PUNCH_HOLE || this.#random.oneIn(2)) mode |= FALLOC_FL_KEEP_SIZE;
    const r = this.vp.allocate(mode, at, n);
    if (!this.vp.inode.has(EXTENTS_FL) && what !== FALLOC_FL_PUNCH_HOLE) {
      assert.equal(r, EOPNOTSUPP);
      return;
    }
    if (r === ENOSPC) {
      // What was zeroed until then is not told.
      if (what !== 0) this.#adopt();
      return;
    }
    assert.equal(r, 0, `fallocate ${mode} ${at} ${n}`);
    if (what === FALLOC_FL_COLLAPSE_RANGE) {
      this.bytes.copyWithin(at, at + n);
      this.#size(this.bytes.length - n);
    } else if (what === FALLOC_FL_INSERT_RANGE) {
      const old = this.bytes.length;
      this.#size(old + n);
      this.bytes.copyWithin(at + n, at, old);
      this.bytes.fill(0, at, at + n);
    } else {
      if ((mode & FALLOC_FL_KEEP_SIZE) === 0) this.#size(Math.max(this.bytes.length, at + n));
      if (what !== 0) this.bytes.fill(0, at, at + n);
    }
  }

  #adopt(): void {
    const all = new Uint8Array(this.vp.inode.sizeBytes);
    if (all.length > 0) assert.equal(this.vp.read(td, Uio.kernel(all), 0, null), all.length);
    this.bytes = all;
  }

  /** Holes hold zeroes only, and data and holes take turns to the end. */
  #seek(): void {
    const size = this.bytes.length;
    let at = 0;
    while (at < size) {
      const data = this.vp.seekData(at, false, size);
      const end = data === ENXIO ? size : data;
      assert.ok(end >= at && end <= size);
      assert.ok(
        this.bytes.subarray(at, end).every((b) => b === 0),
        `data in hole at ${at}`,
      );
      if (data === ENXIO) return;
      const hole = this.vp.seekData(data, true, size);
      assert.ok(hole > data && hole <= size, `hole ${hole} after ${data}`);
      at = hole;
    }
  }

  check(): void {
    assert.equal(this.vp.inode.sizeBytes, this.bytes.length);
    const all = new Uint8Array(this.bytes.length);
    for (let at = 0; at < all.length; at += 65536) {
      const part = all.subarray(at, at + 65536);
      assert.equal(this.vp.read(td, Uio.kernel(part), at, null), part.length);
    }
    assert.equal(firstDifference(all, this.bytes), -1, "first byte that differs");
  }
}

function firstDifference(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return Math.min(a.length, b.length);
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return i;
  return -1;
}

function fsck(image: string): void {
  const r = spawnSync("e2fsck", ["-fn", image], { encoding: "utf8" });
  assert.equal(r.status, 0, r.stdout + r.stderr);
  assert.doesNotMatch(r.stdout, /could be|IGNORED/);
}

function dump(image: string, name: string, dir: string): Uint8Array {
  const to = join(dir, "dumped");
  execFileSync("debugfs", ["-R", `dump ${name} ${to}`, image], { stdio: "ignore" });
  return readFileSync(to);
}

const flavours: Record<string, string[]> = {
  "ext4, 4 KiB blocks": ["-t", "ext4", "-b", "4096"],
  "ext4, 1 KiB blocks": ["-t", "ext4", "-b", "1024"],
  "ext4, 2 KiB blocks, no journal": ["-t", "ext4", "-b", "2048", "-O", "^has_journal"],
  "ext4, 64 KiB blocks": ["-t", "ext4", "-b", "65536"],
  "ext4 without checksums": ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^64bit"],
  "ext4 with inline data": ["-t", "ext4", "-b", "1024", "-O", "inline_data"],
  ext3: ["-t", "ext3", "-b", "1024"],
  ext2: ["-t", "ext2", "-b", "4096"],
};

describe("files hold what was written, in memory and on the disk", () => {
  for (const [title, options] of Object.entries(flavours)) {
    it(title, () => {
      for (let seed = 1; seed <= 2; seed++) {
        withTempDir((dir) => {
          const tree = join(dir, "tree");
          mkdirSync(tree);
          const contents = [new Uint8Array(0), pattern(50, 1), pattern(90, 2)];
          for (const [k, c] of contents.entries()) writeFileSync(join(tree, "abc"[k]!), c);
          const size = options.includes("65536") ? 32768 : 8192;
          const image = makeImage(dir, tree, size, [...options, "-N", "64"]);
          const bytes = readFileSync(image);
          const store = new MemoryStore(bytes);
          // Memory for a part of the files only, so that pages come and go.
          let { result: fs } = mountStore(store, "", false, newFrames(1 << 20));
          assert.ok(fs instanceof Ext4);
          const random = new Random(seed);
          let files = openAll(fs, random, contents);
          for (let i = 0; i < 400; i++) {
            random.pick(files).step();
            if (i % 80 === 79) for (const f of files) f.check();
            if (i % 160 === 120) {
              assert.equal(fs.unmount(), 0);
              writeFileSync(image, bytes);
              fsck(image);
              for (const [k, f] of files.entries()) {
                const got = dump(image, "abc"[k]!, dir);
                assert.equal(firstDifference(got, f.bytes), -1, `file ${k}`);
              }
              ({ result: fs } = mountStore(store, "", false, newFrames(1 << 20)));
              assert.ok(fs instanceof Ext4);
              files = openAll(
                fs,
                random,
                files.map((f) => f.bytes),
              );
              for (const f of files) f.check();
            }
          }
          for (const f of files) {
            f.check();
            assert.equal(f.vp.setattr({ sizeBytes: 0 }), 0);
          }
          assert.equal(fs.volume.alloc.reserved, 0, "promises kept");
          assert.equal(fs.unmount(), 0);
          writeFileSync(image, bytes);
          fsck(image);
        });
      }
    });
  }
});

function openAll(fs: Ext4, random: Random, old: readonly Uint8Array[]): FileModel[] {
  const root = fs.root() as Ext4Vnode;
  return ["a", "b", "c"].map((name, k) => {
    const f = new FileModel(follow(root, name).hold(), random);
    f.bytes = old[k]!.slice();
    return f;
  });
}

it("small files live in their inodes, and leave them when they grow", () => {
  withTempDir((dir) => {
    const tree = join(dir, "tree");
    mkdirSync(tree);
    const image = makeImage(dir, tree, 8192, ["-t", "ext4", "-b", "1024", "-O", "inline_data"]);
    const bytes = readFileSync(image);
    const store = new MemoryStore(bytes);
    const mounted = () => {
      const { result: fs } = mountStore(store, "", false, newFrames(1 << 20));
      assert.ok(fs instanceof Ext4);
      return fs;
    };
    const sizes = [1, 30, 59, 60, 61, 64, 100, 130, 150, 160, 170, 200];
    let fs = mounted();
    for (const n of sizes) {
      const made = (fs.root() as Ext4Vnode).mknod(`f${n}`, 0o100644, 0, td.cred);
      assert.ok(typeof made !== "number");
      const vp = made.hold() as Ext4Vnode;
      assert.equal(vp.write(td, Uio.kernel(pattern(n, n)), 0), n);
      if (n === 130) assert.equal(vp.setxattr("user.x", pattern(10, 1), 0), 0);
      vp.release();
    }
    assert.equal(fs.unmount(), 0);
    const look = (expected: (n: number) => Uint8Array) => {
      writeFileSync(image, bytes);
      fsck(image);
      const inline = new Set<number>();
      for (const n of sizes) {
        const wanted = expected(n);
        const stat = debugfs(image, [`stat f${n}`]);
        assert.match(stat, new RegExp(`Size: ${wanted.length}\\b`));
        // Of an inline file debugfs dumps at least the first part whole.
        const got = dump(image, `f${n}`, dir);
        assert.equal(firstDifference(got.subarray(0, wanted.length), wanted), -1, `f${n}`);
        assert.ok(got.subarray(wanted.length).every((b) => b === 0));
        if (/Flags: 0x10000000/.test(stat)) inline.add(n);
      }
      return inline;
    };
    const first = look((n) => pattern(n, n));
    assert.ok(first.has(60) && first.has(100), "some are inline");
    assert.ok(!first.has(200), "but not all");
    // Each gets longer by a little, then shorter, then much longer.
    fs = mounted();
    for (const n of sizes) {
      const vp = follow(fs.root() as Ext4Vnode, `f${n}`).hold();
      assert.equal(vp.write(td, Uio.kernel(pattern(20, n + 1)), n), 20);
      assert.equal(vp.fsync(false), 0);
      assert.equal(vp.setattr({ sizeBytes: n + 10 }), 0);
      vp.release();
    }
    assert.equal(fs.unmount(), 0);
    const grown = (n: number) => Buffer.concat([pattern(n, n), pattern(20, n + 1).slice(0, 10)]);
    assert.ok(look(grown).has(100));
    fs = mounted();
    for (const n of sizes) {
      const vp = follow(fs.root() as Ext4Vnode, `f${n}`).hold();
      assert.equal(vp.write(td, Uio.kernel(pattern(3000, 9)), n + 10), 3000);
      vp.release();
    }
    assert.equal(fs.unmount(), 0);
    const last = look((n) => Buffer.concat([grown(n), pattern(3000, 9)]));
    assert.equal(last.size, 0);
  });
});
