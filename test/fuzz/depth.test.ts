/** What a program can pile up deep: neither the stack nor the time of the kernel runs out. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { ELOOP, failed } from "../../src/abi/errno.ts";
import { Tmpfs } from "../../src/fs/tmpfs/tmpfs.ts";
import { EpollFile } from "../../src/vfs/epoll.ts";
import { namei, WALK_FOLLOW } from "../../src/vfs/namei.ts";
import { TestKernel } from "../harness/kernel.ts";

const OPTIONS = { pages: null, inodes: null, mode: 0o755, uid: null, gid: null };
const POLLIN = 1;
/** Going each way by itself would take hours. */
const SLOW_MS = 100_000;
const EPOLLS_IN_LAYER = 40;

it("as many mounts as there may be, one on the other, come off at once", () => {
  const kernel = new TestKernel(64);
  const { init } = kernel;
  const { vfs, pages } = kernel.kernel;
  const before = vfs.mounts.all.length;
  const place = namei(init.fs, init, "/tmp", WALK_FOLLOW);
  assert.ok(!failed(place));
  const lowest = place.mount;
  let at = place;
  for (;;) {
    const m = vfs.mounts.mount(new Tmpfs(vfs, pages, OPTIONS), at, 0, "none");
    if (failed(m)) break;
    at = { mount: m, entry: m.root };
  }
  assert.ok(vfs.mounts.all.length > 1000);
  assert.ok(!failed(namei(init.fs, init, "/tmp", WALK_FOLLOW)));
  vfs.mounts.detach(lowest);
  assert.equal(vfs.mounts.all.length, before - 1);
});

it("epolls that watch each other in many ways are judged in time", () => {
  const { init, kernel } = new TestKernel(64);
  const attr = kernel.vfs.mounts.all[0]!.root.vnode!.getattr();
  assert.ok(!failed(attr));
  const layers = Array.from({ length: 5 }, () =>
    Array.from({ length: EPOLLS_IN_LAYER }, () => new EpollFile(attr)),
  );
  const start = performance.now();
  for (let i = 0; i + 1 < layers.length; i++) {
    for (const upper of layers[i]!) {
      for (const [fd, lower] of layers[i + 1]!.entries()) upper.add(init, fd, lower, POLLIN, 0, 0);
    }
  }
  const [top] = layers[0]!;
  const [bottom] = layers.at(-1)!;
  assert.equal(bottom!.add(init, 99, top!, POLLIN, 0, 0), ELOOP);
  assert.ok(performance.now() - start < SLOW_MS);
});
