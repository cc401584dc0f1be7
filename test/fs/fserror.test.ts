/** What a damaged volume tells those who watch it: fanotify(7), FAN_FS_ERROR. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { buildGuest, hasCrossCompiler } from "../harness/cc.ts";
import { TestKernel } from "../harness/kernel.ts";
import { debugfs, MemoryStore, makeImage, withTempDir } from "./ext4image.ts";

describe("a damaged volume", { skip: !hasCrossCompiler() }, () => {
  it("is told of to who watches it", () => {
    withTempDir((dir) => {
      const tree = join(dir, "tree");
      mkdirSync(tree);
      for (const name of ["good", "bad"]) writeFileSync(join(tree, name), "x".repeat(5000));
      const image = makeImage(dir, tree, 8192, ["-t", "ext4", "-b", "1024"]);
      debugfs(image, ["sif bad block[0] 0"]);
      const store = new MemoryStore(readFileSync(image));
      const kernel = new TestKernel(64, undefined, [{ store, isCopyOnWrite: true, serial: "" }]);
      kernel.copyIn(buildGuest(join(import.meta.dirname, "fserror.c")), "/bin/fserror");
      const guest = kernel.run(["/bin/fserror"]);
      assert.equal(guest.status, 0, guest.stdout + guest.stderr);
    });
  });
});
