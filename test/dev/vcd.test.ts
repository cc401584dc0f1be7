/** vcd(4) in a guest: a program asks the drive, and reads the disc's files. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { MemoryStore, pattern, withTempDir } from "../fs/ext4image.ts";
import { genisoimage, makeIsoTree, noIsoTools } from "../fs/isoimage.ts";
import { buildGuest, hasCrossCompiler } from "../harness/cc.ts";
import { TestKernel } from "../harness/kernel.ts";
import { TestHost } from "../harness/testhost.ts";

const skip = noIsoTools || !hasCrossCompiler();

describe("a CD-ROM", { skip }, () => {
  it("answers as a drive with one data disc, and shows its files", () => {
    const bytes = withTempDir((dir) => {
      makeIsoTree(join(dir, "tree"), 200, false);
      return readFileSync(genisoimage(join(dir, "image"), join(dir, "tree"), ["-R"]));
    });
    const disk = { store: new MemoryStore(bytes), isCopyOnWrite: false, serial: "", isCd: true };
    const kernel = new TestKernel(64, new TestHost(), [disk]);
    kernel.copyIn(buildGuest(join(import.meta.dirname, "cdrom.c")), "/bin/cdrom");
    const r = kernel.run(["/bin/cdrom"]);
    assert.equal(r.status, 0, r.stdout);
    let sum = 0;
    for (const b of pattern(300001, 300001)) sum = (Math.imul(sum, 31) + b) >>> 0;
    assert.match(r.stdout, new RegExp(`^sum ${sum}$`, "m"));
  });
});
