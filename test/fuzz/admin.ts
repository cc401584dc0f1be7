/**
 * Root does what it likes (admin.c), and the kernel is none the worse: nothing is
 * thrown, no call takes much CPU time, and in the end the machine is as empty as it was.
 * Time is virtual: a seed does the same each time.
 * Run: node test/fuzz/admin.ts [seeds] [first seed] [rounds per seed] [steps per thread]
 */
import { join } from "node:path";
import type { Syscall } from "../../src/syscall/declare.ts";
import { buildTable } from "../../src/syscall/table.ts";
import { buildGuest } from "../harness/cc.ts";
import { TestKernel } from "../harness/kernel.ts";
import { framesOf } from "./devframes.ts";
import { VirtualHost } from "./virtualhost.ts";

const MEMORY_MIB = 64;
const SLOW_MS = 2000;
/** Rounds of one seed are seeds of the program. */
const SEEDS_APART = 1000;
const MAX_TIMERS = 100_000;
const ARGUMENTS = 6;
const A0 = 10;

export interface AdminOutcome {
  /** What went wrong, in words; empty is well. */
  readonly problems: readonly string[];
  readonly calls: number;
  readonly slowestMs: number;
  readonly slowest: string;
}

export function fuzzAdmin(seed: number, rounds: number, steps: number): AdminOutcome {
  const problems: string[] = [];
  let slowestMs = 0;
  let slowest = "";
  let calls = 0;
  const watched = (call: Syscall): Syscall => ({
    name: call.name,
    args: call.args,
    invoke: (td) => {
      const words = Array.from({ length: ARGUMENTS }, (_, i) =>
        td.context.xlo(A0 + i).toString(16),
      );
      const what = `${td.tid} ${call.name}(${words.join(", ")})`;
      const start = cpuMs();
      calls++;
      try {
        return call.invoke(td);
      } catch (e) {
        problems.push(`${what}: ${e instanceof Error ? e.stack : String(e)}`);
        throw e;
      } finally {
        const ms = cpuMs() - start;
        if (ms > slowestMs) [slowestMs, slowest] = [ms, what];
        if (ms > SLOW_MS) problems.push(`${ms.toFixed(0)} ms: ${what}`);
      }
    },
  });
  const table = buildTable().map((call) => call && watched(call));
  const kernel = new TestKernel(MEMORY_MIB, new VirtualHost(), [], table);
  const program = buildGuest(join(import.meta.dirname, "admin.c"));
  const run = (n: number): void => {
    kernel.copyIn(program, "/bin/fuzz");
    const argv = ["/bin/fuzz", String(seed * SEEDS_APART), String(n), String(steps)];
    const r = kernel.run(argv, { timeoutMs: 3_600_000 });
    if (r.stdout !== "alive\n") problems.push(`ended with ${r.status}: ${r.stdout}${r.stderr}`);
  };
  try {
    run(1);
    empty(kernel);
    const before = inventory(kernel);
    kernel.mountAll();
    run(rounds);
    empty(kernel);
    const after = inventory(kernel);
    for (const [what, n] of Object.entries(before)) {
      if (after[what] !== n) problems.push(`${what}: ${n} before, ${after[what]} after`);
    }
  } catch (e) {
    problems.push(e instanceof Error ? (e.stack ?? e.message) : String(e));
  }
  return { problems, calls, slowestMs, slowest };
}

/** Of this process: other programs of the host do not count. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function empty(kernel: TestKernel): void {
  const { vfs, cpu, terminals } = kernel.kernel;
  // Connections that nobody holds any more say their goodbyes, or give up.
  for (let i = 0; i < MAX_TIMERS && cpu.callouts.nextDeadlineNs < Infinity; i++) {
    kernel.loop.idle();
    kernel.loop.runUntilIdle();
  }
  // TIOCCONS.
  terminals.console.redirect.release();
  kernel.unmountAll();
  vfs.names.clear();
  kernel.init.cred.userns.keyrings?.end();
}

function inventory(kernel: TestKernel): Record<string, number> {
  const { table, pages, vfs, devfs } = kernel.kernel;
  return {
    processes: table.procCount,
    threads: table.threadCount,
    "kernel memory": pages.kmem.usedBytes - devfs.kernelBytes,
    "queued signals": table.queuedSignals.count,
    mounts: vfs.mounts.all.length,
    keys: table.keys.keys.size,
    "frames in use": pages.totalPages - pages.freePages - framesOf(devfs),
  };
}

if (import.meta.main) {
  const [seeds = 10, first = 1, rounds = 20, steps = 400] = process.argv.slice(2).map(Number);
  for (let seed = first; seed < first + seeds; seed++) {
    const start = performance.now();
    const { problems, calls, slowestMs, slowest } = fuzzAdmin(seed, rounds, steps);
    const s = (performance.now() - start) / 1000;
    console.log(
      `seed ${seed}: ${calls} calls in ${s.toFixed(1)} s, slowest ${slowestMs.toFixed(0)} ms ${slowest}`,
    );
    for (const problem of [...new Set(problems)].slice(0, 10)) console.log(`  ${problem}`);
    if (problems.length > 0) process.exitCode = 1;
  }
}
