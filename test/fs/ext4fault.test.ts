/** ext4 on a disk that begins to fail: errors for programs, never a damaged volume. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type FaultRun, faultRun } from "./crash.ts";
import { freshImage, withTempDir } from "./ext4image.ts";

const faults: readonly FaultRun["fault"][] = ["a read", "a write", "all writes", "everything"];

describe("ext4 on a disk of which fails", () => {
  for (const fault of faults) {
    it(fault, () => {
      withTempDir((dir) => {
        const options = ["-t", "ext4", "-b", "1024", "-J", "size=1", "-N", "128"];
        const image = freshImage(dir, options, 6144);
        let met = 0;
        for (let n = 0; n < 24; n++) {
          const after = fault === "a read" ? 1 + (n >> 1) : 2 + 4 * n;
          const run = { image, seed: n, operations: 150, fault, after };
          if (faultRun({ ...run, scratch: join(dir, "failed") })) met++;
        }
        assert.ok(met > 12, `${met} faults`);
      });
    });
  }
});
