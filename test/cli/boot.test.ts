/** A booted machine on a real pseudo-terminal: what a person does there. */
import assert from "node:assert/strict";
import { type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { CLI, imagePath, onTerminal, scratch, vkernel } from "./cli.ts";

const minimal = imagePath("minimal");
/** The shell asks the terminal for the cursor after its prompt. */
const PROMPT = "# (?:\\x1b\\[6n)?$";
const dir = scratch();
after(() => rmSync(dir, { recursive: true }));

test("init gives a shell with line editing, ^C, ^Z and fg; poweroff ends with 0 and a sane terminal", () => {
  const r = onTerminal(
    ["-R", minimal],
    [
      { expect: PROMPT, send: "echo ed\b\biting\r" },
      { expect: `iting\r\n.*${PROMPT}`, send: "sh -c 'echo ready; sleep 100'\r" },
      { expect: "\nready\r\n", send: "\x03" },
      { expect: PROMPT, send: "echo status $?\r" },
      { expect: `status 130\r\n.*${PROMPT}`, send: "sh -c 'echo ready; sleep 100'\r" },
      { expect: "\nready\r\n", send: "\x1a" },
      { expect: `Stopped.*${PROMPT}`, send: "fg\r" },
      { expect: "sleep 100.\r\n", send: "\x03" },
      { expect: PROMPT, send: "echo and $?\r" },
      { expect: `and 130\r\n.*${PROMPT}`, send: "stty size\r" },
      { expect: `24 80\r\n.*${PROMPT}`, act: "resize 40 100" },
      { expect: "", send: "stty size\r" },
      { expect: `40 100\r\n.*${PROMPT}`, send: "poweroff\r" },
    ],
  );
  assert.equal(r.missed, null, r.transcript);
  assert.equal(r.status, 0, r.transcript);
  assert.deepEqual(r.after, r.before);
});

test("what comes up by itself: names, mounts, and places to write where the root cannot be written", () => {
  const logs = "grep -c ' /var/log tmpfs' /proc/mounts";
  for (const [disk, places] of [
    ["-R", 0],
    ["-c", 1],
  ] as const) {
    const r = onTerminal(
      [disk, minimal],
      [
        { expect: PROMPT, send: `echo $(hostname) $TERM $(${logs}) $(ls /run)\r` },
        { expect: `vkernel xterm ${places} .*lock user.*${PROMPT}`, send: "poweroff\r" },
      ],
    );
    assert.equal(r.missed, null, r.transcript);
    assert.equal(r.status, 0, r.transcript);
  }
});

test("vi edits a file on the terminal", () => {
  const r = onTerminal(
    ["-R", minimal],
    [
      { expect: PROMPT, send: "vi /tmp/note\r" },
      { expect: "/tmp/note 1/1 100%", send: "ifrom vi" },
      { expect: "from vi", send: "\x1b" },
      { expect: "- /tmp/note", send: ":wq\r" },
      { expect: "1L, 8C", send: "cat /tmp/note\r" },
      { expect: `from vi\r\n.*${PROMPT}`, send: "poweroff -f\r" },
    ],
  );
  assert.equal(r.missed, null, r.transcript);
  assert.equal(r.status, 0);
});

test("-s is a single-user shell, which ends the machine with its status", () => {
  const r = onTerminal(
    ["-s", "-R", minimal],
    [
      { expect: PROMPT, send: "echo pid $$\r" },
      { expect: "pid 1\r\n", send: "exit 3\r" },
    ],
  );
  assert.equal(r.missed, null, r.transcript);
  assert.equal(r.status, 3);
});

test("reboot starts the machine again", () => {
  const r = onTerminal(
    ["-R", minimal],
    [
      { expect: PROMPT, send: "touch /tmp/before; reboot -f\r" },
      { expect: `vkernel 0.*${PROMPT}`, send: "ls /tmp; echo listed\r" },
      { expect: `\nlisted\r\n.*${PROMPT}`, send: "poweroff -f\r" },
    ],
  );
  assert.equal(r.missed, null, r.transcript);
  assert.equal(r.status, 0);
  assert.doesNotMatch(r.transcript.slice(r.transcript.lastIndexOf("ls /tmp")), /before/);
});

test("^\\ enters the debugger: ps, registers, memory, trace, continue", () => {
  const r = onTerminal(
    ["-R", minimal],
    [
      { expect: PROMPT, send: "\x1c" },
      { expect: "ddb> $", send: "ps\r" },
      { expect: "init.*ddb> $", send: "regs 1\r" },
      { expect: "pc .*ddb> $", send: "trace 1\r" },
      { expect: "#0 .*ddb> $", send: "x/2 0 1\r" },
      { expect: "not mapped.*ddb> $", send: "c\r" },
      { expect: "", send: "echo back\r" },
      { expect: "\nback\r\n", send: "poweroff -f\r" },
    ],
  );
  assert.equal(r.missed, null, r.transcript);
  assert.equal(r.status, 0);
});

test("panic from the debugger exits with 70 and gives the terminal back", () => {
  const r = onTerminal(
    ["-R", minimal],
    [
      { expect: PROMPT, send: "\x1c" },
      { expect: "ddb> $", send: "panic\r" },
    ],
  );
  assert.equal(r.missed, null, r.transcript);
  assert.equal(r.status, 70, r.transcript);
  assert.match(r.transcript, /vkernel: panic: from debugger\r\n$/);
  assert.deepEqual(r.after, r.before);
});

test("SIGTERM shuts down cleanly through init", () => {
  const r = onTerminal(["-R", minimal], [{ expect: PROMPT, act: "signal SIGTERM" }]);
  assert.equal(r.missed, null, r.transcript);
  assert.equal(r.status, 0, r.transcript);
  assert.match(r.transcript, /shutdown requested/);
  assert.match(r.transcript, /system is going down/i);
  assert.deepEqual(r.after, r.before);
});

test("SIGTERM before init listens is not lost", async () => {
  const machine = spawn(process.execPath, [CLI, "-R", minimal], { stdio: "pipe" });
  let said = "";
  machine.stdout.on("data", (d: Buffer) => {
    if (said === "") machine.kill("SIGTERM");
    said += d.toString("latin1");
  });
  assert.equal(await new Promise((resolve) => machine.once("close", resolve)), 0);
  assert.match(said, /system is going down/);
});

test("the pid file holds the process id, locked while the machine runs, gone afterwards", async () => {
  const pidfile = join(dir, "pid");
  const machine = spawn(process.execPath, [CLI, "-p", pidfile, "-R", minimal], { stdio: "pipe" });
  await new Promise((resolve) => machine.stdout.once("data", resolve));
  assert.equal(readFileSync(pidfile, "utf8"), `${machine.pid}\n`);
  assert.equal(spawnSync("flock", ["-n", pidfile, "true"]).status, 1);
  const second = vkernel(["-p", pidfile, "-R", minimal]);
  assert.equal(second.status, 71);
  assert.match(second.stderr, /held by the vkernel with process id \d+\n$/);
  machine.kill("SIGTERM");
  const status = await new Promise((resolve) => machine.once("exit", resolve));
  assert.equal(status, 0);
  assert.equal(existsSync(pidfile), false);
});

test("a pid file that cannot be is 71 with one line; one that is gone at the end is no matter", () => {
  for (const path of [join(dir, "no", "pid"), dir, "/dev/full"]) {
    const r = vkernel(["-p", path, "-R", minimal]);
    assert.equal(r.status, 71, path);
    assert.match(r.stderr, /^vkernel: [^\n]+\n$/);
  }
  const pidfile = join(dir, "gone");
  const r = onTerminal(
    ["-p", pidfile, "-R", minimal],
    [
      { expect: PROMPT, act: `unlink ${pidfile}` },
      { expect: "", send: "poweroff -f\r" },
    ],
  );
  assert.equal(r.status, 0, r.transcript);
});

test("a wrong command line is 64 with one line; --help teaches", () => {
  for (const args of [[], ["-x"], ["-m"], ["-m", "2"], ["-n", "4", "-R", minimal], ["frob"]]) {
    const r = vkernel(args);
    assert.equal(r.status, 64, args.join(" "));
    assert.match(r.stderr, /^vkernel: [^\n]+\n$/);
  }
  const help = vkernel(["--help"]);
  assert.equal(help.status, 0);
  assert.match(help.stdout, /usage: vkernel/);
});

test("more than 16 disks and a missing image are refused", () => {
  const many = Array.from({ length: 17 }, () => ["-R", minimal]).flat();
  assert.equal(vkernel(many).status, 64);
  const missing = vkernel(["-R", join(dir, "none.img")]);
  assert.equal(missing.status, 66);
  assert.match(missing.stderr, /no such file or directory\n$/);
});

test("what is no raw image is named for what it is, before anything boots", () => {
  const gz = join(dir, "root.img.gz");
  writeFileSync(gz, new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0]));
  const qcow2 = join(dir, "root.qcow2");
  writeFileSync(qcow2, "QFI\xfb\0\0\0\x03", "latin1");
  const fifo = join(dir, "fifo");
  spawnSync("mkfifo", [fifo]);
  for (const [path, words] of [
    [dir, /is a directory/],
    [gz, /gunzip/],
    [qcow2, /qcow2: cluster size/],
    [fifo, /not a disk image/],
    ["/dev/null", /not a disk image/],
  ] as const) {
    const r = vkernel(["-R", path]);
    assert.equal(r.status, 66, path);
    assert.match(r.stderr, /^vkernel: [^\n]+\n$/);
    assert.match(r.stderr, words);
  }
});

test("an image of the cache may be named; a disk that is written may not be named twice", () => {
  const r = onTerminal(["-R", "minimal:S1"], [{ expect: PROMPT, send: "poweroff -f\r" }]);
  assert.equal(r.status, 0, r.transcript);
  assert.match(r.transcript, /serno S1/);
  assert.match(vkernel(["-R", "nope"]).stderr, /^vkernel: nope: no such file [^\n]+image ls'\n$/);
  const image = join(dir, "a:b c ü.img");
  copyFileSync(minimal, image);
  for (const args of [
    ["-r", image, "-r", image],
    ["-R", image, "-r", image],
  ]) {
    const twice = vkernel(args);
    assert.equal(twice.status, 66);
    assert.match(twice.stderr, /^vkernel: [^\n]+named twice[^\n]+\n$/);
  }
  const odd = vkernel(["run", image, "--", "echo", "up"]);
  assert.deepEqual(odd, { status: 0, stdout: "up\n", stderr: "" });
});

test("a read-write disk in use by another machine is refused; killed, it lets go", async () => {
  const image = join(dir, "shared.img");
  copyFileSync(minimal, image);
  const machine = spawn(process.execPath, [CLI, "-r", image], { stdio: "pipe" });
  await new Promise((resolve) => machine.stdout.once("data", resolve));
  const second = vkernel(["-r", image]);
  assert.equal(second.status, 66);
  assert.match(second.stderr, /in use by another vkernel\n$/);
  machine.kill("SIGKILL");
  await new Promise((resolve) => machine.once("exit", resolve));
  const third = onTerminal(["-r", image], [{ expect: PROMPT, send: "poweroff -f\r" }]);
  assert.equal(third.status, 0, third.transcript);
});

test("a cache that may not be read is said to be so", { skip: process.getuid?.() !== 0 }, (t) => {
  const home = join(dir, "home");
  mkdirSync(join(home, ".cache", "vkernel", "images"), { recursive: true });
  chmodSync(home, 0o700);
  chmodSync(dir, 0o755);
  const asNobody = (args: readonly string[]): SpawnSyncReturns<string> => {
    const env = { PATH: process.env["PATH"], HOME: home };
    return spawnSync(process.execPath, [CLI, ...args], {
      env,
      uid: 65534,
      gid: 65534,
      encoding: "utf8",
    });
  };
  if (asNobody(["--version"]).status !== 0) {
    t.skip("nobody cannot reach this directory");
    return;
  }
  for (const [status, args] of [
    [71, ["-R", "minimal"]],
    [125, ["run", "minimal", "--", "true"]],
    [1, ["image", "ls"]],
    [1, ["image", "build", "minimal"]],
  ] as const) {
    const r = asNobody(args);
    assert.equal(r.status, status, r.stderr);
    assert.match(r.stderr, /^vkernel: [^\n]*permission[^\n]*\n$/);
  }
});

test("without flock(1) and stty(1): one warning for each file, and it runs", async () => {
  const image = join(dir, "unlocked.img");
  copyFileSync(minimal, image);
  const env = { ...process.env, PATH: "/nonexistent" };
  const machine = spawn(process.execPath, [CLI, "-r", image], { stdio: "pipe", env });
  let errors = "";
  machine.stderr.on("data", (d: Buffer) => {
    errors += d.toString();
  });
  machine.stdout.once("data", () => machine.kill("SIGTERM"));
  assert.equal(await new Promise((resolve) => machine.once("close", resolve)), 0);
  assert.equal(errors, `vkernel: ${image}: not locked, for want of flock(1)\n`);
});

test("--version and help answer on stdout", () => {
  assert.match(vkernel(["--version"]).stdout, /^vkernel \d+\.\d+\.\d+\n$/);
  assert.match(vkernel(["help"]).stdout, /usage: vkernel/);
  assert.match(vkernel(["-hv"]).stdout, /usage: vkernel/);
  for (const command of ["run", "start", "image"]) {
    const help = vkernel([command, "--help"]);
    assert.equal(help.status, 0);
    assert.match(help.stdout, /usage: vkernel/);
    assert.equal(vkernel(["help", command]).stdout, help.stdout);
  }
});
