/** The image builder against an archive made up on the spot: whole builds, and every way they can break off. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { BASE, FakeArchive, type FakePackage } from "./fakearchive.ts";

const CLI = join(import.meta.dirname, "imagecli.ts");
const hasTools = ["gpg", "gpgv", "xz", "tar", "e2fsck", "debugfs"].every(
  (tool) => spawnSync("sh", ["-c", `command -v ${tool}`], toolEnv()).status === 0,
);

function toolEnv() {
  return { env: { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin`, LC_ALL: "C" } };
}

const BIG: FakePackage = {
  name: "big",
  fields: { Depends: "small (>= 1.0) | missing" },
  files: { "usr/share/big/noise": noise(400_000) },
};
const SMALL: FakePackage = {
  name: "small",
  files: { "usr/bin/small": "#!/bin/sh\n", "etc/small.conf": "a=1\n" },
  control: {
    conffiles: "/etc/small.conf\n",
    postinst: "#!/bin/sh\nupdate-alternatives --install /usr/bin/tiny tiny /usr/bin/small 10\n",
  },
};

describe("image build", { skip: hasTools ? false : "needs gpg, xz, tar and e2fsprogs" }, () => {
  let archive: FakeArchive;
  let home: string;
  before(async () => {
    archive = new FakeArchive();
    await archive.start([...BASE, BIG, SMALL]);
  });
  after(() => archive.stop());
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), "vkernel-cache-"));
    archive.requests.length = 0;
    archive.breakAfter = undefined;
    archive.delayMs = 0;
    archive.publish([...BASE, BIG, SMALL]);
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  const environment = () => ({
    ...toolEnv().env,
    XDG_CACHE_HOME: home,
    VKERNEL_MIRROR: archive.url,
    VKERNEL_KEYRING: archive.keyring,
  });
  const start = (...args: string[]) =>
    spawn(process.execPath, [CLI, ...args], { env: environment() });
  const run = (...args: string[]) => finish(start(...args));
  const debugfs = (image: string, request: string) =>
    spawnSync("debugfs", ["-R", request, image], toolEnv()).stdout.toString();
  const objects = () =>
    readdirSync(join(home, "vkernel", "sha256"), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => entry.name);

  it("makes a file system that e2fsck and debugfs agree with", async () => {
    const { status, stdout, stderr } = await run("build", "t", "--include", "big");
    assert.equal(status, 0, stderr);
    const image = stdout.trim();
    const check = spawnSync("e2fsck", ["-fn", image], toolEnv());
    assert.equal(check.status, 0, check.stdout.toString());
    assert.equal(debugfs(image, "cat /etc/small.conf"), "a=1\n");
    assert.equal(debugfs(image, "cat /usr/share/big/noise"), BIG.files!["usr/share/big/noise"]);
    assert.match(debugfs(image, "stat /bin"), /Fast link dest: "usr\/bin"/);
    assert.match(debugfs(image, "stat /usr/sbin/init"), /Fast link dest: "..\/bin\/busybox"/);
    assert.match(debugfs(image, "stat /dev/null"), /Type: character special/);
    assert.match(debugfs(image, "stat /etc/alternatives/tiny"), /dest: "\/usr\/bin\/small"/);
    assert.match(debugfs(image, "cat /etc/passwd"), /^root:x:0:0:root:\/root:\/bin\/sh$/m);
    assert.match(debugfs(image, "stat /etc/shadow"), /Mode: +0640 [\s\S]*Group: +42 /);
    const dpkg = debugfs(image, "cat /var/lib/dpkg/status");
    assert.match(dpkg, /Package: small\nStatus: install ok installed\nConffiles:\n \/etc\/small/);
    assert.match(debugfs(image, "cat /var/lib/dpkg/info/small.list"), /^\/usr\/bin\/small$/m);
  });

  it("makes the same image of the same inputs, and nothing when it is up to date", async () => {
    const first = await run("build", "t", "--include", "small");
    assert.equal(first.status, 0, first.stderr);
    const path = first.stdout.trim();
    const bytes = readFileSync(path);
    const time = statSync(path).mtimeMs;
    assert.equal((await run("build", "t", "--include", "small")).stdout.trim(), path);
    assert.equal(statSync(path).mtimeMs, time);
    assert.equal((await run("rm", "t")).status, 0);
    assert.equal(existsSync(path), false);
    assert.equal((await run("build", "t", "--include", "small")).stdout.trim(), path);
    assert.deepEqual(readFileSync(path), bytes);
  });

  it("lists, verifies, and tells when an image was written to", async () => {
    const path = (await run("build", "t")).stdout.trim();
    assert.match((await run("ls")).stdout, /^t .*trixie.* 3 packages/);
    assert.deepEqual(await run("verify"), { status: 0, stdout: "t: OK\n", stderr: "" });
    const bytes = readFileSync(path);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(path, bytes);
    const bad = await run("verify", "t");
    assert.equal(bad.status, 1);
    assert.match(bad.stderr, /^vkernel: t: changed since it was built/);
    const rebuilt = await run("build", "t", "--include", "small");
    assert.equal(rebuilt.status, 1);
    assert.match(rebuilt.stderr, /written to since it was built/);
  });

  it("resumes an interrupted download where it broke off", async () => {
    archive.breakAfter = 100_000;
    const { status, stderr } = await run("build", "t", "--include", "big");
    assert.equal(status, 0, stderr);
    const ranges = archive.requests.filter((r) => r.path.endsWith("big.deb")).map((r) => r.range);
    assert.equal(ranges[0], undefined);
    assert.match(ranges[1] ?? "", /^bytes=[1-9]\d+-$/);
  });

  it("survives kill -9 in the middle of a download", async () => {
    archive.delayMs = 5;
    const child = start("build", "t", "--include", "big");
    const partial = join(home, "vkernel", "partial");
    const grown = () =>
      existsSync(partial) && readdirSync(partial).some((f) => sizeOf(join(partial, f)) > 20_000);
    for (let i = 0; i < 400 && !grown(); i++) await sleep(25);
    assert.ok(grown(), "the download never got going");
    child.kill("SIGKILL");
    await finish(child);
    assert.deepEqual((await run("ls")).stdout, "");
    archive.delayMs = 0;
    archive.requests.length = 0;
    const { status, stderr } = await run("build", "t", "--include", "big");
    assert.equal(status, 0, stderr);
    const range = archive.requests.find((r) => r.path.endsWith("big.deb"))?.range;
    assert.match(range ?? "", /^bytes=\d{5,}-$/);
  });

  it("refuses a package of the wrong hash and keeps nothing of it", async () => {
    const deb = archive.file("pool/small.deb");
    deb[deb.length - 20]! ^= 0xff;
    const { status, stderr } = await run("build", "t", "--include", "small");
    assert.equal(status, 1);
    assert.match(lastLine(stderr), /^vkernel: small: wrong SHA-256 from /);
    assert.deepEqual(readdirSync(join(home, "vkernel", "partial")), []);
    assert.equal(existsSync(join(home, "vkernel", "images", "t.json")), false);
  });

  it("refuses an index that is not what was signed", async () => {
    const release = archive.file("dists/trixie/InRelease");
    const at = release.indexOf("Origin: Test");
    release.write("Origin: Evil", at);
    const { status, stderr } = await run("build", "t");
    assert.equal(status, 1);
    assert.match(lastLine(stderr), /the signature is not valid.*BAD signature/);
    assert.equal(existsSync(join(home, "vkernel", "release")), false);
  });

  it("refuses a signature by a key it does not trust", async () => {
    const other = new FakeArchive();
    await other.start(BASE);
    const { status, stderr } = await run("build", "t", "--keyring", other.keyring);
    await other.stop();
    assert.equal(status, 1);
    assert.match(lastLine(stderr), /No public key/);
  });

  it("says in one line that a package does not exist or cannot be satisfied", async () => {
    const unknown = await run("build", "t", "--include", "nonesuch");
    assert.equal(unknown.status, 1);
    assert.match(lastLine(unknown.stderr), /nonesuch: no such package in this suite$/);
    archive.publish([...BASE, { ...BIG, fields: { Depends: "small (>= 2)" } }, SMALL]);
    const unmet = await run("build", "t", "--include", "big");
    assert.match(lastLine(unmet.stderr), /big needs small \(>= 2\), which this suite does not/);
  });

  it("says in one line that the disk is full", async () => {
    assert.equal((await run("build", "base")).status, 0);
    const name = sha256Of(archive, "big");
    mkdirSync(join(home, "vkernel", "partial"), { recursive: true });
    symlinkSync("/dev/full", join(home, "vkernel", "partial", name));
    const before = objects();
    const { status, stderr } = await run("build", "t", "--include", "big");
    assert.equal(status, 1);
    assert.match(lastLine(stderr), /^vkernel: the disk is full/);
    assert.equal(objects().includes(name), false);
    assert.ok(objects().length >= before.length);
  });

  it("lets one builder work at a time", async () => {
    archive.delayMs = 5;
    const first = start("build", "a", "--include", "big");
    for (let i = 0; i < 400 && !existsSync(join(home, "vkernel", "lock")); i++) await sleep(10);
    const second = await run("build", "b");
    assert.equal(second.status, 1);
    assert.match(lastLine(second.stderr), /another image build is at work \(process \d+\)/);
    archive.delayMs = 0;
    assert.equal((await finish(first)).status, 0);
    assert.equal((await run("build", "b")).status, 0);
  });

  it("builds without a network from what it has verified before", async () => {
    const gone = new FakeArchive();
    await gone.start([...BASE, SMALL]);
    const keys = join(home, "keys.gpg");
    writeFileSync(keys, readFileSync(gone.keyring));
    const options = ["--mirror", gone.url, "--keyring", keys];
    assert.equal((await run("build", "t", "--include", "small", ...options)).status, 0);
    await gone.stop();
    const again = await run("build", "u", ...options);
    assert.equal(again.status, 0, again.stderr);
    assert.match(again.stderr, /cannot reach .*; using the package lists of the last build/);
    rmSync(join(home, "vkernel", "release"), { recursive: true });
    const never = await run("build", "v", ...options);
    assert.equal(never.status, 1);
    assert.match(lastLine(never.stderr), /^vkernel: cannot reach .*: ECONNREFUSED$/);
  });

  it("ends with 64 and a hint when the command line is wrong", async () => {
    for (const args of [
      ["frobnicate"],
      ["build"],
      ["build", "../x"],
      ["build", "t", "--size", "1"],
    ]) {
      const { status, stderr } = await run(...args);
      assert.equal(status, 64, args.join(" "));
      assert.match(stderr, /^vkernel: [^\n]+ \(vkernel image --help for help\)\n$/);
    }
  });

  it("honours --size, and says when the contents do not fit", async () => {
    const fits = await run("build", "t", "--size", "48M");
    assert.equal(statSync(fits.stdout.trim()).size, 48 * 1024 * 1024);
    assert.equal(spawnSync("e2fsck", ["-fn", fits.stdout.trim()], toolEnv()).status, 0);
    archive.publish([...BASE, { name: "huge", files: { huge: "h".repeat(30 << 20) } }]);
    const small = await run("build", "u", "--include", "huge", "--size", "16M");
    assert.equal(small.status, 1);
    assert.match(lastLine(small.stderr), /give a larger --size$/);
    assert.deepEqual(
      readdirSync(join(home, "vkernel", "images")).filter((f) => f.includes("u")),
      [],
    );
  });
});

interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

function finish(child: ChildProcess): Promise<Outcome> {
  return new Promise((done) => {
    let stdout = "";
    let stderr = "";
    child.stdout?.on("data", (chunk) => {
      stdout += chunk;
    });
    child.stderr?.on("data", (chunk) => {
      stderr += chunk;
    });
    child.on("close", (status) => done({ status, stdout, stderr }));
  });
}

function sha256Of(archive: FakeArchive, name: string): string {
  const packed = archive.file("dists/trixie/main/binary-riscv64/Packages.xz");
  const text = spawnSync("xz", ["-dc"], { input: packed }).stdout.toString();
  const stanza = text.split("\n\n").find((s) => s.startsWith(`Package: ${name}\n`))!;
  return /SHA256: (\w+)/.exec(stanza)![1]!;
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}

/** Text that xz cannot make small, the same every time. */
function noise(length: number): string {
  let state = 12345;
  let out = "";
  while (out.length < length) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    out += state.toString(36);
  }
  return out;
}

const lastLine = (text: string): string => text.trimEnd().split("\n").at(-1)!;
