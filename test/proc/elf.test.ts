/** Damaged programs: execve refuses them or runs them, and neither throws nor keeps memory. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { buildGuest, hasCrossCompiler } from "../harness/cc.ts";
import { TestKernel } from "../harness/kernel.ts";

/** Runs its argument and tells how that went. */
const RUNNER = `
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int argc, char **argv) {
  int st;
  pid_t p = fork();
  if (p == 0) {
    alarm(1);
    execv(argv[1], argv + 1);
    _exit(200);
  }
  waitpid(p, &st, 0);
  puts(WIFEXITED(st) && WEXITSTATUS(st) == 200 ? "refused" : "ran");
  return 0;
}`;

describe("damaged programs", { skip: !hasCrossCompiler() }, () => {
  const source = join(tmpdir(), "vkernel-elf-runner.c");
  writeFileSync(source, RUNNER);
  const program = buildGuest(source, ["-static", "-s"]);
  const bytes = readFileSync(program);

  it("with bytes of the headers replaced", () => {
    const kernel = new TestKernel(64);
    kernel.copyIn(program, "/bin/runner");
    const random = lcg(42);
    kernel.run(["/bin/runner", "/bin/runner"]);
    kernel.writeFile("/bin/victim", bytes);
    const before = kernel.kernel.pages.freePages;
    let refused = 0;
    for (let round = 0; round < 150; round++) {
      const damaged = Uint8Array.from(bytes);
      const hits = 1 + (random() % 3);
      for (let i = 0; i < hits; i++) damaged[random() % 400] = VALUES[random() % VALUES.length]!;
      kernel.writeFile("/bin/victim", damaged);
      const r = kernel.run(["/bin/runner", "/bin/victim"], { timeoutMs: 10_000 });
      assert.equal(r.status, 0);
      if (r.stdout.startsWith("refused")) refused++;
    }
    assert.ok(refused > 10, `${refused} refused`);
    assert.equal(kernel.kernel.pages.freePages, before);
  });

  it("cut short anywhere in the headers", () => {
    const kernel = new TestKernel(64);
    kernel.copyIn(program, "/bin/runner");
    for (let size = 0; size < 400; size += 23) {
      kernel.writeFile("/bin/victim", bytes.subarray(0, size));
      const r = kernel.run(["/bin/runner", "/bin/victim"]);
      assert.equal(r.status, 0);
    }
  });
});

const VALUES = [0, 1, 2, 3, 0x7f, 0x80, 0xff, 0x10, 0x40];

function lcg(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state >>> 8;
  };
}
