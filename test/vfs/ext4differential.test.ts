/**
 * Random sequences of operations on names and files, done on an ext4 of ours and
 * on the host's own file system: every result must agree, and e2fsck find nothing.
 */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import * as host from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { failed } from "../../src/abi/errno.ts";
import { mkdir } from "../../src/vfs/create.ts";
import { namei } from "../../src/vfs/namei.ts";
import { MemoryStore, mountStore } from "../fs/ext4image.ts";
import { World } from "./harness.ts";
import { onHost, onOurs, operation, removeAll } from "./nameops.ts";

function newVolume(dir: string): Uint8Array {
  const image = join(dir, "empty.img");
  const options = ["-q", "-F", "-t", "ext4", "-b", "1024", "-N", "512", "-O", "inline_data"];
  execFileSync("mke2fs", [...options, image, "4096k"], { stdio: ["ignore", "ignore", "pipe"] });
  return new Uint8Array(host.readFileSync(image));
}

test("names, links, renames and files on ext4 behave as the host's do", () => {
  const top = host.mkdtempSync(join(tmpdir(), "vfs-ext4-"));
  const empty = newVolume(top);
  let run = 0;
  try {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 10, maxLength: 60 }), (ops) => {
        const base = join(top, String(run++), "w", "x", "y", "z");
        host.mkdirSync(base, { recursive: true });
        const w = new World(undefined, 4 << 20);
        mkdir(w.td, w.ctx, "m", 0o755, null);
        const place = namei(w.ctx, w.td, "m", 0);
        assert(!failed(place));
        const bytes = empty.slice();
        const { result: fs } = mountStore(new MemoryStore(bytes), "", false, w.pages);
        assert(typeof fs !== "number");
        const mount = w.vfs.mounts.mount(fs, place, 0, "vkd0");
        assert(!failed(mount));
        for (const p of ["m/w", "m/w/x", "m/w/x/y", "m/w/x/y/z"]) {
          assert.equal(mkdir(w.td, w.ctx, p, 0o777, null), 0);
        }
        const at = namei(w.ctx, w.td, "m/w/x/y/z", 0);
        assert(!failed(at));
        w.ctx.setCwd(at);
        for (const o of ops) {
          const theirs = onHost(base, o);
          assert.equal(onOurs(w, o), theirs, JSON.stringify(o));
        }
        w.ctx.setCwd(w.ctx.root);
        if (run % 2 === 0) removeAll(w, "m/w");
        w.vfs.names.clear();
        assert.equal(fs.unmount(), 0);
        if (run % 4 === 0) {
          const image = join(top, "after.img");
          host.writeFileSync(image, bytes);
          const check = spawnSync("e2fsck", ["-fn", image]);
          assert.equal(check.status, 0, check.stdout.toString());
        }
      }),
      { numRuns: Number(process.env["VFS_RUNS"] ?? 80) },
    );
  } finally {
    host.rmSync(top, { recursive: true, force: true });
  }
});
