/** Handles of files on ext4: kept across remounts, never another file's, and harmless whatever is in them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ESTALE, failed } from "../../src/abi/errno.ts";
import type { Ext4 } from "../../src/fs/ext4/ext4.ts";
import { type FileHandle, findHandle } from "../../src/vfs/filehandle.ts";
import { pathWithin } from "../../src/vfs/namei.ts";
import { Random } from "../fuzz/random.ts";
import { freshImage, MemoryStore, mountStore, withTempDir } from "./ext4image.ts";
import { FileWorld } from "./ext4world.ts";

class Scene extends FileWorld {
  readonly fs: Ext4;
  readonly messages: readonly string[];

  constructor(store: MemoryStore) {
    super();
    const { result: fs, messages } = mountStore(store, "", false, this.pages);
    assert.ok(typeof fs !== "number", messages.join("; "));
    this.fs = fs as Ext4;
    this.messages = messages;
    this.attach(fs);
  }

  handle(path: string): FileHandle {
    const at = this.lookup(path);
    assert.ok(!failed(at), path);
    const handle = this.fs.fileHandles.handleOf(at.entry.vnode!);
    this.vfs.release(at);
    this.vfs.names.clear();
    return handle;
  }

  /** Where the file of a handle is, in its file system; or an error. */
  find(handle: FileHandle): string | number {
    const top = this.lookup("");
    assert.ok(!failed(top));
    const at = findHandle(this.vfs, top.mount, handle);
    this.vfs.release(top);
    if (failed(at)) return at;
    const place = pathWithin(at.entry);
    this.vfs.release(at);
    this.vfs.names.clear();
    return place;
  }

  ok(r: number): void {
    assert.ok(r >= 0, `${r}: ${this.messages.join("; ")}`);
  }
}

test("a directory is found by its handle, also after a remount; a freed one is not, nor who has its number now", () => {
  withTempDir((dir) => {
    const store = new MemoryStore(freshImage(dir, ["-t", "ext4", "-O", "inline_data"], 16384));
    let scene = new Scene(store);
    let path = "";
    for (let depth = 0; depth < 60; depth++) {
      path += `/d${depth}`;
      scene.ok(scene.do({ op: "mkdir", path }));
    }
    for (let i = 0; i < 300; i++) scene.ok(scene.create(`/d0/a-name-that-takes-room-${i}`, 0o644));
    const deep = scene.handle(path);
    const file = scene.handle("/d0/a-name-that-takes-room-7");
    const root = scene.handle("");
    assert.equal(scene.find(deep), path);
    assert.equal(scene.find(root), "/");
    assert.equal(scene.find(file), "/", "a file has a place of its own");
    scene.ok(scene.detach());

    scene = new Scene(store);
    assert.equal(scene.find(deep), path);
    scene.ok(scene.do({ op: "rmdir", path }));
    assert.equal(scene.find(deep), ESTALE);
    const number = new DataView(deep.bytes.buffer).getUint32(0, true);
    for (let i = 0; i < 4; i++) scene.ok(scene.do({ op: "mkdir", path: `/d0/again${i}` }));
    const again = [0, 1, 2, 3].map((i) => scene.handle(`/d0/again${i}`));
    const same = again.some((h) => new DataView(h.bytes.buffer).getUint32(0, true) === number);
    assert.ok(same, "a new directory has the number");
    assert.equal(scene.find(deep), ESTALE);
    scene.ok(scene.detach());
  });
});

test("any bytes are a handle of a file or a stale one, and the volume is none the worse", () => {
  withTempDir((dir) => {
    const store = new MemoryStore(freshImage(dir, ["-t", "ext4", "-N", "512"], 8192));
    const scene = new Scene(store);
    for (let i = 0; i < 40; i++) scene.ok(scene.do({ op: "mkdir", path: `/d${i}` }));
    const random = new Random(5);
    let found = 0;
    for (let i = 0; i < 3000; i++) {
      const bytes = new Uint8Array(random.below(17));
      for (let k = 0; k < bytes.length; k++) bytes[k] = random.oneIn(2) ? 0 : random.below(256);
      const r = scene.find({ type: random.below(4), bytes });
      if (typeof r === "string") found++;
      else assert.equal(r, ESTALE);
    }
    assert.ok(found > 0);
    assert.ok(!scene.fs.isReadOnly);
    assert.deepEqual(
      scene.messages.filter((m) => m.includes("error")),
      [],
    );
    scene.ok(scene.detach());
  });
});
