/**
 * Random operations on names through an overlay of ours and the host's: every
 * answer, what the overlay shows, and what its layers hold in the end must agree.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { failed } from "../../src/abi/errno.ts";
import { S_IFCHR, S_IFDIR, S_IFLNK, S_IFREG } from "../../src/abi/stat.ts";
import { mkdir } from "../../src/vfs/create.ts";
import { namei } from "../../src/vfs/namei.ts";
import { World } from "./harness.ts";
import { type Op, onOurs, operation } from "./nameops.ts";
import { DIRECTORIES, OPTIONS, type OverlayResult, type OverlayRun } from "./overlayhost.ts";
import { mountOverlay, pathOf } from "./overlaymount.ts";

/** Few names, few levels: so that most operations meet something. */
const path = fc
  .array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join("/"));
const size = fc.integer({ min: 0, max: 9000 });

const making: fc.Arbitrary<Op> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant("mkdir" as const), path }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant("create" as const), path, size }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("symlink" as const), path, to: path }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("link" as const), path, to: path }) },
);
const changing: fc.Arbitrary<Op> = fc.oneof(
  { weight: 4, arbitrary: making },
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constantFrom("unlink" as const, "rmdir" as const), path }),
  },
  { weight: 3, arbitrary: fc.record({ op: fc.constant("rename" as const), path, to: path }) },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constantFrom("write" as const, "read" as const), path, size }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("truncate" as const), path, size }) },
  { weight: 1, arbitrary: operation },
);

const run: fc.Arbitrary<OverlayRun> = fc.record({
  lower: fc.tuple(
    fc.array(making, { minLength: 5, maxLength: 30 }),
    fc.array(making, { minLength: 5, maxLength: 30 }),
  ),
  before: fc.array(changing, { minLength: 10, maxLength: 60 }),
  after: fc.array(changing, { minLength: 5, maxLength: 40 }),
});

/**
 * Where the host's overlayfs can be had: as root, or in a user name space, and on a
 * tmpfs that has user attributes (Linux 6.6), which opaque directories need.
 */
function unshare(): readonly string[] | null {
  const how = process.getuid?.() === 0 ? ["-m"] : ["-r", "-m"];
  const script =
    "mount -t tmpfs t /tmp && cd /tmp && mkdir a b c d a/x && " +
    "mount -t overlay o -o lowerdir=a,upperdir=b,workdir=c,userxattr d && rmdir d/x && mkdir d/x";
  return spawnSync("unshare", [...how, "sh", "-c", script]).status === 0 ? how : null;
}

function onTheHost(how: readonly string[], runs: readonly OverlayRun[]): OverlayResult[] {
  const top = mkdtempSync(join(tmpdir(), "overlay-"));
  try {
    const script = join(import.meta.dirname, "overlayhost.ts");
    const args = [...how, process.execPath, script, "run", top];
    const done = spawnSync("unshare", args, {
      input: JSON.stringify(runs),
      encoding: "utf8",
      maxBuffer: 1 << 28,
    });
    assert.equal(done.status, 0, done.stderr);
    return JSON.parse(done.stdout) as OverlayResult[];
  } finally {
    rmdirSync(top);
  }
}

class OverlayWorld extends World {
  tree(path: string, below = ""): string[] {
    const lines: string[] = [];
    const top = pathOf(this, below === "" ? path : `${path}/${below}`).entry.vnode!;
    const names: string[] = [];
    const types = new Map<string, number>();
    const r = top.readdir(0, {
      entry(name, _ino, type) {
        if (name !== "." && name !== "..") names.push(name);
        types.set(name, type);
        return true;
      },
    });
    assert.equal(r, 0);
    for (const name of names.sort()) {
      const at = below === "" ? name : `${below}/${name}`;
      const found = namei(this.ctx, this.td, `${path}/${at}`, 0);
      assert(!failed(found), at);
      const vp = found.entry.vnode!;
      assert.equal(vp.type, types.get(name), "d_type");
      const a = vp.getattr();
      assert(!failed(a));
      if (vp.type === S_IFDIR) lines.push(`${at} dir`, ...this.tree(path, at));
      else if (vp.type === S_IFLNK) lines.push(`${at} -> ${vp.readlink()}`);
      else if (vp.type === S_IFREG) lines.push(`${at} ${a.nlink} ${a.sizeBytes}`);
      else lines.push(`${at} ${vp.type === S_IFCHR ? "char" : "other"} ${a.rdev}`);
    }
    return lines;
  }
}

function onOverlay(o: OverlayRun): OverlayResult {
  const w = new OverlayWorld(undefined, 8 << 20);
  const base = "/0/w/x/y/z";
  let made = "";
  for (const part of base.slice(1).split("/")) {
    made += `/${part}`;
    mkdir(w.td, w.ctx, made, 0o777, null);
  }
  for (const d of DIRECTORIES) mkdir(w.td, w.ctx, `${base}/${d}`, 0o777, null);
  const answers: string[] = [];
  const doAll = (dir: string, ops: readonly Op[]): void => {
    w.ctx.setCwd(pathOf(w, `${base}/${dir}`));
    for (const op of ops) answers.push(onOurs(w, op));
    w.ctx.setCwd(w.ctx.root);
  };
  for (const [i, ops] of o.lower.entries()) doAll(DIRECTORIES[i]!, ops);
  for (const ops of [o.before, o.after]) {
    w.ctx.setCwd(pathOf(w, base));
    const mount = mountOverlay(w, OPTIONS, "m");
    doAll("m", ops);
    answers.push(...w.tree(`${base}/m`));
    assert.equal(w.vfs.mounts.unmount(mount), 0, "nothing keeps the overlay busy");
  }
  const trees = Object.fromEntries(DIRECTORIES.map((d) => [d, w.tree(`${base}/${d}`)]));
  return { answers, trees };
}

const how = unshare();
const skip = how ? false : "the host has no overlayfs with user attributes";

test("an overlay behaves as the host's does", { skip }, () => {
  const seed = Number(process.env["VFS_SEED"] ?? 20261121);
  const runs = fc.sample(run, { numRuns: Number(process.env["VFS_RUNS"] ?? 60), seed });
  const theirs = onTheHost(how!, runs);
  for (const [i, o] of runs.entries()) {
    assert.deepEqual(onOverlay(o), theirs[i], `run ${i} of seed ${seed}`);
  }
});
