/** ext4 after a crash at any write: see crash.ts; test/fuzz/crash.ts makes long runs of it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { CROWDED_KINDS, crashRun } from "./crash.ts";
import { freshImage, withTempDir } from "./ext4image.ts";

const flavours: Record<string, string[]> = {
  ext4: ["-t", "ext4", "-b", "4096"],
  "ext4, 1 KiB blocks": ["-t", "ext4", "-b", "1024"],
  "ext4 without checksums": ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^64bit"],
  "ext4 with inline data": ["-t", "ext4", "-b", "1024", "-O", "inline_data", "-I", "256"],
  ext3: ["-t", "ext3", "-b", "1024"],
};

describe("after a crash at any write, what was fsynced is there and the volume is whole", () => {
  for (const [title, options] of Object.entries(flavours)) {
    it(title, () => {
      withTempDir((dir) => {
        const image = freshImage(dir, options, 12288);
        let tried = 0;
        for (let seed = 1; seed <= 2; seed++) {
          const scratch = join(dir, "crashed");
          const run = { image, seed, operations: 250, oneIn: 10, checkOneIn: 20, scratch };
          tried += crashRun(run);
        }
        assert.ok(tried > 50, `${tried} crashes`);
      });
    });
  }

  it("a volume that is nearly full", () => {
    withTempDir((dir) => {
      const options = ["-t", "ext4", "-b", "1024", "-J", "size=1", "-N", "64", "-m", "0"];
      const image = freshImage(dir, options, 2200);
      let tried = 0;
      for (let seed = 1; seed <= 4; seed++) {
        tried += crashRun({
          image,
          seed,
          operations: 300,
          kinds: CROWDED_KINDS,
          oneIn: 8,
          checkOneIn: 25,
          scratch: join(dir, "crashed"),
        });
      }
      assert.ok(tried > 50, `${tried} crashes`);
    });
  });
});
