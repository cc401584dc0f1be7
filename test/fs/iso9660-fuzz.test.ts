/** A short run of the fuzzer of ISO 9660 images; test/fuzz/iso9660.ts says how to make a long one. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { fuzzIso } from "../fuzz/iso9660.ts";
import { noIsoTools } from "./isoimage.ts";

it("a damaged ISO 9660 image yields errors, never an exception or a long walk", {
  skip: noIsoTools,
}, () => {
  const r = fuzzIso(300);
  assert.ok(r.errors > 0, "some damage was met");
  assert.ok(r.entries > 300 * 20, "most of each tree was still walked");
  assert.ok(r.longestMs < 10_000, `longest walk ${r.longestMs} ms`);
});
