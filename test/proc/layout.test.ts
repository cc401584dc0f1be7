/** The layout of address spaces: low, where pages can be at home, and all that fits elsewhere still fits. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { HOME_BYTES } from "../../src/machine/layout.ts";
import { layoutFor } from "../../src/proc/layout.ts";
import { USER_END } from "../../src/vm/param.ts";
import { buildGuest, hasCrossCompiler } from "../harness/cc.ts";
import { TestKernel } from "../harness/kernel.ts";

const MIB = 2 ** 20;
const LIBRARIES = "/usr/riscv64-linux-gnu/lib";

/** Prints addresses, one in a line: "what hexadecimal". With an argument sets RLIMIT_STACK to so many MiB and starts itself. */
const PROGRAM = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#ifndef BSS
#define BSS 4096
#endif
static char bss[BSS];
static void say(const char *what, const void *at) { printf("%s %lx\\n", what, (unsigned long)at); }
static char *map(size_t mib, int prot) {
  char *p = mmap(0, mib << 20, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) return 0;
  if (prot) p[0] = p[(mib << 20) - 1] = 1;
  return p;
}
int main(int argc, char **argv) {
  char local = 0;
  if (argc > 1) {
    struct rlimit r = { (rlim_t)atoi(argv[1]) << 20, RLIM_INFINITY };
    setrlimit(RLIMIT_STACK, &r);
    execl(argv[0], argv[0], (char *)0);
    return 1;
  }
  bss[BSS - 1] = 1;
  say("bss", bss);
  say("stack", &local);
  say("brk", sbrk(0));
  say("short", map(1, 3));
  say("long", map(1024, 3));
  say("cage", map(64 * 1024, 0));
  int fitted = 0;
  for (int i = 0; i < 40; i++) fitted += map(64, 3) != 0;
  printf("fitted %x\\n", fitted);
  char *heap = sbrk(64 << 20);
  if (heap != (char *)-1) heap[(64 << 20) - 1] = 1;
  say("grown", heap);
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[512];
  while (fgets(line, sizeof line, maps))
    if (strstr(line, "[stack]")) printf("top %lx\\n", strtoul(strchr(line, '-') + 1, 0, 16));
  /* As deep as Linux lets it, in a child: what ends it is the limit, not a map in the way. */
  if (fork() == 0) {
    volatile char *p = &local;
    for (int i = 0; i < 7 * 256; i++) p[-4096 * i] = 1;
    _exit(7);
  }
  int status;
  wait(&status);
  printf("deep %x\\n", WEXITSTATUS(status));
  return 0;
}`;

describe("layouts", { skip: !hasCrossCompiler() }, () => {
  const source = join(tmpdir(), "vkernel-layout.c");
  writeFileSync(source, PROGRAM);
  // More than the largest program could use, or it would be refused.
  const kernel = new TestKernel(1536);
  for (const lib of ["ld-linux-riscv64-lp64d.so.1", "libc.so.6"]) {
    kernel.copyIn(join(LIBRARIES, lib), `/lib/${lib}`);
  }
  kernel.copyIn(buildGuest(source), "/bin/low");
  kernel.copyIn(buildGuest(source, ["-pie", "-fPIE"]), "/bin/pie");
  kernel.copyIn(
    buildGuest(source, ["-static", `-DBSS=${300 * MIB}`, "-mcmodel=medany"]),
    "/bin/big",
  );
  kernel.copyIn(buildGuest(source, ["-pie", "-fPIE", `-DBSS=${1100 * MIB}`]), "/bin/bigpie");
  const addresses = (...argv: string[]): Map<string, number> => {
    const r = kernel.run(argv);
    assert.deepEqual([r.status, r.stderr], [0, ""]);
    const rows = r.stdout.trim().split("\n");
    return new Map(
      rows.map((row) => [row.split(" ")[0]!, Number.parseInt(row.split(" ")[1]!, 16)]),
    );
  };

  for (const program of ["low", "pie"]) {
    it(`are low for a program of the usual size: ${program}`, () => {
      const at = addresses(`/bin/${program}`);
      assert.ok(at.get("bss")! < 16 * MIB);
      assert.equal(at.get("top"), HOME_BYTES);
      assert.ok(at.get("brk")! >= at.get("bss")! && at.get("brk")! < 16 * MIB);
      assert.ok(at.get("short")! > 512 * MIB && at.get("short")! < HOME_BYTES - 128 * MIB);
      assert.ok(at.get("long")! >= HOME_BYTES);
      assert.ok(at.get("cage")! >= HOME_BYTES);
      assert.equal(at.get("fitted"), 40, "low and high together");
      assert.equal(at.get("grown"), at.get("brk"));
      assert.equal(at.get("deep"), 7);
    });
  }

  for (const program of ["big", "bigpie"]) {
    it(`are the whole address space for a program that is large: ${program}`, () => {
      const at = addresses(`/bin/${program}`);
      assert.equal(at.get("top"), USER_END);
      assert.ok(at.get("short")! > USER_END - 1024 * MIB);
      assert.equal(at.get("fitted"), 40);
      assert.equal(at.get("grown"), at.get("brk"));
      assert.equal(at.get("deep"), 7);
    });
  }

  it("are that too for a program that may have a large stack", () => {
    const at = addresses("/bin/low", "1000");
    assert.equal(at.get("top"), USER_END);
    assert.ok(at.get("short")! < USER_END - 1000 * MIB);
    assert.equal(at.get("deep"), 7);
  });
});

describe("layoutFor", () => {
  it("believes no end that is not a number", () => {
    for (const end of [Number.NaN, Number.POSITIVE_INFINITY, 2 ** 63, HOME_BYTES]) {
      assert.equal(layoutFor(end, 8 * MIB).stackTop, USER_END);
    }
    assert.equal(layoutFor(0x2_0000, 8 * MIB).stackTop, HOME_BYTES);
    assert.equal(layoutFor(0x2_0000, Number.POSITIVE_INFINITY).stackTop, USER_END);
  });
});
