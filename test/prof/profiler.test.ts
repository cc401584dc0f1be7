/** A profile of a program whose hot functions are known. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { bytesOf, utf8 } from "../../src/lib/bytes.ts";
import { Profiler } from "../../src/prof/profiler.ts";
import { MAX_SAMPLES, Samples } from "../../src/prof/samples.ts";
import { Stacks } from "../../src/prof/stacks.ts";
import { traceEvents } from "../../src/prof/traceevents.ts";
import { buildTable } from "../../src/syscall/table.ts";
import { hasCrossCompiler } from "../harness/cc.ts";
import { TestKernel } from "../harness/kernel.ts";
import { hotProgram, wildProgram } from "./guest.ts";
import { Ticker } from "./ticker.ts";
import { checkTrace, totals } from "./trace.ts";

const TICK_US = 500;
const LIBRARIES = "/usr/riscv64-linux-gnu/lib";
const LOADER = "ld-linux-riscv64-lp64d.so.1";
const canRun = hasCrossCompiler() && existsSync(`${LIBRARIES}/${LOADER}`);

async function profile(program: string, args: readonly string[]): Promise<string> {
  const kernel = new TestKernel();
  for (const lib of [LOADER, "libc.so.6"]) kernel.copyIn(`${LIBRARIES}/${lib}`, `/lib/${lib}`);
  kernel.copyIn(program, "/bin/prog");
  const { machine, table } = kernel.kernel;
  const hart = machine.harts[0]!;
  const ticker = new Ticker(
    machine.mem.memory.buffer as SharedArrayBuffer,
    hart.attentionAddr,
    TICK_US,
  );
  await ticker.started();
  const profiler = new Profiler(hart, table, buildTable(), TICK_US);
  kernel.loop.sampler = profiler;
  assert.equal(kernel.run(["/bin/prog", ...args]).status, 0);
  await ticker.end();
  return [...profiler.file("test")].join("");
}

for (const [kind, flags] of [
  ["static", ["-static"]],
  ["dynamic, position-independent", ["-pie", "-fPIE"]],
] as const) {
  test(`hot functions come first, below who called them (${kind})`, { skip: !canRun }, async () => {
    const text = await profile(hotProgram(flags), ["1000", "0"]);
    const { self, total } = totals(checkTrace(text));
    const [first, second] = [...self].sort(([, a], [, b]) => b - a).map(([name]) => name);
    assert.deepEqual([first, second], ["hot (prog)", "warm (prog)"]);
    const both = self.get("hot (prog)")! + self.get("warm (prog)")!;
    for (const caller of ["work (prog)", "main (prog)"]) {
      assert.ok(total.get(caller)! > 0.95 * both, `${caller} is above them`);
    }
  });
}

test("system calls are told from the program", { skip: !canRun }, async () => {
  const text = await profile(hotProgram(), ["0", "1500000"]);
  const { self, total } = totals(checkTrace(text));
  assert.ok(self.get("sys_getppid")! > 0);
  assert.ok(total.get("syscall (prog)")! > total.get("sys_getppid")!, "it is called by syscall()");
  assert.ok((self.get("sys_write") ?? 0) < self.get("sys_getppid")!);
});

test("stacks that are none do no harm", { skip: !canRun }, async () => {
  const slices = checkTrace(await profile(wildProgram(), []));
  assert.ok(slices.some((s) => s.name === "spin (prog)"));
});

test("a long run thins its samples out and stays within its bounds", () => {
  const samples = new Samples(1000);
  const ticks = MAX_SAMPLES * 5;
  for (let i = 1; i <= ticks; i++) {
    const due = samples.due(1);
    if (due > 0) samples.add(i * 1000, due, 0, 0);
  }
  assert.ok(samples.count <= MAX_SAMPLES && samples.count > MAX_SAMPLES / 2 - 1);
  let us = 0;
  for (let i = 0; i < samples.count; i++) us += samples.durationUs(i);
  const share = us / (ticks * 1000);
  assert.ok(share > 0.99 && share < 1.01, `they stand for ${share} of the time`);
});

test("whatever a guest calls itself, the file is JSON in UTF-8", () => {
  const stacks = new Stacks();
  const samples = new Samples(1000);
  const names = ['"\\\n', "\xff\xc3", utf8("größer 🙂"), "\xed\xa0\x80", "\0", ""];
  for (const [i, name] of names.entries())
    samples.add((i + 1) * 1000, 1, 0, stacks.push(0, `${name}.`));
  const threads = [{ pid: 1, tid: 1, processName: names.join(""), threadName: "\x80" }];
  const pieces = [...traceEvents({ threads, samples, stacks, version: "test" })];
  const bytes = Buffer.concat(pieces.map((p) => bytesOf(p)));
  const slices = checkTrace(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  assert.deepEqual(
    slices.map((s) => s.name),
    ['"\\\n.', "\ufffd\ufffd.", "größer 🙂.", "\ufffd\ufffd\ufffd.", "\0.", "."],
  );
});

test("stacks without end are kept up to a bound", () => {
  const stacks = new Stacks();
  let deep = 0;
  for (let i = 0; i < 300_000; i++) deep = stacks.push(deep, "f");
  for (let i = 0; i < 300_000; i++) stacks.push(0, `name ${i}`);
  assert.ok(stacks.path(deep).length < 300_000);
  assert.equal(stacks.name(stacks.push(0, "f")), "f");
});
