/** A short run of the fuzzer of ext4 images; test/fuzz/ext4.ts says how to make a long one. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { fuzzExt4 } from "../fuzz/ext4.ts";
import { fuzzWrites } from "../fuzz/ext4write.ts";

it("a damaged ext4 image yields errors, never an exception or a long walk", () => {
  const r = fuzzExt4(300);
  assert.ok(r.errors > 0, "some damage was met");
  assert.ok(r.entries > 300 * 20, "most of each tree was still walked");
  assert.ok(r.longestMs < 5000, `longest walk ${r.longestMs} ms`);
});

it("a damaged ext4 image takes changes or refuses them, and never ends the kernel", () => {
  const r = fuzzWrites(150);
  assert.ok(r.done > 150 * 10, "most of what was tried was done");
  assert.ok(r.refused > 150, "some was not");
  assert.ok(r.longestMs < 10_000, `longest run ${r.longestMs} ms`);
});
