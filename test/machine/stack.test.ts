/** The kernel's thread has the stack that its guests' deepest calls and a system call on top of them need. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { STACK_MB } from "../../src/hosts/node/stack.ts";

test("neither deep recursion with large frames nor a call of the kernel at its bottom overflows the stack", async () => {
  const worker = new Worker(new URL("./stackworker.ts", import.meta.url), {
    resourceLimits: { stackSizeMb: STACK_MB },
  });
  const calls = await new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  assert.equal(calls, 40);
});
