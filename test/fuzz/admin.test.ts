/** Whatever root does with all that is his to change, the kernel stays whole, and nothing is left. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { hasCrossCompiler } from "../harness/cc.ts";
import { fuzzAdmin } from "./admin.ts";

const SEEDS = Number(process.env["FUZZ_SEEDS"] ?? 3);
const FIRST = Number(process.env["FUZZ_SEED"] ?? 1);

for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
  it(`a root that does anything harms nobody (seed ${seed})`, { skip: !hasCrossCompiler() }, () => {
    const { problems, calls } = fuzzAdmin(seed, 6, 300);
    assert.deepEqual(problems, []);
    assert.ok(calls > 10_000);
  });
}
