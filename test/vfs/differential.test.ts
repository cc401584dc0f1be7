/**
 * Random sequences of operations on names, done on a tmpfs of ours and on the
 * host's own file system: every result and the tree that remains must agree.
 */
import assert from "node:assert/strict";
import * as host from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { failed } from "../../src/abi/errno.ts";
import { mkdir } from "../../src/vfs/create.ts";
import { namei } from "../../src/vfs/namei.ts";
import { World } from "./harness.ts";
import { onHost, onOurs, operation, removeAll } from "./nameops.ts";

test("names, links, renames and files behave as the host's do", () => {
  const top = host.mkdtempSync(join(tmpdir(), "vfs-"));
  let run = 0;
  try {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 10, maxLength: 60 }), (ops) => {
        // Two levels below a directory of its own, so that ".." stays inside on both sides.
        const base = join(top, String(run++), "w", "x", "y", "z");
        host.mkdirSync(base, { recursive: true });
        const w = new World(undefined, 4 << 20);
        for (const p of ["w", "w/x", "w/x/y", "w/x/y/z"]) mkdir(w.td, w.ctx, p, 0o777, null);
        const at = namei(w.ctx, w.td, "w/x/y/z", 0);
        assert(!failed(at));
        w.ctx.setCwd(at);
        const free = w.pages.freePages;
        for (const o of ops) {
          const theirs = onHost(base, o);
          const ours = onOurs(w, o);
          assert.equal(ours, theirs, JSON.stringify(o));
        }
        w.ctx.setCwd(w.ctx.root);
        removeAll(w, "w");
        assert.equal(w.pages.freePages, free, "pages of removed files are free again");
      }),
      { numRuns: Number(process.env["VFS_RUNS"] ?? 150) },
    );
  } finally {
    host.rmSync(top, { recursive: true, force: true });
  }
});
