/** The name cache under pressure: bounded, and what is held stays. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ENOENT, failed } from "../../src/abi/errno.ts";
import { O_CREAT, O_RDONLY, O_RDWR } from "../../src/abi/fcntl.ts";
import { KernelClock } from "../../src/kern/clock.ts";
import { mkdir } from "../../src/vfs/create.ts";
import { FsContext } from "../../src/vfs/fscontext.ts";
import { NameCache } from "../../src/vfs/namecache.ts";
import { namei, pathString, WALK_FOLLOW } from "../../src/vfs/namei.ts";
import { rename, unlink } from "../../src/vfs/remove.ts";
import { Vfs } from "../../src/vfs/vfs.ts";
import { World } from "./harness.ts";

/** A world whose cache keeps `capacity` unused names. */
function crowded(capacity: number): { w: World; ctx: FsContext; names: NameCache } {
  const w = new World();
  const names = new NameCache(capacity);
  const vfs = new Vfs(new KernelClock(w.time), names);
  const mount = vfs.mounts.mount(w.newTmpfs(), null, 0, "tmpfs");
  assert.ok(!failed(mount));
  const root = { mount, entry: mount.root };
  return { w, ctx: new FsContext(vfs, root, root), names };
}

test("unused names are dropped, oldest first, and found again", () => {
  const { w, ctx, names } = crowded(20);
  for (let i = 0; i < 100; i++) mkdir(w.td, ctx, `d${i}`, 0o755, null);
  for (let i = 0; i < 100; i++) {
    assert.equal(namei(ctx, w.td, `missing${i}`, 0), ENOENT);
    assert.ok(names.unused <= 22, `${names.unused} unused`);
  }
  for (let i = 0; i < 100; i++) assert.ok(!failed(namei(ctx, w.td, `d${i}`, 0)), `d${i}`);
});

test("a held name outlives any pressure, with all its parents", () => {
  const { w, ctx, names } = crowded(4);
  for (const p of ["a", "a/b", "a/b/c"]) mkdir(w.td, ctx, p, 0o755, null);
  const at = namei(ctx, w.td, "a/b/c", 0);
  assert.ok(!failed(at));
  ctx.setCwd(at);
  for (let i = 0; i < 50; i++) namei(ctx, w.td, `/x${i}`, 0);
  names.clear();
  assert.equal(pathString(ctx.root, ctx.cwd), "/a/b/c");
  assert.equal(rename(w.td, ctx, "/a/b", null, "/z", null, 0), 0);
  assert.equal(pathString(ctx.root, ctx.cwd), "/z/c");
});

test("a negative name turns positive, and back", () => {
  const w = new World();
  assert.equal(namei(w.ctx, w.td, "f", WALK_FOLLOW), ENOENT);
  w.open("f", O_CREAT | O_RDWR).release();
  assert.ok(!failed(namei(w.ctx, w.td, "f", WALK_FOLLOW)));
  assert.equal(unlink(w.td, w.ctx, "f", null), 0);
  assert.equal(namei(w.ctx, w.td, "f", WALK_FOLLOW), ENOENT);
});

test("an unlinked file keeps its bytes until it is closed", () => {
  const w = new World();
  const free = w.pages.freePages;
  const fp = w.open("f", O_CREAT | O_RDWR);
  assert.equal(w.write(fp, "still here"), 10);
  assert.equal(unlink(w.td, w.ctx, "f", null), 0);
  assert.equal(pathString(w.ctx.root, fp.path!), "/f (deleted)");
  fp.seek(0, 0);
  assert.equal(w.read(fp, 100), "still here");
  assert.ok(w.pages.freePages < free);
  fp.release();
  assert.equal(w.pages.freePages, free);
});

test("a busy mount stays, and an idle one goes with all its pages", () => {
  const w = new World();
  const { td, ctx, vfs } = w;
  mkdir(td, ctx, "m", 0o755, null);
  const at = namei(ctx, td, "m", 0);
  assert.ok(!failed(at));
  const free = w.pages.freePages;
  const m = vfs.mounts.mount(w.newTmpfs(), at, 0, "x");
  assert.ok(!failed(m));
  const fp = w.open("m/f", O_CREAT | O_RDWR);
  w.write(fp, "x".repeat(20_000));
  assert.ok(vfs.mounts.unmount(m) < 0);
  fp.release();
  assert.equal(vfs.mounts.unmount(m), 0);
  assert.equal(namei(ctx, td, "m/f", 0), ENOENT);
  assert.equal(w.pages.freePages, free);
  assert.equal(w.open("m", O_RDONLY).readdir({ entry: () => true }), 0);
});
