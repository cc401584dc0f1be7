/** ext4 mounted for writing, and left again: what e2fsck and dumpe2fs say of it. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { makeImage, makeTree, mountBytes, withTempDir } from "./ext4image.ts";

const flavours: Record<string, string[]> = {
  ext4: ["-t", "ext4"],
  "ext4, 1 KiB blocks": ["-t", "ext4", "-b", "1024"],
  "ext4 without a journal": ["-t", "ext4", "-O", "^has_journal"],
  "ext4 without checksums": ["-t", "ext4", "-O", "^metadata_csum"],
  ext3: ["-t", "ext3"],
  ext2: ["-t", "ext2"],
};

function header(image: string, field: string): string {
  const text = execFileSync("dumpe2fs", ["-h", image], { stdio: ["ignore", "pipe", "ignore"] });
  return new RegExp(`${field}: +(.*)`).exec(text.toString())?.[1] ?? "";
}

describe("a writable mount", () => {
  for (const [title, options] of Object.entries(flavours)) {
    it(`of ${title} leaves a clean volume and counts itself`, () => {
      withTempDir((dir) => {
        const tree = join(dir, "tree");
        makeTree(tree, 10);
        const image = makeImage(dir, tree, 32768, options);
        const bytes = new Uint8Array(readFileSync(image));
        const { result, messages } = mountBytes(bytes, "", false);
        assert.ok(typeof result !== "number", messages.join("\n"));
        assert.equal(result.isReadOnly, false);
        assert.equal(result.unmount(), 0);
        writeFileSync(image, bytes);
        const check = spawnSync("e2fsck", ["-fn", image]);
        assert.equal(check.status, 0, check.stdout.toString());
        assert.equal(header(image, "Filesystem state"), "clean");
        assert.equal(header(image, "Mount count"), "1");
        assert.match(header(image, "Last mount time"), /2023/);
      });
    });
  }
});
