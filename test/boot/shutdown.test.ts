/** What a machine writes at its end: everything that lasts, and nothing that does not. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { failed } from "../../src/abi/errno.ts";
import { syncDisks } from "../../src/boot/shutdown.ts";
import { namei, WALK_FOLLOW } from "../../src/vfs/namei.ts";
import { debugfs, MemoryStore, makeImage, withTempDir } from "../fs/ext4image.ts";
import { TestKernel } from "../harness/kernel.ts";

/** A kernel with two disks, mounted at /lasting and /volatile, and a file on each that nobody synced. */
function withFiles(image: string): { kernel: TestKernel; lasting: MemoryStore } {
  const lasting = new MemoryStore(readFileSync(image));
  const base = new MemoryStore(readFileSync(image));
  const kernel = new TestKernel(64, undefined, [
    { store: lasting, isCopyOnWrite: false, serial: "" },
    { store: base, isCopyOnWrite: true, serial: "" },
  ]);
  const { vfs, disks } = kernel.kernel;
  ["/lasting", "/volatile"].forEach((dir, i) => {
    kernel.mkdir(dir);
    const { rdev } = disks.all[i]!;
    const { cred, fs: ctx } = kernel.init;
    const request = { source: dir, rdev, data: "", isReadOnly: false, cred };
    const fs = vfs.types.get("ext4")!.mount(request);
    const at = namei(ctx, kernel.init, dir, WALK_FOLLOW);
    assert.ok(!failed(fs) && !failed(at));
    assert.ok(!failed(vfs.mounts.mount(fs, at, 0, dir)));
    kernel.writeFile(`${dir}/file`, "not synced\n");
  });
  return { kernel, lasting };
}

describe("the end of a machine", () => {
  it("writes everything to disks that last, and leaves them clean", () => {
    withTempDir((dir) => {
      mkdirSync(join(dir, "tree"));
      const image = makeImage(dir, join(dir, "tree"), 16384, ["-t", "ext4"]);
      const { kernel, lasting } = withFiles(image);
      syncDisks(kernel.kernel);
      writeFileSync(image, lasting.bytes);
      const checked = spawnSync("e2fsck", ["-fn", image], { encoding: "utf8" });
      assert.equal(checked.status, 0, checked.stdout);
      assert.match(debugfs(image, ["cat file"]), /^not synced$/m);
    });
  });

  for (const [which, commit] of [
    ["", () => {}],
    [", with a journal that had to be read first too", leaveCommitted],
  ] as const) {
    it(`writes nothing to those whose contents end with it${which}`, () => {
      withTempDir((dir) => {
        mkdirSync(join(dir, "tree"));
        writeFileSync(join(dir, "tree", "old"), new Uint8Array(4096).fill(1));
        const image = makeImage(dir, join(dir, "tree"), 16384, ["-t", "ext4", "-b", "4096"]);
        commit(dir, image);
        const { kernel } = withFiles(image);
        const [lasting, volatile] = kernel.kernel.disks.all.map((d) => d.counts);
        const before = [lasting!.writes, volatile!.writes, volatile!.flushes];
        syncDisks(kernel.kernel);
        assert.ok(lasting!.writes > before[0]!);
        assert.deepEqual([volatile!.writes, volatile!.flushes], before.slice(1));
      });
    });
  }
});

/** The journal has a block of a file that is not at home yet. */
function leaveCommitted(dir: string, image: string): void {
  const [block] = debugfs(image, ["blocks /old"]).match(/^\d+/m)!;
  writeFileSync(join(dir, "new"), new Uint8Array(4096).fill(7));
  debugfs(image, ["jo", `jw -b ${block} ${join(dir, "new")}`, "jc"]);
  const features = spawnSync("dumpe2fs", ["-h", image], { encoding: "utf8" }).stdout;
  assert.match(features, /needs_recovery/);
}
