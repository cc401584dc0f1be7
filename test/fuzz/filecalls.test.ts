/**
 * A hostile program: random system calls on files with random arguments. The
 * kernel must neither panic nor hang. FUZZ_SEEDS widens the run.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { it } from "node:test";
import { buildGuest, hasCrossCompiler } from "../harness/cc.ts";
import { TestKernel } from "../harness/kernel.ts";

const SEEDS = Number(process.env["FUZZ_SEEDS"] ?? 3);
const CALLS = 20_000;

it("survives random calls on files", { skip: !hasCrossCompiler() }, () => {
  const program = buildGuest(join(import.meta.dirname, "filecalls.c"));
  for (let seed = 1; seed <= SEEDS; seed++) {
    const kernel = new TestKernel(64);
    kernel.copyIn(program, "/bin/filecalls");
    const r = kernel.run(["/bin/filecalls", String(seed), String(CALLS)], { timeoutMs: 60_000 });
    assert.equal(r.stdout, `${CALLS} calls\n`, `seed ${seed}: ${r.stderr}`);
    assert.equal(r.status, 0, `seed ${seed}`);
  }
});
