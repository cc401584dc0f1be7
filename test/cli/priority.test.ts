/** Which threads of the command go first, as the host's kernel sees them. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { CLI, imagePath } from "./cli.ts";

interface ThreadOfHost {
  readonly name: string;
  readonly nice: number;
}

const niceOf = (stat: string): number =>
  Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]);

const threadsOf = (pid: number): ThreadOfHost[] =>
  readdirSync(`/proc/${pid}/task`).map((tid) => ({
    name: readFileSync(`/proc/${pid}/task/${tid}/comm`, "latin1").trim(),
    nice: niceOf(readFileSync(`/proc/${pid}/task/${tid}/stat`, "latin1")),
  }));

test("V8's helpers give way to the kernel's thread, and to nobody's else", async (t) => {
  const child = spawn(process.execPath, [
    CLI,
    "run",
    imagePath("minimal"),
    "--",
    "sh",
    "-c",
    "echo up; read x",
  ]);
  const ended = once(child, "exit");
  await once(child.stdout, "data");
  const threads = threadsOf(child.pid!);
  child.stdin.end("\n");
  assert.deepEqual(await ended, [0, null]);
  const own = niceOf(readFileSync("/proc/self/stat", "latin1"));
  const helpers = threads.filter(({ name }) => name.startsWith("node-V8Worker"));
  if (helpers.length === 0) {
    t.skip("this Node.js does not name its threads");
    return;
  }
  for (const { name, nice } of threads) {
    assert.equal(nice, Math.min(19, helpers.some((h) => h.name === name) ? own + 5 : own), name);
  }
});
