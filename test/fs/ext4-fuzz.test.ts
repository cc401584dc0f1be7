/** A short run of the fuzzer of ext4 images; test/fuzz/ext4.ts says how to make a long one. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { fuzzExt4 } from "../fuzz/ext4.ts";

it("a damaged ext4 image yields errors, never an exception or a long walk", () => {
  const r = fuzzExt4(300);
  assert.ok(r.errors > 0, "some damage was met");
  assert.ok(r.entries > 300 * 20, "most of each tree was still walked");
  assert.ok(r.longestMs < 5000, `longest walk ${r.longestMs} ms`);
});
