/** The kernel outlives random ptrace requests, and everybody who was traced can be ended and waited for. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { it } from "node:test";
import { buildGuest, hasCrossCompiler } from "../harness/cc.ts";
import { TestKernel } from "../harness/kernel.ts";

const SEED = Number(process.env["FUZZ_SEED"] ?? 1);
const ROUNDS = Number(process.env["FUZZ_CHILDREN"] ?? 12);

it("random requests to tracees do not harm the kernel", { skip: !hasCrossCompiler() }, () => {
  const kernel = new TestKernel(64);
  kernel.copyIn(buildGuest(join(import.meta.dirname, "ptrace.c")), "/bin/fuzz");
  const argv = ["/bin/fuzz", String(SEED), String(ROUNDS), "400"];
  const r = kernel.run(argv, { timeoutMs: 600_000 });
  assert.equal(r.stdout, "alive\n");
  const left = [...kernel.kernel.table.living()].map((p) => `${p.pid} ${p.comm}`);
  assert.deepEqual(left, ["1 init"]);
});
