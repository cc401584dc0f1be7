/** Programs with a loader: position-independent, shared libraries, scripts through them. */
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { buildGuest, hasCrossCompiler } from "../harness/cc.ts";
import { TestKernel } from "../harness/kernel.ts";

const LIBRARIES = "/usr/riscv64-linux-gnu/lib";
const LOADER = "ld-linux-riscv64-lp64d.so.1";

const PROGRAM = `
#include <stdio.h>
#include <math.h>
#include <sys/auxv.h>
int main(int argc, char **argv) {
  printf("%s %d %.3f %d\\n", argv[argc - 1], argc, sqrt(argc), getauxval(AT_BASE) != 0);
  return argc;
}`;

const STATIC_PIE = `
static long call(long n, long a, long b, long c) {
  register long a7 __asm__("a7") = n, a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c;
  __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2) : "memory");
  return a0;
}
void _start(void) {
  call(64, 1, (long)"static\\n", 7);
  call(94, 5, 0, 0);
}`;

const canRun = hasCrossCompiler() && existsSync(join(LIBRARIES, LOADER));

describe("programs with a loader", { skip: !canRun }, () => {
  const source = join(tmpdir(), "vkernel-dynamic.c");
  writeFileSync(source, PROGRAM);
  const kernel = new TestKernel();
  for (const lib of [LOADER, "libc.so.6", "libm.so.6"]) {
    kernel.copyIn(join(LIBRARIES, lib), `/lib/${lib}`);
  }

  it("position-independent with shared libraries", () => {
    kernel.copyIn(buildGuest(source, ["-pie", "-fPIE", "-lm", "-fno-builtin"]), "/bin/pie");
    assert.deepEqual(kernel.run(["/bin/pie", "x"]), {
      status: 2,
      stdout: "x 2 1.414 1\n",
      stderr: "",
    });
  });

  it("by calling the loader itself", () => {
    const r = kernel.run([`/lib/${LOADER}`, "/bin/pie", "y"]);
    assert.equal(r.stdout, "y 2 1.414 0\n");
  });

  it("static and position-independent", () => {
    // The cross compiler's libc may have no rcrt1.o, so this one goes without a libc.
    const alone = join(tmpdir(), "vkernel-static-pie.c");
    writeFileSync(alone, STATIC_PIE);
    const flags = ["-nostdlib", "-nostartfiles", "-fPIE", "-Wl,-pie,--no-dynamic-linker"];
    kernel.copyIn(buildGuest(alone, flags), "/bin/spie");
    assert.deepEqual(kernel.run(["/bin/spie", "z"]), { status: 5, stdout: "static\n", stderr: "" });
  });

  it("at fixed addresses", () => {
    kernel.copyIn(buildGuest(source, ["-no-pie", "-lm", "-fno-builtin"]), "/bin/fixed");
    assert.equal(kernel.run(["/bin/fixed"]).stdout, "/bin/fixed 1 1.000 1\n");
  });

  it("as the interpreter of a script", () => {
    kernel.writeFile("/bin/script", "#!/bin/pie one argument\n");
    const r = kernel.run(["/bin/script", "s"]);
    assert.equal(r.stdout, "s 4 2.000 1\n");
  });

  it("refused when the loader is missing or no loader", () => {
    const lone = new TestKernel(64);
    lone.copyIn(buildGuest(source, ["-pie", "-fPIE", "-lm", "-fno-builtin"]), "/bin/pie");
    assert.throws(() => lone.run(["/bin/pie"]), /ENOENT/);
    lone.writeFile(`/lib/${LOADER}`, "not a loader");
    assert.throws(() => lone.run(["/bin/pie"]), /ELIBBAD/);
  });
});
