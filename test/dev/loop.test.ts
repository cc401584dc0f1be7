/** Loop devices below file systems: what is written through two of them is on the disk, and both are sound. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { Ext4Type } from "../../src/fs/ext4/ext4.ts";
import { MemoryStore, makeImage, withTempDir } from "../fs/ext4image.ts";
import { buildGuest, hasCrossCompiler } from "../harness/cc.ts";
import { TestKernel } from "../harness/kernel.ts";
import { TestHost } from "../harness/testhost.ts";

const INNER_KIB = 40 << 10;
const OUTER_KIB = 64 << 10;

function fsck(image: string): string {
  const r = spawnSync("e2fsck", ["-fn", image], { encoding: "latin1" });
  return r.status === 0 ? "clean" : r.stdout;
}

describe("a file system in a file of a file system", { skip: !hasCrossCompiler() }, () => {
  it("holds more than memory does, and both are sound afterwards", () => {
    withTempDir((dir) => {
      const tree = join(dir, "tree");
      mkdirSync(tree);
      const inner = join(tree, "inner.img");
      writeFileSync(inner, "");
      truncateSync(inner, INNER_KIB * 1024);
      execFileSync("mke2fs", ["-q", "-F", "-t", "ext4", inner]);
      const outer = makeImage(dir, tree, OUTER_KIB, ["-t", "ext4", "-O", "^resize_inode"]);
      const bytes = new Uint8Array(readFileSync(outer));
      const disk = { store: new MemoryStore(bytes), isCopyOnWrite: false, serial: "" };
      const kernel = new TestKernel(24, new TestHost(), [disk]);
      const { vfs, disks, pages, log } = kernel.kernel;
      vfs.registerType(new Ext4Type("ext4", disks, pages, log, vfs.clock, true, new Map()));
      kernel.copyIn(buildGuest(join(import.meta.dirname, "loopfs.c")), "/bin/loopfs");
      const r = kernel.run(["/bin/loopfs"], { timeoutMs: 60_000 });
      assert.equal(r.status, 0, r.stdout);
      writeFileSync(outer, bytes);
      assert.equal(fsck(outer), "clean");
      execFileSync("debugfs", ["-R", `dump /inner.img ${join(dir, "inner")}`, outer], {
        stdio: "ignore",
      });
      assert.equal(fsck(join(dir, "inner")), "clean");
    });
  });
});
