/** Counters: they count what programs did, and only grow. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { countsOf } from "../../src/boot/counts.ts";
import type { MachineCounts } from "../../src/platform/counts.ts";
import { buildTable } from "../../src/syscall/table.ts";
import { buildGuest, hasCrossCompiler } from "../harness/cc.ts";
import { TestKernel } from "../harness/kernel.ts";

/** does WHAT, N times: calls, faults, cow, forks, vforks, threads, wild, read FILE. */
const PROGRAM = `
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
static sigjmp_buf jump;
static void caught(int sig) { siglongjmp(jump, 1); }
static void *nothing(void *arg) { return arg; }
int main(int argc, char **argv) {
  const char *what = argv[1];
  int n = atoi(argv[2]);
  /* Every other page and more: faults around a page bring no other of these. */
  long step = 1 << 16;
  if (!strcmp(what, "calls")) for (int i = 0; i < n; i++) syscall(SYS_getppid);
  if (!strcmp(what, "faults") || !strcmp(what, "cow")) {
    char *p = mmap(0, n * step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < n; i++) p[i * step] = 1;
    if (*what == 'c' && fork() == 0) {
      for (int i = 0; i < n; i++) p[i * step] = 2;
      _exit(0);
    }
    if (*what == 'c') wait(0);
  }
  if (!strcmp(what, "forks")) for (int i = 0; i < n; i++) { if (fork() == 0) _exit(0); wait(0); }
  if (!strcmp(what, "execs"))
    for (int i = 0; i < n; i++) {
      if (vfork() == 0) { execl(argv[0], argv[0], "calls", "0", (char *)0); _exit(1); }
      wait(0);
    }
  if (!strcmp(what, "threads"))
    for (int i = 0; i < n; i++) { pthread_t t; pthread_create(&t, 0, nothing, 0); pthread_join(t, 0); }
  if (!strcmp(what, "wild") || !strcmp(what, "refused")) {
    volatile char *p = 0;
    if (*what == 'r') p = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    signal(SIGSEGV, caught);
    for (volatile int i = 0; i < n; i++) if (sigsetjmp(jump, 1) == 0) *p = 1;
  }
  if (!strcmp(what, "cat")) {
    char buf[4096];
    int fd = open(argv[3], O_RDONLY);
    for (long got; (got = read(fd, buf, sizeof buf)) > 0;) write(1, buf, got);
  }
  return 0;
}`;

describe("counters", { skip: !hasCrossCompiler() }, () => {
  const source = join(tmpdir(), "vkernel-counters.c");
  writeFileSync(source, PROGRAM);
  const kernel = new TestKernel();
  const calls = buildTable();
  kernel.copyIn(buildGuest(source), "/bin/count");
  const now = (): MachineCounts => countsOf(kernel.kernel.table, calls);
  const run = (...args: string[]): string => {
    const r = kernel.run(["/bin/count", ...args]);
    assert.deepEqual([r.status, r.stderr], [0, ""]);
    return r.stdout;
  };

  /** What `what` done `n` times adds to each counter, beyond what the program does by itself. */
  function added(what: string, n: number): (name: string) => number {
    run(what, "0");
    const a = now();
    run(what, "0");
    const b = now();
    run(what, String(n));
    const c = now();
    for (const [name, value] of Object.entries(c.counters)) {
      if (name !== "machdep.jit.regions") assert.ok(value >= b.counters[name]!, `${name} grows`);
    }
    const of = (m: MachineCounts, name: string): number => m.counters[name] ?? m.calls[name] ?? 0;
    return (name) => of(c, name) - of(b, name) - (of(b, name) - of(a, name));
  }

  it("count each system call, by number and all together", () => {
    const more = added("calls", 12_345);
    assert.equal(more("getppid"), 12_345);
    assert.equal(more("vm.stats.sys.v_syscall"), 12_345);
  });

  it("count pages of zeroes that were written", () => {
    const more = added("faults", 200);
    assert.equal(more("vm.stats.vm.v_vm_faults"), 200);
    assert.equal(more("vm.stats.vm.v_zfod"), 200);
    assert.equal(more("vm.stats.vm.v_cow_faults"), 0);
  });

  it("count copies on write", () => {
    const more = added("cow", 200);
    // Of the few other pages that both sides write, the stack's, one fault or two: who comes first decides.
    const copies = more("vm.stats.vm.v_cow_faults");
    assert.ok(Math.abs(copies - 200) <= 4, `${copies} copies`);
    assert.equal(more("vm.stats.vm.v_zfod"), 200);
  });

  it("count forks, threads and programs apart", () => {
    assert.equal(added("forks", 20)("vm.stats.vm.v_forks"), 20);
    const threads = added("threads", 20);
    assert.equal(threads("vm.stats.vm.v_rforks"), 20);
    assert.equal(threads("vm.stats.vm.v_forks"), 0);
    const execs = added("execs", 20);
    assert.equal(execs("vm.stats.vm.v_vforks"), 20);
    assert.equal(execs("vm.stats.vm.v_execs"), 20);
    assert.ok(execs("vm.stats.sys.v_swtch") >= 20);
  });

  it("count faults that end in a signal", () => {
    assert.equal(added("wild", 30)("vm.stats.vm.v_wild"), 30);
    assert.equal(added("refused", 30)("vm.stats.vm.v_refused"), 30);
  });

  it("are what programs read", () => {
    const read = (path: string): string => run("cat", "0", path);
    const before = now().counters;
    const faults = Number(/^pgfault (\d+)$/m.exec(read("/proc/vmstat"))![1]);
    const switches = Number(/^ctxt (\d+)$/m.exec(read("/proc/stat"))![1]);
    const syscalls = Number(read("/proc/sys/vm/stats/sys/v_syscall"));
    const walks = Number(read("/proc/sys/machdep/tlb/walks"));
    const after = now().counters;
    const between = (name: string, n: number): void =>
      assert.ok(before[name]! <= n && n <= after[name]!, `${before[name]} ${n} ${after[name]}`);
    between("vm.stats.vm.v_vm_faults", faults);
    between("vm.stats.sys.v_swtch", switches);
    between("vm.stats.sys.v_syscall", syscalls);
    between("machdep.tlb.walks", walks);
    assert.ok(walks > 0);
  });

  it("tell how much was translated, and which TLB level knew", () => {
    const { counters } = now();
    assert.ok(counters["machdep.jit.regions_made"]! > 0 && counters["machdep.jit.bytes"]! > 0);
    assert.ok(counters["machdep.jit.time_us"]! > 0);
    const { "machdep.tlb.misses": misses, "machdep.tlb.walks": walks } = counters;
    assert.equal(counters["machdep.tlb.second_hits"], misses! - walks!);
  });
});
