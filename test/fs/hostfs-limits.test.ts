/** What a share may take of the host, descriptors above all, and what is answered when there is no more. */
import assert from "node:assert/strict";
import * as host from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { EINVAL, EMFILE, ENFILE, ENOMEM, ESTALE, failed } from "../../src/abi/errno.ts";
import {
  O_APPEND,
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
} from "../../src/abi/fcntl.ts";
import { Handles } from "../../src/fs/hostfs/handles.ts";
import type { Share } from "../../src/platform/share.ts";
import { mkdir } from "../../src/vfs/create.ts";
import { vfsOpen } from "../../src/vfs/open.ts";
import { rename } from "../../src/vfs/remove.ts";
import { inShare, instead } from "./shareworld.ts";

test("a handful of descriptors does for a large tree, and a deep one", () => {
  inShare((w) => {
    Object.defineProperty(w.hostfs, "handles", { value: new Handles(8) });
    let deep = "/s";
    for (let i = 0; i < 40; i++) {
      deep += "/d";
      assert.equal(mkdir(w.td, w.ctx, deep, 0o755, null), 0);
      for (const name of ["a", "b", "c"]) w.open(`${deep}/${name}`, O_CREAT | O_RDWR).release();
    }
    assert.ok(w.share.handles <= 10, `${w.share.handles} handles`);
    w.ctx.setCwd(w.at(deep));
    for (let i = 0; i < 40; i++) mkdir(w.td, w.ctx, `/s/other${i}`, 0o755, null);
    // The working directory's handle is long closed, and found again.
    w.open("new", O_CREAT | O_RDWR).release();
    assert.ok(host.existsSync(join(w.dir, `${"d/".repeat(40)}new`)));
    assert.equal(rename(w.td, w.ctx, "new", null, "/s/other3/new", null, RENAME_NOREPLACE), 0);
    assert.equal(rename(w.td, w.ctx, "a", null, "b", null, RENAME_EXCHANGE), EINVAL);
    host.renameSync(join(w.dir, "d"), join(w.dir, "moved"));
    for (let i = 0; i < 40; i++) w.names(`/s/other${i}`);
    assert.equal(vfsOpen(w.td, w.ctx, "lost", O_CREAT | O_RDWR, 0o644), ESTALE);
    host.mkdirSync(join(w.dir, "d/".repeat(40)), { recursive: true });
    assert.equal(vfsOpen(w.td, w.ctx, "lost", O_CREAT | O_RDWR, 0o644), ESTALE);
    assert.ok(w.share.handles <= 10, `${w.share.handles} handles`);
    w.ctx.setCwd(w.ctx.root);
  });
});

test("a host that runs out of descriptors is asked for fewer", () => {
  let handles = (): number => 0;
  const wrap = (share: Share): Share => {
    const most = (open: () => number): number => (handles() >= 20 ? EMFILE : open());
    return instead(share, {
      find: (dir, name) => most(() => share.find(dir, name)),
      open: (handle, how) => most(() => share.open(handle, how)),
      create: (dir, name, mode) => most(() => share.create(dir, name, mode)),
    });
  };
  inShare(
    (w) => {
      handles = () => w.share.handles;
      const dirs = Array.from({ length: 30 }, (_, i) => `/s/d${i}`);
      for (const dir of dirs) {
        assert.equal(mkdir(w.td, w.ctx, dir, 0o755, null), 0);
        w.open(`${dir}/f`, O_CREAT | O_RDWR).release();
        assert.deepEqual(w.names(dir), ["f"]);
      }
      for (const dir of dirs) w.open(`${dir}/f`, O_WRONLY | O_APPEND).release();
      const open = [];
      for (const dir of dirs) {
        const fp = vfsOpen(w.td, w.ctx, `${dir}/f`, O_RDONLY, 0);
        if (failed(fp)) assert.equal(fp, ENFILE);
        else open.push(fp);
      }
      assert.ok(open.length >= 10 && open.length < 20, `${open.length} files open`);
      for (const fp of open) fp.release();
      assert.equal(w.text("/s/d29/f"), "");
    },
    { wrap },
  );
});

test("too many open files are ENFILE, and closing them makes room", () => {
  inShare((w) => {
    Object.defineProperty(w.hostfs, "handles", { value: new Handles(4, 10) });
    for (let i = 0; i < 12; i++) host.writeFileSync(join(w.dir, `f${i}`), String(i));
    const open = Array.from({ length: 10 }, (_, i) => w.open(`/s/f${i}`, O_RDONLY));
    assert.equal(vfsOpen(w.td, w.ctx, "/s/f11", O_RDONLY, 0), ENFILE);
    open.pop()!.release();
    assert.equal(w.text("/s/f11"), "11");
    for (const fp of open) fp.release();
    assert.ok(w.share.handles <= 5);
  });
});

test("a directory with more names than the kernel has memory for is ENOMEM, and costs nothing", () => {
  inShare((w) => {
    for (let i = 0; i < 300; i++) host.writeFileSync(join(w.dir, `file${i}`), "");
    const { kmem } = w.pages;
    const used = kmem.usedBytes;
    kmem.owe(kmem.limitBytes - used - 10_000);
    const fp = w.open("/s", O_RDONLY);
    const names: string[] = [];
    const sink = { entry: (name: string) => names.push(name) > 0 };
    assert.equal(fp.readdir(sink), ENOMEM);
    assert.deepEqual(names, [".", ".."]);
    assert.equal(kmem.usedBytes, kmem.limitBytes - 10_000);
    kmem.give(kmem.limitBytes - used - 10_000);
    assert.equal(fp.readdir(sink), 0);
    assert.equal(names.length, 302);
    fp.release();
  });
});
