/** A guest's program on an ext4 volume; e2fsck and debugfs look at what it leaves. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { buildGuest, hasCrossCompiler } from "../harness/cc.ts";
import { TestKernel } from "../harness/kernel.ts";
import { debugfs, MemoryStore, makeImage, withTempDir } from "./ext4image.ts";

describe("a program's files on ext4", { skip: !hasCrossCompiler() }, () => {
  it("behave as those of Linux, and are sound on the disk", () => {
    withTempDir((dir) => {
      const tree = join(dir, "tree");
      mkdirSync(tree);
      const image = makeImage(dir, tree, 32768, ["-t", "ext4", "-b", "4096"]);
      const store = new MemoryStore(readFileSync(image));
      const kernel = new TestKernel(64, undefined, [{ store, isCopyOnWrite: false, serial: "" }]);
      kernel.copyIn(buildGuest(join(import.meta.dirname, "ext4guest.c")), "/bin/files");
      const guest = kernel.run(["/bin/files"], { timeoutMs: 60_000 });
      assert.equal(guest.status, 0, guest.stdout + guest.stderr);
      writeFileSync(image, store.bytes);
      const checked = spawnSync("e2fsck", ["-fn", image], { encoding: "utf8" });
      assert.equal(checked.status, 0, checked.stdout);
      assert.match(debugfs(image, ["stat file"]), /Size: 20000\b/);
    });
  });
});
