/** The host program's own standard streams at their worst: slow, full, closed, gone. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CLI, imagePath } from "./cli.ts";

const minimal = imagePath("minimal");
const node = process.execPath;

/** A command whose standard output nobody reads until `child.stdout` is. */
function stalled(script: string): { child: ChildProcess; ended: Promise<number | null> } {
  const child = spawn(node, [CLI, "run", minimal, "--", "sh", "-c", script]);
  child.stdout.pause();
  const ended = new Promise<number | null>((resolve) => {
    child.once("exit", (code) => resolve(code));
  });
  return { child, ended };
}

const firstLine = (child: ChildProcess): Promise<string> =>
  new Promise((resolve) => child.stderr!.once("data", (d: Buffer) => resolve(d.toString())));

/** In bash, with the command as $V and the image as $I. */
function bash(script: string): { status: number | null; stdout: string; stderr: string } {
  const env = { ...process.env, V: `${node} ${CLI}`, I: minimal };
  const r = spawnSync("bash", ["-c", script], { env, encoding: "utf8", timeout: 60_000 });
  return { status: r.status, stdout: r.stdout, stderr: r.stderr };
}

test("a reader that stands still holds up its writer, not the machine", async () => {
  const { child, ended } = stalled("yes & sleep 1; echo alive >&2; kill $!; exit 3");
  assert.equal(await firstLine(child), "alive\n");
  child.stdout!.resume();
  assert.equal(await ended, 3);
});

test("SIGTERM ends a command whose reader stands still", async () => {
  const { child, ended } = stalled("echo up >&2; exec yes");
  await firstLine(child);
  await sleep(300);
  child.kill("SIGTERM");
  assert.equal(await ended, 143);
});

test("a second SIGTERM ends it at once, even one that would not go", async () => {
  const { child, ended } = stalled("trap '' TERM; echo up >&2; while :; do sleep 1; done");
  await firstLine(child);
  child.kill("SIGTERM");
  await sleep(1000);
  assert.equal(child.exitCode, null);
  child.kill("SIGTERM");
  assert.equal(await ended, 143);
});

test("a slow reader gets every byte", () => {
  const r = bash("$V run $I -- seq 1 100000 | { sleep 1; md5sum; }; seq 1 100000 | md5sum");
  const [ours, theirs] = r.stdout.split("\n");
  assert.equal(ours, theirs);
});

test("stdout and stderr on one pipe keep their order", () => {
  const r = bash("$V run $I -- sh -c 'for i in 1 2 3; do echo o$i; echo e$i >&2; done' 2>&1 | cat");
  assert.equal(r.stdout, "o1\ne1\no2\ne2\no3\ne3\n");
});

test("a full disk under stdout is the command's own ENOSPC", () => {
  const r = bash("$V run $I -- echo hello >/dev/full");
  assert.equal(r.status, 1);
  assert.match(r.stderr, /No space left on device/);
});

test("closed streams are as if /dev/null", () => {
  assert.equal(bash("$V run $I -- sh -c 'cat; echo out; echo err >&2' <&- >&-").stderr, "err\n");
  assert.equal(bash("$V run $I -- sh -c 'echo out; echo err >&2' 2>&-").stdout, "out\n");
  assert.equal(bash("$V run $I -- true <&- >&- 2>&-").status, 0);
});

test("answers that cannot be written: one line, or SIGPIPE's status", () => {
  const full = bash("$V --help >/dev/full");
  assert.equal(full.status, 71);
  assert.equal(full.stderr, "vkernel: standard output: no space left on device\n");
  const gone = bash('$V --help | true; exit "$' + '{PIPESTATUS[0]}"');
  assert.equal(gone.status, 141);
  assert.equal(gone.stderr, "");
  assert.equal(bash("$V -x 2>/dev/full").status, 64);
});
