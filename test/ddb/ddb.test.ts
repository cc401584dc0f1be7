/** The debugger: what it shows of a machine that stands still, and that looking changes nothing. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { Ddb } from "../../src/ddb/ddb.ts";
import { bytesOf } from "../../src/lib/bytes.ts";
import { killProc } from "../../src/proc/signal.ts";
import { buildTable } from "../../src/syscall/table.ts";
import { buildGuest, hasCrossCompiler } from "../harness/cc.ts";
import { TestKernel } from "../harness/kernel.ts";
import { RecordingConsole } from "../harness/testhost.ts";

/** ppoll(NULL, 0, NULL, NULL): the C library's own has no frame pointer to follow. */
const SLEEPER = `
static void __attribute__((noinline)) waits(void)
{
	register long a0 asm("a0") = 0, a1 asm("a1") = 0, a2 asm("a2") = 0, a3 asm("a3") = 0;
	register long a7 asm("a7") = 73;
	asm volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a7) : "ra", "memory");
}
static void __attribute__((noinline)) calls(void) { waits(); asm volatile(""); }
int main(void) { calls(); return 0; }
`;

/** Types `lines` into a debugger; what it printed, and how it was left. */
function talk(kernel: TestKernel, lines: readonly string[]) {
  const console = new RecordingConsole();
  console.input = bytesOf(lines.map((l) => `${l}\r`).join(""));
  const { table } = kernel.kernel;
  const ddb = new Ddb(table, buildTable(), console, kernel.host.doorbell);
  const verdict = ddb.enter("test");
  return { verdict: verdict.kind, text: console.text };
}

describe("ddb", { skip: !hasCrossCompiler() }, () => {
  const dir = mkdtempSync(join(tmpdir(), "vkernel-ddb-"));
  writeFileSync(join(dir, "sleeper.c"), SLEEPER);
  const kernel = new TestKernel();
  const program = buildGuest(join(dir, "sleeper.c"), ["-static", "-fno-omit-frame-pointer"]);
  rmSync(dir, { recursive: true });
  kernel.copyIn(program, "/bin/sleeper");
  const td = kernel.spawn(["/bin/sleeper"], {}, []);
  kernel.loop.runUntilIdle();

  it("lists threads with what they wait for", () => {
    const { verdict, text } = talk(kernel, ["ps", "c"]);
    assert.equal(verdict, "continue");
    assert.match(text, new RegExp(`^ +${td.tid} +${td.tid} .*sleeping +\\S+ +sleeper`, "m"));
  });

  it("names the call that a thread sleeps in, and what is mapped where it is", () => {
    const { text } = talk(kernel, [`trace ${td.tid}`, "continue"]);
    assert.match(text, /in ppoll\(NULL, 0, NULL, NULL/);
    const frames = text.match(/^#\d+ +[0-9a-f]{12} {2}\/bin\/sleeper \+0x[0-9a-f]+/gm) ?? [];
    assert.ok(frames.length >= 4, text);
  });

  it("shows registers, and memory where there is some", () => {
    const pc = td.context.pc.toString(16);
    const { text } = talk(kernel, [`regs ${td.tid}`, `x/2 ${pc} ${td.tid}`, `x 10 ${td.tid}`, "c"]);
    assert.ok(text.includes(`pc   ${pc.padStart(12, "0")}`));
    assert.match(text, new RegExp(`^${pc.padStart(12, "0")}: [0-9a-f]{16} [0-9a-f]{16}`, "m"));
    assert.match(text, /^10: not mapped/m);
  });

  it("takes nonsense calmly, and says how it was left", () => {
    const { verdict, text } = talk(kernel, [
      "",
      "what",
      "trace 99999",
      "x",
      "x zz",
      "help",
      "halt",
    ]);
    assert.equal(verdict, "halt");
    assert.match(text, /unknown command what/);
    assert.match(text, /no thread 99999/);
    assert.match(text, /hexadecimal address/);
    assert.equal(talk(kernel, ["reset"]).verdict, "reset");
    assert.equal(talk(kernel, ["panic"]).verdict, "panic");
  });

  it("edits its line: erase, kill, and end of file", () => {
    const { verdict, text } = talk(kernel, ["hellp\x08\x7fp", "junk\x15continue"]);
    assert.equal(verdict, "continue");
    assert.match(text, /commands:/);
    assert.equal(talk(kernel, ["\x04"]).verdict, "continue");
  });

  it("leaves the machine as it was", () => {
    assert.equal(td.state, "sleeping");
    killProc(td.proc);
    kernel.loop.runUntilIdle();
    assert.equal(td.proc.state, "dead");
  });
});
