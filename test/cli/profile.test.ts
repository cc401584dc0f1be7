/** `--profile FILE` and the table of `-v`, as their user meets them. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { checkTrace, totals } from "../prof/trace.ts";
import { CLI, imageOf, scratch, vkernel } from "./cli.ts";

const dir = scratch();
after(() => rmSync(dir, { recursive: true }));

const image = imageOf(dir, {
  spin: `
#include <unistd.h>
#include <sys/syscall.h>
__attribute__((noipa)) unsigned hot(unsigned n) {
  unsigned x = n;
  for (unsigned i = 0; i < n; i++) x = (x * 1664525u + 1013904223u) ^ (x >> 3);
  return x;
}
int main(int argc, char **argv) {
  if (argc > 1) write(1, "ready\\n", 6);
  for (int i = 0; i < 100 || argc > 1; i++) {
    if (hot(1000000 + i) == 12345) return 1;
    for (int k = 0; k < 100; k++) syscall(SYS_getppid);
  }
  return 0;
}`,
});
const file = join(dir, "out.json");

test("a profile has the program's hot function on top, and a line says where it is", () => {
  const r = vkernel(["run", "--profile", file, image, "--", "/spin"]);
  assert.deepEqual([r.status, r.stdout], [0, ""]);
  assert.match(r.stderr, /^vkernel: \d+ samples in .*out\.json: open it in ui\.perfetto\.dev/);
  const { self } = totals(checkTrace(readFileSync(file, "utf8")));
  const [first] = [...self].sort(([, a], [, b]) => b - a);
  assert.equal(first![0], "hot (spin)");
});

test("a program that SIGTERM ends leaves its profile", async () => {
  const child = spawn(process.execPath, [
    CLI,
    "run",
    "--profile",
    file,
    image,
    "--",
    "/spin",
    "on",
  ]);
  let stderr = "";
  child.stderr.on("data", (data: Buffer) => (stderr += data.toString()));
  child.stdout.once("data", () => setTimeout(() => child.kill("SIGTERM"), 300));
  const status = await new Promise((resolve) => child.on("close", resolve));
  assert.equal(status, 128 + 15);
  assert.match(stderr, /samples in/);
  assert.ok(checkTrace(readFileSync(file, "utf8")).some((s) => s.name === "hot (spin)"));
});

test("a file that cannot be written is refused before anything runs", () => {
  const nowhere = join(dir, "no/such/dir/out.json");
  const r = vkernel(["run", "-v", "--profile", nowhere, image, "--", "/spin"]);
  assert.equal(r.status, 125);
  assert.equal(r.stderr, `vkernel: --profile ${nowhere}: no such file or directory\n`);
  const b = vkernel(["--profile", nowhere, "-R", image]);
  assert.equal(b.status, 71);
  assert.equal(b.stderr, `vkernel: --profile ${nowhere}: no such file or directory\n`);
});

test("a full disk is told, and the program's status is still its own", () => {
  const r = vkernel(["run", "--profile", "/dev/full", image, "--", "/spin"]);
  assert.deepEqual([r.status, r.stderr], [0, "vkernel: --profile /dev/full: no space left\n"]);
});

test("a command that cannot start leaves no profile, and a line says so", () => {
  const r = vkernel(["run", "--profile", file, image, "--", "/absent"]);
  assert.equal(r.status, 127);
  assert.match(r.stderr, /no profile in .*out\.json/);
});

test("an embedder asks a running machine what it counted", () => {
  const launch = new URL("../../dist/hosts/node/launch.js", import.meta.url).href;
  const script = `
    import { launch } from "${launch}";
    let machine;
    const running = launch(${JSON.stringify({
      memoryBytes: 2 ** 26,
      disks: [{ path: image, isCopyOnWrite: true, serial: "" }],
      isVerbose: false,
      program: { kind: "command", argv: ["/spin"], env: [], cwd: "/" },
      hostname: "test",
      isTraced: false,
      stdio: { stdin: true, stdout: true, stderr: true },
      consoleFd: 2,
      profileFd: null,
    }).replace("{", "{ kenv: new Map(), ")}, { started: (m) => (machine = m) });
    const some = await machine.stats();
    const outcome = await running;
    const all = await machine.stats();
    console.log(JSON.stringify([outcome, some?.calls, all.calls, all.counters]));
    process.exit(0);`;
  const program = join(dir, "embedder.mjs");
  writeFileSync(program, script);
  const r = spawnSync(process.execPath, [program], { encoding: "utf8", timeout: 60_000 });
  assert.equal(r.stderr, "");
  const [outcome, some, all, counters] = JSON.parse(r.stdout) as [
    unknown,
    Record<string, number>,
    Record<string, number>,
    Record<string, number>,
  ];
  assert.deepEqual(outcome, { kind: "exit", status: 0 });
  assert.ok((some["getppid"] ?? 0) < all["getppid"]!, "while it ran it had made fewer");
  assert.equal(all["getppid"], 10_000);
  assert.ok(counters["vm.stats.sys.v_syscall"]! >= 10_000);
});

test("-v ends with what was counted", () => {
  const r = vkernel(["run", "-v", image, "--", "/spin"]);
  const calls = /^vm\.stats\.sys\.v_syscall\s+(\d+) /m.exec(r.stderr);
  assert.ok(Number(calls?.[1]) >= 10_000);
  assert.match(r.stderr, /^machdep\.jit\.regions_made\s+[1-9]/m);
  assert.match(r.stderr, /^most made system calls: getppid 10000,/m);
});
