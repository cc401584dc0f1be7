/** Random operations on ext4 and on a model of it; then e2fsck, and the same tree after a new mount. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { Random } from "../fuzz/random.ts";
import { CRASH_KINDS, check } from "./crash.ts";
import { freshImage, MemoryStore, mountStore, withTempDir } from "./ext4image.ts";
import { FileWorld, step } from "./ext4world.ts";
import { Model, type Op } from "./model.ts";

const flavours: Record<string, string[]> = {
  ext4: ["-t", "ext4"],
  "ext4, 1 KiB blocks": ["-t", "ext4", "-b", "1024"],
  "ext4 without checksums": ["-t", "ext4", "-O", "^metadata_csum,^64bit"],
  "ext4 with inline data": ["-t", "ext4", "-O", "inline_data", "-I", "256"],
  "ext4 without a journal": ["-t", "ext4", "-O", "^has_journal"],
  ext3: ["-t", "ext3", "-b", "1024"],
  ext2: ["-t", "ext2", "-b", "1024"],
};

describe("ext4 agrees with the model, and e2fsck with ext4", () => {
  for (const [title, options] of Object.entries(flavours)) {
    it(title, () => {
      withTempDir((dir) => {
        const image = freshImage(dir, options, 32768);
        for (let seed = 1; seed <= 3; seed++) {
          const bytes = image.slice();
          const world = new FileWorld();
          const random = new Random(seed);
          const model = new Model();
          for (let round = 0; round < 3; round++) {
            const { result, messages } = mountStore(new MemoryStore(bytes), "", false, world.pages);
            assert.ok(typeof result !== "number", messages.join("\n"));
            world.attach(result);
            world.compare(model, `seed ${seed}, round ${round}, mounted`);
            for (let i = 0; i < 150; i++) {
              const o = model.choose(random, CRASH_KINDS, 20);
              step(world, model, o, `seed ${seed}, ${round}:${i}: ${JSON.stringify(o)}`);
            }
            world.compare(model, `seed ${seed}, round ${round}`);
            assert.equal(world.detach(), 0);
            model.open.length = 0;
            assert.deepEqual(
              messages.filter((m) => m.includes("error")),
              [],
            );
            check(bytes, join(dir, "image"), `seed ${seed}, round ${round}`);
          }
        }
      });
    });
  }
});

it("ext4 allocates in files that could as well lie in their inodes", () => {
  withTempDir((dir) => {
    const bytes = freshImage(dir, ["-t", "ext4", "-b", "1024", "-O", "inline_data"], 8192);
    const world = new FileWorld();
    const { result, messages } = mountStore(new MemoryStore(bytes), "", false, world.pages);
    assert.ok(typeof result !== "number", messages.join("\n"));
    world.attach(result);
    const model = new Model();
    let n = 0;
    const act = (o: Op): void => void step(world, model, o, JSON.stringify(o));
    for (const mode of [0, 1, 3, 0x10, 0x11]) {
      for (const [offset, length] of [
        [0, 5],
        [10, 20],
        [10, 40000],
        [993, 50],
        [2000, 5000],
      ] as const) {
        const path = `/f${n++}`;
        act({ op: "create", path });
        act({ op: "write", path, offset: 0, length: 14 });
        if (n % 2 === 0) act({ op: "fsync", path });
        act({ op: "allocate", path, mode, offset, length });
        act({ op: "write", path, offset: 3, length: 30 });
      }
    }
    world.compare(model, "alive");
    assert.equal(world.detach(), 0);
    check(bytes, join(dir, "image"), "unmounted");
  });
});
