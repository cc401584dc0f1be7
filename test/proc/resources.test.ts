/** What programs take they give back, however they end: frames, contexts, ids, open files. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { buildGuest, hasCrossCompiler } from "../harness/cc.ts";
import { TestKernel } from "../harness/kernel.ts";

const PROGRAMS = [
  "process",
  "thread",
  "exec",
  "signal",
  "jobctl",
  "seccomp",
  "seccompnotify",
  "sysvshm",
  "unixstream",
  "unixdgram",
  "unixrights",
  "sysvsem",
  "sysvmsg",
  "mqueue",
];

describe("resources come back", { skip: !hasCrossCompiler() }, () => {
  for (const name of PROGRAMS) {
    it(`after ${name}.c`, () => {
      const kernel = new TestKernel();
      const source = join(import.meta.dirname, "../syscall", `${name}.c`);
      kernel.copyIn(buildGuest(source), "/bin/prog");
      assert.equal(kernel.run(["/bin/prog"]).status, 0);
      const before = inUse(kernel);
      assert.equal(kernel.run(["/bin/prog"]).status, 0);
      assert.deepEqual(inUse(kernel), before);
    });
  }
});

function inUse(kernel: TestKernel) {
  const { table, pages } = kernel.kernel;
  return {
    pages: pages.totalPages - pages.freePages,
    procs: table.procCount,
    threads: table.threadCount,
    kernelMemory: table.cpu.kmem.usedBytes,
    runnable: table.cpu.runq.length,
  };
}
