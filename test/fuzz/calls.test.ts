/** Whatever threads ask for: errnos of Linux, nothing thrown, nothing left behind. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { fuzzCalls } from "./calls.ts";

const SEEDS = Number(process.env["FUZZ_SEEDS"] ?? 6);
const FIRST = Number(process.env["FUZZ_SEED"] ?? 1);

for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
  it(`random system calls harm nobody (seed ${seed})`, () => {
    const { problems } = fuzzCalls(seed, 20_000);
    assert.deepEqual(problems, []);
  });
}
