/** `vkernel run`: what a shell script that uses it relies on. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { CLI, imageOf, imagePath, scratch, vkernel } from "./cli.ts";

const minimal = imagePath("minimal");
const dir = scratch();
after(() => rmSync(dir, { recursive: true }));
const sh = (script: string, input = ""): ReturnType<typeof vkernel> =>
  vkernel(["run", minimal, "--", "sh", "-c", script], input);

test("the command's status is passed through", () => {
  assert.equal(sh("exit 0").status, 0);
  assert.equal(sh("exit 3").status, 3);
});

test("death by a signal is 128 + its number, as in a shell", () => {
  assert.equal(sh("kill -KILL $$").status, 137);
  assert.equal(sh("kill -TERM $$").status, 143);
  assert.equal(sh("kill -SEGV $$").status, 139);
});

test("stdout and stderr stay apart, and nothing else is printed", () => {
  const r = sh("echo out; echo err >&2");
  assert.deepEqual(r, { status: 0, stdout: "out\n", stderr: "err\n" });
});

test("stdin is connected, to its end", () => {
  const text = "line\n".repeat(50_000);
  const r = sh("wc -c", text);
  assert.equal(r.stdout.trim(), String(text.length));
});

test("bytes pass unchanged both ways", () => {
  const all = Uint8Array.from({ length: 256 * 1024 }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
  const file = join(dir, "bytes");
  writeFileSync(file, all);
  const r = spawnSync(process.execPath, [CLI, "run", minimal, "--", "cat"], {
    input: all,
    maxBuffer: 1 << 24,
  });
  assert.equal(r.status, 0);
  assert.ok(r.stdout.equals(all));
});

test("a reader that goes away ends the writer with SIGPIPE", () => {
  const script = `"$0" "$1" run "$2" -- yes | head -1; exit \${PIPESTATUS[0]}`;
  const r = spawnSync("bash", ["-c", script, process.execPath, CLI, minimal], { encoding: "utf8" });
  assert.equal(r.stdout, "y\n");
  assert.equal(r.status, 141);
});

test("127, 126, 125 and 64 say what went wrong, in one line", () => {
  const oneLine = /^vkernel: [^\n]+\n$/;
  const cases: readonly (readonly [number, readonly string[]])[] = [
    [127, ["run", minimal, "--", "/no/such/program"]],
    [127, ["run", minimal, "--", "no-such-program"]],
    [127, ["run", minimal, "--", ""]],
    [64, ["run", "-e", "=x", minimal, "--", "true"]],
    [126, ["run", minimal, "--", "/etc/passwd"]],
    [126, ["run", minimal, "--", "/etc"]],
    [125, ["run", "no-such-image", "--", "true"]],
    [125, ["run", "-w", "/nope", minimal, "--", "true"]],
    [125, ["run", "-w", "/etc/passwd", minimal, "--", "true"]],
    [64, ["run", "--", "true"]],
    [64, ["run", minimal]],
    [64, ["run", "-m", "lots", minimal, "--", "true"]],
    [64, ["run", "-n", "2", minimal, "--", "true"]],
    [64, ["run", "--rw", "--ro", minimal, "--", "true"]],
    [64, ["run", "--rw", `${minimal},overlay=/nope`, "--", "true"]],
    // What the image builder made is not to be written.
    [125, ["run", "--rw", minimal, "--", "true"]],
    [64, ["run", "--frobnicate", minimal, "--", "true"]],
  ];
  for (const [status, args] of cases) {
    const r = vkernel(args);
    assert.equal(r.status, status, args.join(" "));
    assert.match(r.stderr, oneLine, args.join(" "));
    assert.equal(r.stdout, "");
  }
});

test("an image that is none is 125", () => {
  for (const [name, bytes] of [
    ["zeroes.img", new Uint8Array(1 << 20)],
    ["empty.img", new Uint8Array(0)],
    ["text.img", new TextEncoder().encode("not an image\n".repeat(1000))],
  ] as const) {
    const path = join(dir, name);
    writeFileSync(path, bytes);
    const r = vkernel(["run", path, "--", "true"]);
    assert.equal(r.status, 125, r.stderr);
    assert.match(r.stderr, /^vkernel: [^\n]+\n$/);
  }
  const cut = join(dir, "cut.img");
  copyFileSync(minimal, cut);
  truncateSync(cut, 1 << 24);
  const r = vkernel(["run", cut, "--", "true"]);
  assert.equal(r.status, 125);
  assert.match(r.stderr, /^vkernel: [^\n]+exceeds size of device[^\n]+\n$/);
});

test("any ext4 root will do: a single static program, no directories, no init", () => {
  const source = `#include <stdio.h>
#include <unistd.h>
#include <sys/stat.h>
int main(int argc, char **argv) {
  struct stat st;
  const char *places[] = {"/proc/self/stat", "/sys", "/dev/null", "/dev/pts", "/dev/shm", "/run", "/tmp", "/run/lock"};
  for (int i = 0; i < 8; i++) printf("%d", stat(places[i], &st));
  printf(" %o", st.st_mode);
  printf(" pid %d argc %d\\n", getpid(), argc);
  return 7;
}`;
  const image = imageOf(dir, { prog: source });
  const r = vkernel(["run", image, "--", "/prog", "a", "b"]);
  assert.deepEqual(r, { status: 7, stdout: "00000000 41777 pid 1 argc 3\n", stderr: "" });
});

test("environment and working directory are as asked for", () => {
  const r = vkernel([
    "run",
    "-e",
    "GREETING=hello world",
    "-e",
    "LANG",
    "-w",
    "/etc",
    minimal,
    "--",
    "sh",
    "-c",
    'echo "$GREETING $PWD $LANG"',
  ]);
  assert.equal(r.stdout, `hello world /etc ${process.env["LANG"] ?? ""}\n`);
});

test("-m is a hard cap: a hog is killed, the machine is not", () => {
  const r = vkernel([
    "run",
    "-m",
    "48m",
    minimal,
    "--",
    "sh",
    "-c",
    'dd if=/dev/zero of=/dev/null bs=200M count=1 2>/dev/null; echo "hog $?"; echo alive',
  ]);
  assert.match(r.stdout, /alive\n$/);
  assert.doesNotMatch(r.stdout, /hog 0/);
  assert.equal(r.status, 0);
});

test("a machine that reboots or powers off itself ends with 0", () => {
  assert.equal(sh("poweroff -f").status, 0);
});

test("a signal to the host program reaches the command, and its death is passed on", async () => {
  for (const [signal, status] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGQUIT", 131],
  ] as const) {
    const child = spawn(process.execPath, [
      CLI,
      "run",
      minimal,
      "--",
      "sh",
      "-c",
      "echo up; exec sleep 60",
    ]);
    await new Promise((resolve) => child.stdout.once("data", resolve));
    child.kill(signal);
    assert.equal(await new Promise((resolve) => child.once("exit", resolve)), status);
  }
});
