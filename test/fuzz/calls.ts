/**
 * Random system calls from random threads, straight into the kernel.
 *
 * No instruction is executed: see callhart.ts. Every result must be a count or
 * an errno of Linux, no call may throw or take long, and when all is over the
 * machine is as empty as it was, and runs a program.
 * Run: node test/fuzz/calls.ts [seeds] [first seed] [calls per seed]
 */

import { ERESTART_RESTARTBLOCK, ERESTARTSYS, failed } from "../../src/abi/errno.ts";
import { O_RDONLY } from "../../src/abi/fcntl.ts";
import { SIGALRM, SIGKILL } from "../../src/abi/signal.ts";
import { MqueueType } from "../../src/fs/mqueue/mqueuefs.ts";
import { reap } from "../../src/proc/exit.ts";
import type { Lwp } from "../../src/proc/lwp.ts";
import { Rlimits } from "../../src/proc/rlimit.ts";
import { hasDeliverableSignal, killProc, psignal } from "../../src/proc/signal.ts";
import type { Syscall } from "../../src/syscall/declare.ts";
import { buildTable } from "../../src/syscall/table.ts";
import { UserLoop } from "../../src/trap/userloop.ts";
import { namei, WALK_FOLLOW } from "../../src/vfs/namei.ts";
import { vfsOpen } from "../../src/vfs/open.ts";
import { TestKernel } from "../harness/kernel.ts";
import { Arena } from "./arena.ts";
import { CallHart } from "./callhart.ts";
import { framesOf } from "./devframes.ts";
import { Random } from "./random.ts";
import { tinyElf } from "./tinyelf.ts";
import { VirtualHost } from "./virtualhost.ts";

const MEMORY_MIB = 32;
const LAST_ERRNO = 133;
const FEW_FILES = 20;
/** Calls that all processes together may make in each round of those in which they are ended. */
const CALLS_TO_DIE = 10_000;
const SLOW_MS = 2000;
const FCNTL = 25;

export interface FuzzOutcome {
  readonly calls: number;
  /** What went wrong, in words; empty is well. */
  readonly problems: readonly string[];
  readonly slowestMs: number;
  /** How often each call succeeded. */
  readonly successes: ReadonlyMap<string, number>;
}

export function fuzzCalls(seed: number, calls: number): FuzzOutcome {
  return new CallFuzz(seed).run(calls);
}

class CallFuzz {
  readonly #random: Random;
  readonly #host = new VirtualHost();
  readonly #kernel: TestKernel;
  readonly #arena: Arena;
  readonly #hart: CallHart;
  readonly #loop: UserLoop;
  readonly #problems: string[] = [];
  readonly #successes = new Map<string, number>();
  #slowestMs = 0;

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.#kernel = new TestKernel(MEMORY_MIB, this.#host);
    this.#arena = new Arena(this.#random);
    const calls = buildTable();
    const { table } = this.#kernel.kernel;
    this.#hart = new CallHart({
      table,
      calls,
      random: this.#random,
      arena: this.#arena,
      refresh: (td) => this.#refresh(td),
    });
    const outside = { doorbell: this.#host.doorbell, attend: () => {} };
    const watched = calls.map((call, nr) => call && this.#watched(nr, call));
    this.#loop = new UserLoop(table, this.#hart.asHart(), watched, outside);
    this.#fill();
  }

  #fill(): void {
    this.#kernel.writeFile("/bin/prog", tinyElf());
    this.#kernel.writeFile("/bin/script", "#!/bin/prog x\n");
    this.#kernel.writeFile("/etc/f", "0123456789".repeat(1000));
  }

  run(calls: number): FuzzOutcome {
    const { table } = this.#kernel.kernel;
    this.#play(1);
    this.#empty();
    const before = this.#inventory();
    this.#kernel.mountAll();
    this.#fill();
    this.#hart.made = 0;
    this.#play(calls);
    const made = this.#hart.made;
    this.#empty();
    const after = this.#inventory();
    for (const [what, n] of Object.entries(before)) {
      if (after[what] !== n) this.#problems.push(`${what}: ${n} before, ${after[what]} after`);
    }
    table.powerRequest = null;
    this.#kernel.mountAll();
    if (this.#problems.length === 0 && this.#hasBin()) {
      this.#fill();
      this.#runProgram();
    }
    return {
      calls: made,
      problems: this.#problems,
      slowestMs: this.#slowestMs,
      successes: this.#successes,
    };
  }

  /** What a program does to /dev lasts: with a link for /dev/shm the last mounts go astray. */
  #hasBin(): boolean {
    const { init } = this.#kernel;
    return !failed(namei(init.fs, init, "/bin", WALK_FOLLOW));
  }

  #play(calls: number): void {
    const { table } = this.#kernel.kernel;
    this.#hart.budget = calls;
    table.powerRequest = null;
    try {
      while (!this.#loop.isOver) {
        this.#populate();
        this.#loop.runUntilIdle();
        if (this.#loop.isOver) break;
        this.#loop.idle();
        if (this.#random.oneIn(2)) this.#disturb();
      }
    } catch (e) {
      const why = e instanceof Error ? e.stack : String(e);
      this.#problems.push(`call ${this.#hart.made} threw: ${this.#hart.last}: ${why}`);
    }
    if (table.initStatus !== null) this.#problems.push(`process 1 ended: ${this.#hart.last}`);
  }

  /** A few processes at work, with files of every kind at hand. */
  #populate(): void {
    const { table } = this.#kernel.kernel;
    this.#reapOrphans();
    while (table.procCount < 4) {
      const td = this.#kernel.makeProcess([]);
      this.#refresh(td);
      table.cpu.makeRunnable(td);
    }
  }

  #refresh(td: Lwp): void {
    this.#arena.prepare(td);
    const { fdtable } = td;
    let open = 0;
    for (let fd = 0; fd < fdtable.size; fd++) if (fdtable.getAny(fd)) open++;
    if (open < FEW_FILES) this.#openFiles(td);
  }

  /** What process 1 would wait for, if it waited. */
  #reapOrphans(): void {
    const { init, kernel } = this.#kernel;
    for (const p of [...kernel.table.all()]) {
      if (p.state === "zombie" && p.parent === init.proc) reap(p);
    }
  }

  #openFiles(td: Lwp): void {
    const { fs, fdtable, cpu } = td;
    const before = cpu.current;
    // /proc/self is whose turn it is.
    cpu.current = td;
    for (const path of OPENED) {
      const fp = vfsOpen(td, fs, path, O_RDONLY | 0o4000 | (path.startsWith("/dev") ? 2 : 0), 0);
      if (typeof fp !== "number" && fdtable.alloc(fp, false) < 0) fp.release();
    }
    cpu.current = before;
    const { context } = td;
    for (const [nr, ...args] of SETUP) {
      for (const [i, a] of args.entries()) context.setX(10 + i, a);
      context.setX(17, nr!);
      const { pc } = context;
      this.#loop.dispatcher.call(td);
      context.pc = pc;
    }
  }

  /** All sleep: somebody gets a signal. */
  #disturb(): void {
    const { table, cpu } = this.#kernel.kernel;
    const next = cpu.runq.next();
    if (next) {
      cpu.makeRunnable(next);
      // One that only looks whether its time has come, again and again, is ended some day.
      if (!this.#random.oneIn(64)) return;
    }
    const all = [...table.living()].filter((p) => p.pid !== 1);
    if (all.length === 0) return;
    const p = this.#random.pick(all);
    if (this.#random.oneIn(3)) psignal(p, SIGKILL);
    else psignal(p, SIGALRM);
  }

  /** The call, with an eye on what it answers and how long it takes. */
  #watched(nr: number, call: Syscall): Syscall {
    return {
      name: call.name,
      args: call.args,
      invoke: (td) => {
        const start = performance.now();
        const r = call.invoke(td);
        const ms = performance.now() - start;
        if (ms > this.#slowestMs) this.#slowestMs = ms;
        if (ms > SLOW_MS) this.#problems.push(`${ms.toFixed(0)} ms: ${this.#hart.last}`);
        if (process.env["FUZZ_ERRNOS"]) {
          const k = call.name + r;
          if (r < 0) this.#successes.set(k, (this.#successes.get(k) ?? 0) + 1);
        }
        if (r >= 0) this.#successes.set(call.name, (this.#successes.get(call.name) ?? 0) + 1);
        // A background read sends itself SIGTTIN and is made again after the stop.
        const isDone = td.state !== "running" || td.isContextReplaced || hasDeliverableSignal(td);
        if (!isAnswer(r, isDone) && nr !== FCNTL) {
          this.#problems.push(`answered ${r} (${td.state}): ${this.#hart.last}`);
        }
        return r;
      },
    };
  }

  /** Ends all processes, unmounts and removes what they left. */
  #empty(): void {
    const { kernel, init } = this.#kernel;
    const { table } = kernel;
    table.powerRequest = null;
    try {
      for (const p of [...table.living()]) if (p.pid !== 1) killProc(p);
      for (let i = 0; i < 100 && table.procCount > 1; i++) {
        // Where somebody woke process 1, it calls for ever: the machine is never idle.
        table.powerRequest = null;
        this.#hart.budget = this.#hart.made + CALLS_TO_DIE;
        this.#loop.runUntilIdle();
        for (const p of [...table.living()]) if (p.pid !== 1) killProc(p);
        this.#reapOrphans();
      }
      kernel.terminals.console.redirect.release();
      // They stay until somebody removes them.
      const { shm, sem, msg } = table.ns.ipc;
      for (const segment of [...shm.ids.all()]) shm.remove(segment);
      for (const set of [...sem.ids.all()]) sem.remove(set);
      for (const queue of [...msg.ids.all()]) msg.remove(queue);
      const mqueue = kernel.vfs.types.get("mqueue");
      if (mqueue instanceof MqueueType) {
        const { directory } = mqueue.of(table.ns.ipc);
        for (const [name, queue] of [...directory.names]) directory.unlink(name, queue);
      }
      this.#kernel.unmountAll();
      this.#kernel.kernel.vfs.names.clear();
      // They stay as long as their name space.
      init.cred.userns.keyrings?.end();
      init.proc.rlimits = Rlimits.initial(table.threadsMax);
    } catch (e) {
      this.#problems.push(`in the end: ${e instanceof Error ? e.stack : String(e)}`);
    }
  }

  #inventory(): Record<string, number> {
    const { table, pages, cpu, vfs, devfs } = this.#kernel.kernel;
    return {
      processes: table.procCount,
      threads: table.threadCount,
      "kernel memory": pages.kmem.usedBytes - devfs.kernelBytes,
      "queued signals": table.queuedSignals.count,
      mounts: vfs.mounts.all.length,
      callouts: cpu.callouts.nextDeadlineNs === Infinity ? 0 : 1,
      // There is one devtmpfs, which unmounting does not empty.
      "frames in use": pages.totalPages - pages.freePages - framesOf(devfs),
    };
  }

  #runProgram(): void {
    const result = this.#kernel.run(["/bin/prog"]);
    if (result.status !== 42) this.#problems.push(`a program ended with ${result.status}`);
  }
}

function isAnswer(r: number, isDone: boolean): boolean {
  if (!Number.isInteger(r)) return false;
  if (r >= 0) return r <= Number.MAX_SAFE_INTEGER;
  if (r >= -LAST_ERRNO) return true;
  return isDone && r <= ERESTARTSYS && r >= ERESTART_RESTARTBLOCK;
}

const OPENED = [
  ...[
    "/",
    "/etc/f",
    "/bin/prog",
    "/proc/self/maps",
    "/proc/self",
    "/sys",
    "/dev/null",
    "/dev/zero",
  ],
  ...["/dev/ptmx", "/dev/kmsg", "/dev/full", "/dev/urandom", "/dev/hvc0", "/proc/mounts"],
  ...["user", "pid", "net", "mnt", "ipc", "uts", "time"].map((kind) => `/proc/self/ns/${kind}`),
];
const DATA = 0x10_0000_0000 / 16;
/** System calls that give a process one of each file: number, arguments. */
const SETUP: readonly (readonly number[])[] = [
  [59, DATA, 0o4000],
  [59, DATA, 0o4000],
  [19, 0, 0o4000],
  [20, 0],
  [26, 0o4000],
  [85, 1, 0o4000],
  [279, DATA, 2],
  [199, 1, 0o4001, 0, DATA],
  [199, 1, 0o4002, 0, DATA],
  [199, 1, 0o4005, 0, DATA],
  [198, 1, 0o4001, 0],
];

if (import.meta.main) {
  const [seeds = 10, first = 1, calls = 50_000] = process.argv.slice(2).map(Number);
  const successes = new Map<string, number>();
  let bad = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const start = performance.now();
    const outcome = fuzzCalls(seed, calls);
    const s = (performance.now() - start) / 1000;
    console.log(
      `seed ${seed}: ${outcome.calls} calls in ${s.toFixed(1)} s, slowest ${outcome.slowestMs.toFixed(0)} ms`,
    );
    for (const problem of [...new Set(outcome.problems)].slice(0, 10)) console.log(`  ${problem}`);
    if (outcome.problems.length > 0) bad++;
    for (const [name, n] of outcome.successes) successes.set(name, (successes.get(name) ?? 0) + n);
  }
  if (process.env["FUZZ_COUNTS"]) console.log([...successes].sort((a, b) => a[1] - b[1]));
  process.exitCode = bad > 0 ? 1 : 0;
}
