/** --volume from the command line: Debian's own programs in a shared directory, against the host's. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import * as host from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { imagePath, vkernel } from "./cli.ts";

const scratch = host.mkdtempSync(join(tmpdir(), "volume-"));
after(() => host.rmSync(scratch, { recursive: true, force: true }));

function fresh(name: string): string {
  const dir = join(scratch, name);
  host.mkdirSync(dir);
  return dir;
}

const debian = imagePath("debian");
const minimal = imagePath("minimal");

/** One line per file: path, type, size, mode, links, time and target. */
const FIND = "find . -printf '%p|%y|%s|%m|%n|%T@|%l\\n' | LC_ALL=C sort";

/** A tree with what trees have. */
function grow(dir: string): void {
  for (let i = 0; i < 5; i++) {
    host.mkdirSync(join(dir, `d${i}`, "e"), { recursive: true });
    for (let j = 0; j < 12; j++) {
      const path = join(dir, `d${i}`, j % 2 ? "e" : "", `f${j}`);
      host.writeFileSync(path, `${i} ${j}\n`.repeat(i * j * 97));
      host.chmodSync(path, [0o644, 0o600, 0o755, 0o440][j % 4]!);
    }
  }
  host.symlinkSync("d1/f2", join(dir, "link"));
  host.symlinkSync("nowhere", join(dir, "d2", "dangling"));
  host.linkSync(join(dir, "d0", "f0"), join(dir, "d3", "hard"));
  host.writeFileSync(join(dir, "with space"), "x");
  host.writeFileSync(Buffer.from(`${dir}/caf\xe9`, "latin1"), "latin");
  host.truncateSync(join(dir, "with space"), 100_000);
  execFileSync("mkfifo", [join(dir, "d4", "fifo")]);
}

function onHost(dir: string, script: string): string {
  return execFileSync("sh", ["-c", script], { cwd: dir, encoding: "latin1" });
}

test("find, cp, tar and rm in a shared directory do what they do on the host", () => {
  const dir = fresh("tree");
  host.mkdirSync(join(dir, "one"));
  grow(join(dir, "one"));
  const script = `set -e
    cd /mnt/one; ${FIND} > /tmp/found; cat /tmp/found; echo ==
    cd ..; rm one/d4/fifo
    cp -a one two
    mkdir three; tar -C one -cf - . | tar -C three -xpf -
    tar -cf one.tar one
    mv one/d0 one/d9; rmdir one/d1/e 2>/dev/null || rm -r one/d1
    (cd one && find . -type f -exec cat {} + | cksum); echo done`;
  const r = vkernel(["run", "--volume", `${dir}:/mnt`, debian, "--", "sh", "-c", script]);
  assert.equal(r.stderr, "");
  assert.equal(r.status, 0);
  const [found, rest] = r.stdout.split("==\n");
  const reference = fresh("reference");
  grow(reference);
  // A path that is no UTF-8 has not come through the pipe as it was; times are the host's here and there.
  const strip = (text: string): string =>
    text.replace(/\|[\d.]+\|([^|\n]*)$/gm, "|$1").replace(/^.*caf.*$/m, "");
  assert.equal(strip(found!), strip(onHost(reference, FIND)));
  host.rmSync(join(reference, "d4", "fifo"));
  const now = onHost(join(dir, "three"), FIND);
  assert.equal(strip(now), strip(onHost(reference, FIND)));
  assert.equal(strip(onHost(join(dir, "two"), FIND)), strip(now));
  for (const copy of ["two", "three"])
    onHost(dir, `diff -r --no-dereference ${copy} "${reference}"`);
  const times = (d: string): string =>
    onHost(join(dir, d), "find . -type f -printf '%p %Ts\\n' | sort");
  assert.equal(times("two"), times("three"));
  onHost(dir, "mkdir four && tar -C four -xf one.tar && diff -r --no-dereference four/one two");
  assert.ok(!host.existsSync(join(dir, "one", "d1")));
  const sums = onHost(join(dir, "one"), "LC_ALL=C find . -type f -exec cat {} + | cksum");
  assert.equal(rest!.split("\n")[0]!.split(" ")[1], sums.split(" ")[1]!.trim());
});

/** An image with git in it, if somebody built one. */
const gitImage = ["compatibility", "bench"]
  .map((name) => vkernel(["image", "path", name]))
  .find((r) => r.status === 0)
  ?.stdout.trim();
const hasGit = spawnSync("git", ["--version"]).status === 0;
const noGit = !gitImage ? "no image with git in it" : !hasGit ? "no git on the host" : false;

test("git makes the same commits on both sides, and each side trusts the other's", {
  skip: noGit,
}, () => {
  const dir = fresh("git");
  const reference = fresh("git-reference");
  const setup = `set -e; export HOME=$PWD GIT_CONFIG_NOSYSTEM=1
    export GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z'
    git config --global user.email a@b; git config --global user.name n
    git config --global --add safe.directory '*'; git config --global init.defaultBranch main`;
  const script = `${setup}
    git init -q a; cd a
    for i in 1 2 3 4 5 6 7 8; do mkdir -p d$i; seq $((i * 100)) > d$i/f; ln -s ../d1/f d$i/l; done
    git add .; git commit -qm first
    git mv d1 e1; rm -r d2; echo more >> d3/f; git add -A; git commit -qm second
    cd ..; git clone -q a b; cd b; git checkout -q -b topic HEAD~1; echo topic > t; git add t; git commit -qm topic
    git merge -q -m merged main; git gc -q; git fsck --no-progress; git status --porcelain
    git log --format='%H %s'`;
  const run = ["run", "-m", "512m", "-w", "/mnt", "--volume", `${dir}:/mnt`, gitImage!, "--"];
  const guest = vkernel([...run, "bash", "-c", script]);
  assert.equal(guest.stderr, "");
  assert.equal(guest.stdout, onHost(reference, script));
  const check = `${setup}; cd b; git fsck --no-progress; git status --porcelain; git log --format='%H %s'`;
  assert.equal(onHost(dir, check), guest.stdout);
});

test("a database with locks and shared maps lives in a shared directory", () => {
  const dir = fresh("database");
  const script = `
import mmap, os, sqlite3
db = sqlite3.connect("/mnt/db")
db.execute("pragma journal_mode=wal")
db.execute("pragma synchronous=normal")
db.execute("create table t (n integer, s text)")
with db: db.executemany("insert into t values (?, ?)", ((i, "row %d" % i) for i in range(2000)))
print(db.execute("select count(*), sum(n) from t").fetchone())
db.close()
with open("/mnt/map", "wb+") as f:
    f.truncate(20000)
    m = mmap.mmap(f.fileno(), 0)
    m[5000:5005] = b"MAPPD"
    os.pwrite(f.fileno(), b"WRITTEN", 5002)
    assert m[5000:5010] == b"MAWRITTEN\\0", m[5000:5010]
    m[10000:10003] = b"end"
    m.close()
`;
  const r = vkernel(["run", "--volume", `${dir}:/mnt`, debian, "--", "python3", "-c", script]);
  assert.equal(r.stderr, "");
  assert.equal(r.stdout, "(2000, 1999000)\n");
  const map = host.readFileSync(join(dir, "map"));
  assert.equal(map.length, 20000);
  assert.equal(map.toString("latin1", 4998, 5011), "\0\0MAWRITTEN\0\0");
  assert.equal(map.toString("latin1", 9999, 10004), "\0end\0");
  const python = `import sqlite3; print(sqlite3.connect("${dir}/db").execute("select count(*), sum(n), max(s) from t").fetchone())`;
  assert.equal(onHost(dir, `python3 -c '${python}'`), "(2000, 1999000, 'row 999')\n");
});

test("a program in a shared directory runs, and root cannot write where the share is read-only", () => {
  const dir = fresh("programs");
  host.writeFileSync(join(dir, "hello"), "#!/bin/sh\necho hello from $0\n");
  host.chmodSync(join(dir, "hello"), 0o755);
  const script = `/srv/a/b/hello; cp /bin/busybox /tmp/rw/; /tmp/rw/busybox echo copied; ls -ln /srv/a/b | tail -1
    for f in 'touch /srv/a/b/new' 'rm /srv/a/b/hello' 'mount -o remount,rw /srv/a/b' 'chmod 777 /srv/a/b'; do
      $f 2>&1 | grep -c 'Read-only file system'; done`;
  const r = vkernel([
    ...["run", "--volume", `${dir}:/srv/a/b:ro,uid=1000,gid=50`],
    ...["--volume", `${fresh("written")}:/tmp/rw`],
    ...[minimal, "--", "sh", "-c", script],
  ]);
  assert.equal(r.stderr, "");
  const lines = r.stdout.split("\n");
  assert.deepEqual(lines.slice(0, 2), ["hello from /srv/a/b/hello", "copied"]);
  assert.match(lines[2]!, /^-rwxr-xr-x +1 1000 +50 +29 .* hello$/);
  assert.deepEqual(lines.slice(3), ["1", "1", "1", "1", ""]);
  assert.deepEqual(host.readdirSync(dir), ["hello"]);
});

test("a machine that boots has its volumes, and they outlive it", () => {
  const dir = fresh("booted");
  host.writeFileSync(join(dir, "from"), "host");
  const script = "cat /srv/data/from > /srv/data/to; poweroff -f\n";
  const r = vkernel(["-s", "-R", minimal, "--volume", `${dir}:/srv/data`], script);
  assert.equal(r.status, 0, r.stdout + r.stderr);
  assert.equal(host.readFileSync(join(dir, "to"), "utf8"), "host");
});

test("a volume that cannot be is one clear line", () => {
  host.writeFileSync(join(scratch, "file"), "");
  const cases: readonly (readonly [number, string, RegExp])[] = [
    [64, scratch, /want DIR:PATH/],
    [64, `${scratch}:mnt`, /must begin with \//],
    [64, `:/mnt`, /no directory named/],
    [64, `${scratch}:/`, /cannot cover the root/],
    [64, `${scratch}:/a/../b`, /must not have \.\./],
    [64, `${scratch}:/mnt:rx`, /want ro, rw, uid=N or gid=N/],
    [64, `${scratch}:/mnt:ro,uid=me`, /uid=me: not a number/],
    [125, `${scratch}/none:/mnt`, /none: no such directory$/m],
    [125, "/proc:/mnt", /\/proc: \/proc has this very process in it and cannot be shared$/m],
    [125, `${scratch}/file:/mnt`, /file: not a directory$/m],
    [125, `${scratch}:/etc/passwd`, /cannot mount a directory on \/etc\/passwd: not a directory$/m],
  ];
  for (const [status, volume, message] of cases) {
    const r = vkernel(["run", "--volume", volume, minimal, "--", "true"]);
    assert.equal(r.status, status, `${volume}: ${r.stderr}`);
    assert.match(r.stderr, /^vkernel: [^\n]+\n$/, volume);
    assert.match(r.stderr, message);
  }
});
