/**
 * Somebody on the host swaps what lies in a share for symlinks to what lies
 * outside, as fast as he can, while the guest does all that it may in there:
 * nothing outside is read, changed or even touched.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as host from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { failed } from "../../src/abi/errno.ts";
import {
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
} from "../../src/abi/fcntl.ts";
import { chmod, truncate, utimes } from "../../src/vfs/attributes.ts";
import { link, mkdir, symlink } from "../../src/vfs/create.ts";
import { namei, WALK_FOLLOW } from "../../src/vfs/namei.ts";
import { vfsOpen } from "../../src/vfs/open.ts";
import { rename, rmdir, unlink } from "../../src/vfs/remove.ts";
import { Uio } from "../../src/vm/uio.ts";
import { ShareWorld } from "./shareworld.ts";

const SECRET = "CANARY: nobody may read this";
/** Swaps that the attacker must have done before the guest may rest; and the guest's own least. */
const SWAPS = 1000;
const ROUNDS = 500;
/** Long before that a working attacker and guest have met. */
const MAX_ROUNDS = 100_000;

/**
 * "d" is a directory with a file, then a symlink to the outside, then a FIFO, then a directory again;
 * "f" likewise. A line for every 100 swaps.
 */
const ATTACKER = `
  const fs = require("node:fs");
  const [, dir, outside] = process.argv;
  const at = (name) => dir + "/" + name;
  const quietly = (f) => { try { f(); } catch {} };
  const put = (name, make) => {
    quietly(() => fs.rmSync(at("." + name), { recursive: true, force: true }));
    quietly(() => make(at("." + name)));
    quietly(() => fs.renameSync(at(name), at(".old" + name)));
    quietly(() => fs.renameSync(at("." + name), at(name)));
    quietly(() => fs.rmSync(at(".old" + name), { recursive: true, force: true }));
  };
  for (let i = 0; ; i++) {
    put("d", (p) => { fs.mkdirSync(p); fs.writeFileSync(p + "/canary", "inside"); fs.mkdirSync(p + "/sub"); });
    put("d", (p) => fs.symlinkSync(outside, p));
    put("f", (p) => fs.writeFileSync(p, "inside"));
    put("f", (p) => fs.symlinkSync(outside + "/canary", p));
    put("d", (p) => fs.writeFileSync(p, "a file"));
    quietly(() => fs.unlinkSync(at("n")));
    quietly(() => fs.symlinkSync(outside + "/made", at("n")));
    quietly(() => fs.unlinkSync(at("n")));
    if (i % 20 === 0) fs.writeSync(1, "x");
  }
`;

/** Each is a thing that a guest may do; what comes of it is anybody's guess. */
function hammer(w: ShareWorld, i: number, read: (text: string) => void): void {
  const { td, ctx } = w;
  const look = (path: string, flags: number): void => {
    const fp = vfsOpen(td, ctx, path, flags, 0o666);
    if (failed(fp)) return;
    if (fp.isReadable) {
      const r = w.read(fp, 1000);
      if (typeof r === "string") read(r);
    }
    if (fp.isWritable) {
      fp.write(td, uioOf("GUEST WAS HERE"));
      fp.truncate(5, w.td);
      fp.fsync(false);
    }
    fp.release();
  };
  const at = (
    path: string,
    use: (p: ReturnType<ShareWorld["at"]>) => void,
    walk = WALK_FOLLOW,
  ): void => {
    const p = namei(ctx, td, path, walk);
    if (!failed(p)) use(w.vfs.hold(p));
    if (!failed(p)) w.vfs.release(p);
  };
  const t = { sec: 1, nsec: 0 };
  look("/s/d/canary", O_RDONLY);
  look("/s/f", O_RDONLY);
  look("/s/d/canary", O_RDWR);
  look("/s/f", O_WRONLY | O_TRUNC);
  look("/s/f", O_WRONLY | O_APPEND);
  look("/s/n", O_CREAT | O_RDWR);
  look(`/s/d/new${i % 7}`, O_CREAT | O_RDWR);
  look("/s/d/../f", O_RDWR);
  at("/s/f", (p) => chmod(p, td.cred, 0o777));
  at("/s/d", (p) => chmod(p, td.cred, 0o777));
  at("/s/d/canary", (p) => truncate(td, p, 1));
  at("/s/d/canary", (p) => utimes(p, td.cred, t, t, false));
  at("/s/d", (p) => utimes(p, td.cred, t, t, false));
  for (const path of ["/s/f", "/s/d", "/s/n"]) {
    at(path, (p) => utimes(p, td.cred, t, t, false), 0);
  }
  at("/s/f", (p) => link(td, ctx, p, `/s/link${i % 5}`, null));
  at("/s/d/canary", (p) => link(td, ctx, p, `/s/d/link${i % 5}`, null));
  look(`/s/link${i % 5}`, O_RDWR);
  mkdir(td, ctx, `/s/d/made${i % 3}`, 0o777, null);
  symlink(td, ctx, "/etc/passwd", `/s/d/sym${i % 3}`, null);
  rename(td, ctx, "/s/d/canary", null, `/s/stolen${i % 3}`, null, 0);
  look(`/s/stolen${i % 3}`, O_RDWR);
  rename(td, ctx, `/s/stolen${i % 3}`, null, "/s/d/canary", null, 0);
  unlink(td, ctx, "/s/d/canary", null);
  unlink(td, ctx, `/s/link${i % 5}`, null);
  rmdir(td, ctx, "/s/d/sub", null);
  const dir = vfsOpen(td, ctx, "/s/d", O_RDONLY | O_DIRECTORY, 0);
  if (!failed(dir)) {
    dir.readdir({
      entry(name) {
        read(name);
        return true;
      },
    });
    dir.fsync(false);
    dir.release();
  }
  // A working directory in what is about to be swapped away.
  at("/s/d", (p) => {
    ctx.setCwd(p);
    look("canary", O_RDWR);
    look("../f", O_RDWR);
    ctx.setCwd(ctx.root);
  });
}

function uioOf(text: string): Uio {
  return Uio.kernel(new TextEncoder().encode(text));
}

/** All that could be seen to have changed of a tree. */
function snapshot(dir: string): string {
  return host
    .readdirSync(dir)
    .sort()
    .concat(".")
    .map((name) => {
      const s = host.lstatSync(join(dir, name), { bigint: true });
      const text = s.isFile() ? host.readFileSync(join(dir, name), "utf8") : "";
      return `${name} ${s.mode} ${s.nlink} ${s.mtimeNs} ${s.ctimeNs} ${text}`;
    })
    .join("\n");
}

test("a guest reaches nothing outside its share while the host swaps directories for symlinks", async () => {
  const w = new ShareWorld();
  const outside = w.outside("outside");
  host.mkdirSync(outside);
  host.writeFileSync(join(outside, "canary"), SECRET);
  host.mkdirSync(join(outside, "sub"));
  const before = snapshot(outside);
  let attacker: ChildProcess | null = null;
  try {
    attacker = spawn(process.execPath, ["-e", ATTACKER, w.dir, outside], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const dead = once(attacker, "exit");
    let swaps = 0;
    attacker.stdout!.on("data", (d: Buffer) => {
      swaps += d.length * 100;
    });
    let inside = 0;
    let links = 0;
    const read = (text: string): void => {
      if (text.startsWith("inside")) inside++;
      assert.ok(!text.includes("CANARY"), "the guest read what is outside");
    };
    for (let i = 0; i < ROUNDS || swaps < SWAPS || inside === 0 || links === 0; i++) {
      hammer(w, i, read);
      const d = namei(w.ctx, w.td, "/s/d", 0);
      if (!failed(d) && !failed(d.entry.vnode!.readlink())) links++;
      if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      assert.equal(attacker.exitCode, null, "the attacker died");
      assert.ok(i < MAX_ROUNDS, `${swaps} swaps, ${inside} files and ${links} symlinks seen`);
    }
    attacker.kill("SIGKILL");
    await dead;
    assert.equal(snapshot(outside), before);
    w.vfs.names.clear();
    assert.equal(w.share.handles - w.hostfs.handles.idle, 1, "no handle is lost");
  } finally {
    attacker?.kill("SIGKILL");
    w.end();
  }
});
