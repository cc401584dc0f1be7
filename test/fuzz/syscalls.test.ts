/** The kernel outlives programs that make random system calls: no exception, no hang. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { it } from "node:test";
import { buildGuest, hasCrossCompiler } from "../harness/cc.ts";
import { TestKernel } from "../harness/kernel.ts";

const SEED = Number(process.env["FUZZ_SEED"] ?? 1);
const CHILDREN = Number(process.env["FUZZ_CHILDREN"] ?? 30);

it("random system calls do not harm the kernel", { skip: !hasCrossCompiler() }, () => {
  const kernel = new TestKernel(64);
  kernel.copyIn(buildGuest(join(import.meta.dirname, "syscalls.c")), "/bin/fuzz");
  const argv = ["/bin/fuzz", String(SEED), String(CHILDREN), "500"];
  const r = kernel.run(argv, { timeoutMs: 600_000 });
  assert.equal(r.stdout, "alive\n");
  assert.equal(kernel.run(["/bin/fuzz", "1", "0"]).status, 0);
});
