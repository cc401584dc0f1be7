/** Names and attributes of hostfs: what the guest does shows on the host, and the other way round. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as host from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { EACCES, EINVAL, ENAMETOOLONG, ENOENT, ENXIO, EPERM, EROFS } from "../../src/abi/errno.ts";
import { O_APPEND, O_CREAT, O_RDONLY, O_RDWR, O_WRONLY } from "../../src/abi/fcntl.ts";
import { S_IFIFO } from "../../src/abi/stat.ts";
import { openShare } from "../../src/hosts/node/share/share.ts";
import { chmod, chown, utimes } from "../../src/vfs/attributes.ts";
import { link, mkdir, mknod, symlink } from "../../src/vfs/create.ts";
import { vfsOpen } from "../../src/vfs/open.ts";
import { rmdir, unlink } from "../../src/vfs/remove.ts";
import { Uio } from "../../src/vm/uio.ts";
import { onHost, onOurs, operation } from "../vfs/nameops.ts";
import { inShare, ShareWorld } from "./shareworld.ts";

/** A tree as one text: names, types, modes, sizes, links, targets. */
function tree(dir: string): string {
  const lines: string[] = [];
  const visit = (at: string, shown: string): void => {
    for (const name of host.readdirSync(at).sort()) {
      const s = host.lstatSync(join(at, name));
      const what = s.isSymbolicLink()
        ? `-> ${host.readlinkSync(join(at, name))}`
        : s.isFile()
          ? `${s.size} ${s.nlink}`
          : "";
      lines.push(`${shown}${name} ${s.mode.toString(8)} ${what}`);
      if (s.isDirectory()) visit(join(at, name), `${shown}${name}/`);
    }
  };
  visit(dir, "");
  return lines.join("\n");
}

test("random operations on names have the results, and leave the tree, that they have on the host", () => {
  const top = host.mkdtempSync(join(tmpdir(), "share-"));
  const mask = process.umask(0);
  let run = 0;
  const w = new ShareWorld();
  w.ctx.umask = 0;
  try {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 10, maxLength: 60 }), (ops) => {
        const number = String(run++);
        const base = join(top, number, "w", "x", "y", "z");
        const shared = join(w.dir, number, "w", "x", "y", "z");
        for (const dir of [base, shared]) host.mkdirSync(dir, { recursive: true });
        w.ctx.setCwd(w.at(`/s/${number}/w/x/y/z`));
        for (const o of ops) assert.equal(onOurs(w, o), onHost(base, o), JSON.stringify(o));
        w.ctx.setCwd(w.ctx.root);
        assert.equal(tree(join(w.dir, number)), tree(join(top, number)));
      }),
      { numRuns: Number(process.env["VFS_RUNS"] ?? 60) },
    );
    w.vfs.names.clear();
    assert.equal(w.share.handles, 1, "the root's handle alone is left");
    assert.equal(w.hostfs.nodes, 1);
  } finally {
    process.umask(mask);
    w.end();
    host.rmSync(top, { recursive: true, force: true });
  }
});

test("names are bytes: newlines, what is no UTF-8, 255 of them; and never more than one component", () => {
  inShare((w) => {
    const names = ["new\nline", "\xff\xfe", "caf\xc3\xa9", " ", "-rf", "\x01\x7f", "x".repeat(255)];
    for (const name of names) {
      const fp = w.open(`/s/${name}`, O_CREAT | O_RDWR);
      assert.equal(w.write(fp, name.slice(0, 1)), 1 + Number(name.charCodeAt(0) > 127));
      fp.release();
    }
    const onHost = host.readdirSync(w.dir, "latin1").sort();
    assert.deepEqual(onHost, [...names].sort());
    assert.deepEqual(w.names("/s"), [...names].sort());
    for (const name of names) assert.equal(unlink(w.td, w.ctx, `/s/${name}`, null), 0);
    assert.deepEqual(host.readdirSync(w.dir), []);
    assert.equal(mkdir(w.td, w.ctx, `/s/${"x".repeat(256)}`, 0o755, null), ENAMETOOLONG);
    const { share } = w;
    for (const name of ["", ".", "..", "a/b", "/", "../x", "a\0b", "\0"]) {
      assert.equal(share.statAt(share.root, name), EINVAL);
      assert.equal(share.find(share.root, name), EINVAL);
      assert.equal(share.create(share.root, name, 0o644), EINVAL);
      assert.equal(share.mkdir(share.root, name, 0o755), EINVAL);
      assert.equal(share.unlink(share.root, name), EINVAL);
      assert.equal(share.rename(share.root, "a", share.root, name), EINVAL);
    }
  });
});

test("symlinks lead about in the guest's tree; devices, FIFOs and sockets are seen and not opened", async () => {
  const w = new ShareWorld();
  try {
    host.writeFileSync(w.outside("secret"), "secret");
    host.symlinkSync(w.outside("secret"), join(w.dir, "abs"));
    host.symlinkSync("../secret", join(w.dir, "rel"));
    host.symlinkSync("/proc/self/fd/0", join(w.dir, "magic"));
    for (const name of ["abs", "rel", "magic"]) {
      assert.equal(vfsOpen(w.td, w.ctx, `/s/${name}`, O_RDONLY, 0), ENOENT, name);
      assert.equal(vfsOpen(w.td, w.ctx, `/s/${name}/x`, O_CREAT | O_WRONLY, 0o644), ENOENT, name);
    }
    assert.equal(w.at("/s/rel").entry.vnode!.readlink(), "../secret");
    execFileSync("mkfifo", [join(w.dir, "fifo")]);
    const server = createServer().listen(join(w.dir, "socket"));
    await new Promise((resolve) => server.once("listening", resolve));
    for (const name of ["fifo", "socket"]) {
      assert.equal(vfsOpen(w.td, w.ctx, `/s/${name}`, O_RDONLY, 0), ENXIO, name);
      assert.equal(vfsOpen(w.td, w.ctx, `/s/${name}`, O_WRONLY, 0), ENXIO, name);
    }
    server.close();
    assert.equal(mknod(w.td, w.ctx, "/s/new", S_IFIFO | 0o644, 0, null), EPERM);
  } finally {
    w.end();
  }
});

test("a /proc is not entered, whatever is shared: the machine's own process is in it", () => {
  const share = openShare("/", true);
  assert(typeof share !== "string");
  const stat = share.statAt(share.root, "proc");
  assert(typeof stat !== "number");
  assert.equal(share.find(share.root, "proc"), EACCES);
  assert.equal(share.handles, 1);
  share.end();
  assert.equal(typeof openShare("/proc/self", true), "string");
});

test("all is owned by whom the share says, nobody gives it away, and set-id bits never reach the host", () => {
  inShare(
    (w) => {
      host.writeFileSync(join(w.dir, "f"), "");
      host.chmodSync(join(w.dir, "f"), 0o4755);
      const a = w.attr("/s/f");
      assert.deepEqual([a.uid, a.gid, a.mode & 0o7777], [1000, 100, 0o755]);
      assert.equal(chmod(w.at("/s/f"), w.td.cred, 0o6711), 0);
      assert.equal(host.statSync(join(w.dir, "f")).mode & 0o7777, 0o711);
      assert.equal(chown(w.at("/s/f"), w.td.cred, 1000, -1), 0);
      assert.equal(chown(w.at("/s/f"), w.td.cred, 0, 0), EPERM);
      w.open("/s/g", O_CREAT | O_RDWR, 0o4777).release();
      assert.equal(host.statSync(join(w.dir, "g")).mode & 0o7777, 0o777 & ~w.ctx.umask);
      assert.equal(host.statSync(join(w.dir, "g")).uid, process.getuid!());
    },
    { uid: 1000, gid: 100 },
  );
});

test("times are set on files and on symlinks themselves, to a microsecond", () => {
  inShare((w) => {
    host.writeFileSync(join(w.dir, "f"), "");
    host.symlinkSync("f", join(w.dir, "l"));
    const wanted = [
      { sec: 1_000_000_000, nsec: 123_456_789 },
      { sec: 0, nsec: 0 },
      { sec: -5, nsec: 250_000_000 },
      { sec: 2_000_000_000, nsec: 999_999_999 },
    ];
    for (const t of wanted) {
      for (const name of ["f", "l"]) {
        assert.equal(utimes(w.at(`/s/${name}`), w.td.cred, t, t, false), 0);
        const s = host.lstatSync(join(w.dir, name), { bigint: true });
        const early = BigInt(t.sec) * 1_000_000_000n + BigInt(t.nsec) - s.mtimeNs;
        assert.ok(
          early >= 0n && early <= 1000n,
          `${name} ${JSON.stringify(t)} is ${early} ns early`,
        );
        assert.equal(w.attr(`/s/${name}`).mtime.sec, t.sec);
      }
    }
    assert.equal(utimes(w.at("/s/f"), w.td.cred, null, wanted[0]!, false), 0);
    assert.equal(w.attr("/s/f").mtime.sec, wanted[0]!.sec);
    assert.equal(w.attr("/s/f").atime.sec, wanted[3]!.sec);
  });
});

test("a read-only share is EROFS for everything, in the file system as in the host's half of it", () => {
  inShare(
    (w) => {
      host.mkdirSync(join(w.dir, "d"));
      host.writeFileSync(join(w.dir, "f"), "text");
      const before = tree(w.dir);
      const { td, ctx } = w;
      const { cred } = td;
      const f = w.at("/s/f").entry.vnode!;
      const d = w.at("/s/d").entry.vnode!;
      const root = w.at("/s").entry.vnode!;
      assert.equal(w.text("/s/f"), "text");
      assert.equal(w.hostfs.remount(false, ""), EROFS);
      assert.equal(vfsOpen(td, ctx, "/s/f", O_RDWR, 0), EROFS);
      assert.equal(vfsOpen(td, ctx, "/s/new", O_CREAT | O_RDWR, 0o644), EROFS);
      assert.equal(chmod(w.at("/s/f"), cred, 0o600), EROFS);
      // And past all that the vfs checks:
      assert.equal(root.mknod("x", 0o100644, 0, cred), EROFS);
      assert.equal(root.mkdir("x", 0o755, cred), EROFS);
      assert.equal(root.symlink("x", "y", cred), EROFS);
      assert.equal(root.link("x", f), EROFS);
      assert.equal(root.unlink("f", f), EROFS);
      assert.equal(root.rmdir("d", d), EROFS);
      assert.equal(root.rename("f", f, root, "x", null, 0), EROFS);
      assert.equal(f.write(td, Uio.kernel(new Uint8Array(1)), 0), EROFS);
      for (const change of [{ mode: 0o600 }, { sizeBytes: 0 }, { mtime: { sec: 1, nsec: 0 } }]) {
        assert.equal(f.setattr(change), EROFS);
      }
      const { share } = w;
      const handle = share.find(share.root, "f");
      for (const how of [1, 2, 3]) assert.equal(share.open(handle, how), EROFS);
      const reader = share.open(handle, 0);
      assert.equal(share.write(reader, 0, new Uint8Array(1)), EROFS);
      assert.equal(share.append(reader, new Uint8Array(1)), EROFS);
      assert.equal(share.truncate(reader, 0), EROFS);
      assert.equal(share.chmod(handle, 0o600), EROFS);
      assert.equal(share.create(share.root, "x", 0o644), EROFS);
      assert.equal(share.unlink(share.root, "f"), EROFS);
      assert.equal(share.rename(share.root, "f", share.root, "x"), EROFS);
      assert.equal(tree(w.dir), before);
    },
    { isReadOnly: true },
  );
});

test("a listing meets every name that stays exactly once, while others come and go", () => {
  inShare((w) => {
    for (let i = 0; i < 400; i++) host.writeFileSync(join(w.dir, `stay${i}`), "");
    for (let i = 0; i < 200; i++) host.writeFileSync(join(w.dir, `go${i}`), "");
    const fp = w.open("/s", O_RDONLY);
    const seen = new Map<string, number>();
    for (let round = 0; ; round++) {
      let taken = 0;
      fp.readdir({
        entry(name) {
          if (taken === 37) return false;
          taken++;
          seen.set(name, (seen.get(name) ?? 0) + 1);
          return true;
        },
      });
      if (taken === 0) break;
      for (let i = 0; i < 10; i++) {
        unlink(w.td, w.ctx, `/s/go${round * 10 + i}`, null);
        w.open(`/s/come${round * 10 + i}`, O_CREAT | O_RDWR).release();
      }
      if (round % 3 === 0) w.names("/s");
    }
    fp.release();
    for (let i = 0; i < 400; i++) assert.equal(seen.get(`stay${i}`), 1, `stay${i}`);
    for (const [name, times] of seen) assert.equal(times, 1, name);
  });
});

test("hard links are one file under each of its names", () => {
  inShare((w) => {
    host.writeFileSync(join(w.dir, "a"), "one");
    assert.equal(link(w.td, w.ctx, w.at("/s/a"), "/s/b", null), 0);
    host.linkSync(join(w.dir, "a"), join(w.dir, "c"));
    assert.equal(w.at("/s/a").entry.vnode, w.at("/s/c").entry.vnode);
    assert.equal(w.attr("/s/b").nlink, 3);
    const fp = w.open("/s/c", O_WRONLY | O_APPEND);
    w.write(fp, " more");
    fp.release();
    for (const name of ["a", "b", "c"]) {
      assert.equal(w.text(`/s/${name}`), "one more");
      assert.equal(unlink(w.td, w.ctx, `/s/${name}`, null), 0);
    }
    assert.equal(symlink(w.td, w.ctx, "nowhere", "/s/l", null), 0);
    assert.equal(link(w.td, w.ctx, w.at("/s/l"), "/s/m", null), 0);
    assert.equal(host.readlinkSync(join(w.dir, "m")), "nowhere");
    assert.equal(mkdir(w.td, w.ctx, "/s/dir", 0o700, null), 0);
    assert.equal(rmdir(w.td, w.ctx, "/s/dir", null), 0);
  });
});
