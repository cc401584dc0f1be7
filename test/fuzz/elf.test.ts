/** Programs with lying headers are refused or killed; the kernel does not notice. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { hasCrossCompiler } from "../harness/cc.ts";
import { fuzzElf } from "./elf.ts";

const SEEDS = Number(process.env["FUZZ_SEEDS"] ?? 120);
const FIRST = Number(process.env["FUZZ_SEED"] ?? 1);

it("damaged programs and odd scripts harm nobody", { skip: !hasCrossCompiler() }, () => {
  const outcome = fuzzElf(SEEDS, FIRST);
  assert.deepEqual(outcome.problems, []);
  assert.ok(outcome.refused > 0 && outcome.killed > 0);
});
