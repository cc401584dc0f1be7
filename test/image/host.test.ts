/** What the image builder learns of its host, mirrors and locks, and what it does in place of maintainer scripts. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Accounts } from "../../src/hosts/node/image/accounts.ts";
import { parseAlternatives } from "../../src/hosts/node/image/alternatives.ts";
import { appletsOf } from "../../src/hosts/node/image/busybox.ts";
import { takeLock } from "../../src/hosts/node/image/lock.ts";
import { mirrors } from "../../src/hosts/node/image/mirror.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "vkernel-host-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

describe("mirrors", () => {
  const find = (env: NodeJS.ProcessEnv = {}, mirror?: string) =>
    mirrors({ mirror, env, aptDir: dir });

  it("prefers the option, then the environment, then apt's sources", () => {
    writeFileSync(join(dir, "sources.list"), "deb http://apt.example/debian trixie main\n");
    const env = { VKERNEL_MIRROR: "http://env.example/debian" };
    assert.deepEqual(find(env, "http://option.example/debian/"), ["http://option.example/debian"]);
    assert.deepEqual(find(env), ["http://env.example/debian"]);
    assert.deepEqual(find(), ["http://apt.example/debian"]);
  });

  it("reads deb822 and one-line sources, the Debian archive first", () => {
    mkdirSync(join(dir, "sources.list.d"));
    writeFileSync(
      join(dir, "sources.list"),
      "# deb http://comment.example/debian trixie main\n" +
        "deb cdrom:[x]/ trixie main\n" +
        "deb-src http://src.example/debian trixie main\n" +
        "deb [arch=amd64 signed-by=/k.gpg] http://other.example/tool stable main # note\n" +
        "deb http://sec.example/debian-security trixie-security main\n",
    );
    writeFileSync(
      join(dir, "sources.list.d", "debian.sources"),
      "Types: deb deb-src\nURIs: http://a.example/debian/ http://b.example/debian\n" +
        "Suites: trixie trixie-updates\nComponents: main contrib\n" +
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n" +
        "Enabled: no\nTypes: deb\nURIs: http://off.example/debian\nSuites: sid\nComponents: main\n",
    );
    assert.deepEqual(find(), [
      "http://a.example/debian",
      "http://b.example/debian",
      "http://other.example/tool",
    ]);
  });

  it("says what to do when it knows none", () => {
    assert.throws(() => find(), /use --mirror URL or set VKERNEL_MIRROR/);
    assert.throws(() => find({}, "ftp://x.example/debian"), /http:\/\/ or https:\/\/ address/);
  });
});

describe("lock", () => {
  it("is taken by one, and by the next when the holder is gone", async () => {
    const path = join(dir, "lock");
    const release = await takeLock(path, 0);
    await assert.rejects(takeLock(path, 0), /another image build is at work/);
    await release();
    const dead = spawnSync("true").pid;
    writeFileSync(path, `${dead} 1\n`);
    await (await takeLock(path, 0))();
    writeFileSync(path, `${process.pid} 1\n`);
    if (existsSync("/proc/self/stat")) await (await takeLock(path, 0))();
    assert.equal(existsSync(path), false);
  });
});

describe("maintainer scripts as data", () => {
  it("reads alternatives with slaves, continued lines, loops and constants", () => {
    const script = `
      update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5 \\
        --slave /usr/share/man/man1/awk.1.gz awk.1.gz /usr/share/man/man1/mawk.1.gz
      PRIO=30
      for name in vi ex; do
        update-alternatives --install /usr/bin/$name $name /usr/bin/vim.tiny \${PRIO} || true
      done
      update-alternatives --install "$UNKNOWN" x /usr/bin/x 1
      update-alternatives --remove y /usr/bin/y`;
    const found = parseAlternatives(script);
    assert.deepEqual(
      found.map((a) => [a.link, a.name, a.path, a.priority, a.slaves.length]),
      [
        ["/usr/bin/awk", "awk", "/usr/bin/mawk", 5, 1],
        ["/usr/bin/vi", "vi", "/usr/bin/vim.tiny", 30, 0],
        ["/usr/bin/ex", "ex", "/usr/bin/vim.tiny", 30, 0],
      ],
    );
  });

  it("makes the accounts of sysusers.d and adduser", () => {
    const accounts = new Accounts();
    accounts.readMasters("root:*:0:0:root:/root:/bin/bash\n", "root:*:0:\nutmp:*:43:\n");
    accounts.readSysusers('u sshd 101 "SSH daemon" /run/sshd -\nm sshd utmp\ng render -\n# x\n');
    accounts.readScript(
      "USER=redis\nadduser --system --home /var/lib/redis \\\n --quiet --group $USER || true\n" +
        'adduser --system "$NAME"\n',
    );
    assert.deepEqual(accounts.users.get("sshd"), {
      name: "sshd",
      uid: 101,
      gid: 101,
      gecos: "SSH daemon",
      home: "/run/sshd",
      shell: "/usr/sbin/nologin",
    });
    assert.deepEqual(accounts.groups.get("utmp")?.members, ["sshd"]);
    const redis = accounts.users.get("redis")!;
    assert.equal(redis.home, "/var/lib/redis");
    assert.equal(redis.gid, accounts.groups.get("redis")!.gid);
    assert.equal(accounts.users.size, 3);
  });

  it("reads the applets of a busybox from its table", () => {
    const binary = Buffer.from("\x7fELF junk[\0 [\0[[\0ash\0cat\0sh\0", "latin1");
    assert.deepEqual(appletsOf(Buffer.concat([binary, Buffer.from([0, 0])])), [
      "[",
      "[[",
      "ash",
      "cat",
      "sh",
    ]);
    assert.deepEqual(appletsOf(Buffer.from("nothing here")), []);
  });
});
