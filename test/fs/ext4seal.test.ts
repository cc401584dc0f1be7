/**
 * Checksums of metadata are computed when it is written, once: what is read again before that is not
 * held against those it still has, and what reaches the disk has them all, journaled or not.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { failed } from "../../src/abi/errno.ts";
import { O_CREAT, O_RDWR } from "../../src/abi/fcntl.ts";
import { vfsOpen } from "../../src/vfs/open.ts";
import { Uio } from "../../src/vm/uio.ts";
import { freshImage, MemoryStore, mountStore, withTempDir } from "./ext4image.ts";
import { FileWorld } from "./ext4world.ts";

const FILES = 400;

class Scene extends FileWorld {
  readonly messages: readonly string[];

  constructor(store: MemoryStore) {
    super(16 << 20);
    const { result: fs, messages } = mountStore(store, "", false, this.pages);
    assert.ok(typeof fs !== "number", messages.join("; "));
    this.messages = messages;
    this.attach(fs);
  }

  /** Inodes go with their names: from now on all is read anew. */
  forget(): void {
    this.vfs.names.clear();
  }

  ok(r: number): void {
    assert.ok(r >= 0, `${r}: ${this.messages.join("; ")}`);
  }
}

/** A directory with an index, a file with more extents than its inode has room for, attributes in a block. */
function change(scene: Scene): void {
  scene.ok(scene.do({ op: "mkdir", path: "/d" }));
  for (let i = 0; i < FILES; i++) {
    scene.ok(scene.create(`/d/a-file-with-a-long-name-${i}`, 0o600));
    if (i % 50 === 0) scene.forget();
  }
  const fp = vfsOpen(scene.td, scene.ctx, "/mnt/holes", O_CREAT | O_RDWR, 0o644);
  assert.ok(!failed(fp));
  for (let i = 0; i < 60; i++)
    scene.ok(fp.pwrite(scene.td, Uio.kernel(Buffer.from("x")), i * 9000));
  scene.ok(fp.fsync(false));
  for (let i = 60; i < 80; i++)
    scene.ok(fp.pwrite(scene.td, Uio.kernel(Buffer.from("x")), i * 9000));
  fp.release();
  scene.ok(scene.do({ op: "setxattr", path: "/holes", name: "user.big", size: 700 }));
}

function look(scene: Scene): void {
  assert.equal(scene.names("/d").length, FILES);
  for (let i = 0; i < FILES; i++) {
    const at = scene.lookup(`/d/a-file-with-a-long-name-${i}`);
    assert.ok(!failed(at), `${i}: ${scene.messages.join("; ")}`);
    scene.vfs.release(at);
  }
  const at = scene.lookup("/holes");
  assert.ok(!failed(at));
  const value = at.entry.vnode!.getxattr("user.big");
  assert.ok(typeof value !== "number" && value.length === 700, String(value));
  const bytes = scene.readAt(at.entry.vnode!, 0, 79 * 9000 + 1);
  assert.ok(typeof bytes !== "number");
  for (let i = 0; i < 80; i++) assert.equal(bytes[i * 9000], 0x78);
  scene.vfs.release(at);
}

const kinds = {
  "with a journal": ["-t", "ext4", "-O", "metadata_csum"],
  "without a journal": ["-t", "ext4", "-O", "^has_journal,metadata_csum"],
  "with sums of groups only": ["-t", "ext4", "-O", "^metadata_csum,uninit_bg"],
  "with small inodes": ["-t", "ext4", "-I", "128", "-O", "metadata_csum"],
};

for (const [kind, options] of Object.entries(kinds)) {
  test(`${kind}, what changed is read before and after it is written, and e2fsck agrees`, () => {
    withTempDir((dir) => {
      const store = new MemoryStore(freshImage(dir, ["-b", "1024", ...options], 16384));
      const scene = new Scene(store);
      change(scene);
      scene.forget();
      look(scene);
      scene.ok(scene.do({ op: "commit" }));
      scene.forget();
      look(scene);
      for (let i = 0; i < FILES; i += 3) {
        scene.ok(scene.do({ op: "unlink", path: `/d/a-file-with-a-long-name-${i}` }));
        scene.forget();
      }
      scene.ok(scene.detach());
      assert.deepEqual(
        scene.messages.filter((m) => m.includes("error")),
        [],
      );
      const path = join(dir, "image");
      writeFileSync(path, store.bytes);
      execFileSync("e2fsck", ["-fn", path], { stdio: "pipe" });
    });
  });
}
