/** Journals of any size and kind, remounts, superblocks torn in two, and what is noted of errors. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { EFSBADCRC, EINVAL, EOPNOTSUPP, EROFS } from "../../src/abi/errno.ts";
import type { Ext4 } from "../../src/fs/ext4/ext4.ts";
import { Random } from "../fuzz/random.ts";
import { CRASH_KINDS, check } from "./crash.ts";
import {
  debugfs,
  freshImage,
  MemoryStore,
  mountBytes,
  mountStore,
  withTempDir,
} from "./ext4image.ts";
import { FileWorld, step } from "./ext4world.ts";
import { Model } from "./model.ts";

/** Mounts `bytes` for writing, does random operations, and leaves them there unmounted or not. */
function work(bytes: Uint8Array, model: Model, seed: number, operations: number, data = ""): Ext4 {
  const world = new FileWorld();
  const { result, messages } = mountStore(new MemoryStore(bytes), data, false, world.pages);
  assert.ok(typeof result !== "number", messages.join("\n"));
  world.attach(result);
  const random = new Random(seed);
  const kinds = CRASH_KINDS.filter((kind) => kind !== "open");
  for (let i = 0; i < operations; i++) {
    const o = model.choose(random, kinds, 30);
    step(world, model, o, `${i}: ${JSON.stringify(o)}`);
  }
  return result as Ext4;
}

function compare(bytes: Uint8Array, model: Model, data = ""): void {
  const world = new FileWorld();
  const { result, messages } = mountStore(new MemoryStore(bytes), data, true, world.pages);
  assert.ok(typeof result !== "number", messages.join("\n"));
  world.attach(result);
  world.compare(model, "after");
  assert.equal(world.detach(), 0);
}

function header(bytes: Uint8Array, dir: string, field: string): string {
  const path = join(dir, "header");
  writeFileSync(path, bytes);
  const text = execFileSync("dumpe2fs", ["-h", path], { stdio: ["ignore", "pipe", "ignore"] });
  return new RegExp(`^${field}: +(.*)`, "m").exec(text.toString())?.[1] ?? "";
}

describe("a journal", () => {
  const kinds: Record<string, string[]> = {
    "of the smallest size": ["-b", "1024", "-J", "size=1"],
    "of 16 MiB": ["-b", "4096", "-J", "size=16"],
    "with an area for fast commits": ["-b", "1024", "-O", "fast_commit"],
    "of ext3": ["-b", "1024", "-O", "^extent,^64bit,^metadata_csum"],
    "of a volume with 64 bits, without checksums": ["-b", "2048", "-O", "64bit,^metadata_csum"],
  };
  for (const [title, options] of Object.entries(kinds)) {
    it(`${title} serves`, () => {
      withTempDir((dir) => {
        const bytes = freshImage(dir, ["-t", "ext4", ...options], 49152);
        const model = new Model();
        for (let seed = 1; seed <= 2; seed++) {
          assert.equal(work(bytes, model, seed, 400).unmount(), 0);
          check(bytes, join(dir, "image"), title);
          compare(bytes, model);
        }
      });
    });
  }

  it("on another device refuses a writable mount by name", () => {
    withTempDir((dir) => {
      const path = join(dir, "image");
      writeFileSync(path, freshImage(dir, ["-t", "ext4"], 8192));
      debugfs(path, ["ssv journal_inum 0", "ssv journal_dev 0x701"]);
      const { result, messages } = mountBytes(new Uint8Array(readFileSync(path)), "", false);
      assert.equal(result, EOPNOTSUPP);
      assert.match(messages.join(), /external journal/);
    });
  });
});

describe("remounting", () => {
  it("read-only leaves a clean volume, and it can be written again", () => {
    withTempDir((dir) => {
      const bytes = freshImage(dir, ["-t", "ext4"], 16384);
      const model = new Model();
      const fs = work(bytes, model, 1, 150);
      assert.equal(fs.remount(true, ""), 0);
      assert.equal(fs.isReadOnly, true);
      check(bytes, join(dir, "image"), "read-only");
      compare(bytes, model);
      assert.equal(fs.remount(false, "commit=1"), 0);
      assert.equal(fs.isReadOnly, false);
      assert.equal(fs.showOptions(), "commit=1");
      assert.match(header(bytes, dir, "Filesystem features"), /needs_recovery/);
      assert.equal(fs.unmount(), 0);
      check(bytes, join(dir, "image"), "unmounted");
    });
  });

  it("writable brings a log home that a crash left", () => {
    withTempDir((dir) => {
      const bytes = freshImage(dir, ["-t", "ext4"], 16384);
      const model = new Model();
      assert.equal(work(bytes, model, 2, 200).commit(), 0);
      const crashed = bytes.slice();
      const before = crashed.slice();
      const { result, messages } = mountBytes(crashed, "", true);
      assert.ok(typeof result !== "number", messages.join("\n"));
      assert.ok(Buffer.compare(crashed, before) === 0, "a read-only mount wrote");
      assert.equal(result.remount!(false, ""), 0);
      assert.match(messages.join(), /recovery complete/);
      assert.equal(result.unmount(), 0);
      check(crashed, join(dir, "image"), "recovered");
    });
  });

  it("is refused where noload hides a log, and a clean volume goes without it", () => {
    withTempDir((dir) => {
      const bytes = freshImage(dir, ["-t", "ext4"], 16384);
      assert.equal(mountBytes(bytes.slice(), "data=journal", false).result, EINVAL);
      const model = new Model();
      const fs = work(bytes, model, 3, 100);
      assert.equal(mountBytes(bytes.slice(), "noload", false).result, EINVAL);
      const lying = mountBytes(bytes.slice(), "noload", true).result;
      assert.ok(typeof lying !== "number");
      assert.equal(lying.remount!(false, "noload"), EINVAL);
      assert.equal(fs.unmount(), 0);
      assert.equal(work(bytes, model, 4, 100, "noload").unmount(), 0);
      check(bytes, join(dir, "image"), "noload");
      compare(bytes, model);
    });
  });

  it("cannot write a disk that cannot be written", () => {
    withTempDir((dir) => {
      const store = new MemoryStore(freshImage(dir, ["-t", "ext4"], 8192));
      const locked = Object.assign(Object.create(store), { isReadOnly: true });
      assert.equal(mountStore(locked, "", false).result, EROFS);
      assert.ok(typeof mountStore(locked, "", true).result !== "number");
    });
  });
});

describe("a superblock torn in two", () => {
  it("is whole in the log of a volume that was mounted, and refused otherwise", () => {
    withTempDir((dir) => {
      const bytes = freshImage(dir, ["-t", "ext4"], 16384);
      const clean = bytes.slice();
      clean.fill(0xee, 2044, 2048);
      assert.equal(mountBytes(clean, "", false).result, EFSBADCRC);
      const model = new Model();
      assert.equal(work(bytes, model, 5, 100).commit(), 0);
      for (const isReadOnly of [true, false]) {
        const torn = bytes.slice();
        torn.fill(0xee, 2044, 2048);
        const { result, messages } = mountBytes(torn, "", isReadOnly);
        assert.ok(typeof result !== "number", messages.join("\n"));
        assert.equal(result.unmount(), 0);
        if (!isReadOnly) check(torn, join(dir, "image"), "torn");
      }
    });
  });
});

describe("an error that is met", () => {
  /** A volume whose one directory has a damaged inode in it. */
  const damaged = (dir: string): Uint8Array => {
    const path = join(dir, "image");
    writeFileSync(path, freshImage(dir, ["-t", "ext4", "-b", "1024"], 8192));
    debugfs(path, ["mkdir d", "sif d links_count 0"]);
    return new Uint8Array(readFileSync(path));
  };

  it("makes the volume read-only, and is noted", () => {
    withTempDir((dir) => {
      const bytes = damaged(dir);
      const { result, messages } = mountBytes(bytes, "errors=remount-ro", false);
      assert.ok(typeof result !== "number", messages.join("\n"));
      const root = result.root();
      assert.ok(typeof root !== "number");
      assert.ok(typeof root.lookup("d") === "number");
      assert.equal(result.isReadOnly, true);
      assert.match(
        messages.join("\n"),
        /deleted inode referenced[\s\S]*Remounting filesystem read-only/,
      );
      assert.equal(result.unmount(), 0);
      assert.equal(header(bytes, dir, "Filesystem state"), "clean with errors");
      assert.equal(header(bytes, dir, "FS Error count"), "1");
      const again = mountBytes(bytes, "", false);
      assert.match(again.messages.join(), /mounting fs with errors/);
    });
  });

  it("is noted and no more with errors=continue", () => {
    withTempDir((dir) => {
      const bytes = damaged(dir);
      const { result } = mountBytes(bytes, "errors=continue", false);
      assert.ok(typeof result !== "number");
      const root = result.root();
      assert.ok(typeof root !== "number");
      assert.ok(typeof root.lookup("d") === "number");
      assert.equal(result.isReadOnly, false);
      assert.equal(result.unmount(), 0);
      assert.equal(header(bytes, dir, "Filesystem state"), "clean with errors");
      assert.equal(header(bytes, dir, "FS Error count"), "1");
    });
  });
});

describe("a damaged log", () => {
  for (const [title, options] of Object.entries({
    "with checksums": ["-t", "ext4", "-b", "1024", "-J", "size=1"],
    without: ["-t", "ext4", "-b", "1024", "-J", "size=1", "-O", "^metadata_csum"],
  })) {
    it(`${title} yields errors, never an exception or a long walk`, () => {
      withTempDir((dir) => {
        const bytes = freshImage(dir, options, 6144);
        assert.equal(work(bytes, new Model(), 7, 250).commit(), 0);
        const log = logBlocks(bytes);
        assert.ok(log.length > 20);
        const random = new Random(title.length);
        let refused = 0;
        for (let n = 0; n < 250; n++) {
          const damaged = bytes.slice();
          for (let i = random.below(6); i >= 0; i--) {
            const at = random.pick(log) * 1024;
            const byte = random.oneIn(2) ? random.below(64) : random.below(1024);
            damaged[at + byte] = random.oneIn(2) ? random.below(256) : 0xff;
          }
          const start = performance.now();
          const { result } = mountBytes(damaged, "", random.oneIn(4));
          if (typeof result === "number") refused++;
          else {
            const root = result.root();
            if (typeof root !== "number") root.readdir(0, { entry: () => true });
            result.unmount();
          }
          assert.ok(performance.now() - start < 10_000, `${n} takes long`);
        }
        assert.ok(refused > 5 && refused < 245, `${refused} refused`);
      });
    });
  }
});

/** The blocks of 1 KiB that begin like a record of the log. */
function logBlocks(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const found: number[] = [];
  for (let b = 0; b * 1024 < bytes.length; b++) {
    if (view.getUint32(b * 1024) === 0xc03b3998) found.push(b);
  }
  return found;
}
