/** A file's blocks cannot be written: who hears of it on ext4, how often, and that nothing is lost by it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EIO, failed } from "../../src/abi/errno.ts";
import { O_CREAT, O_DIRECT, O_RDWR, O_SYNC } from "../../src/abi/fcntl.ts";
import type { File } from "../../src/vfs/file.ts";
import { vfsOpen } from "../../src/vfs/open.ts";
import { Uio } from "../../src/vm/uio.ts";
import { freshImage, MemoryStore, mountStore, withTempDir } from "./ext4image.ts";
import { FileWorld } from "./ext4world.ts";

const BLOCK = 4096;

/** Refuses to write where a file's contents are. */
class SpottyStore extends MemoryStore {
  badFrom = 0;
  badEnd = 0;

  override write(offset: number, from: Uint8Array): number {
    const isBad = offset < this.badEnd && offset + from.length > this.badFrom;
    return isBad ? EIO : super.write(offset, from);
  }
}

class Scene extends FileWorld {
  readonly store: SpottyStore;

  constructor(image: Uint8Array) {
    super();
    this.store = new SpottyStore(image);
    const { result: fs } = mountStore(this.store, "", false, this.pages);
    assert.ok(typeof fs !== "number");
    this.attach(fs);
  }

  file(flags = O_RDWR): File {
    const fp = vfsOpen(this.td, this.ctx, "/mnt/f", flags, 0o644);
    assert.ok(!failed(fp));
    return fp;
  }

  put(fp: File, offset: number, text: string): number {
    return fp.pwrite(this.td, Uio.kernel(Buffer.from(text.padEnd(512))), offset);
  }

  /** Makes the blocks that hold `text` bad. */
  spoil(text: string): void {
    const at = Buffer.from(this.store.bytes).indexOf(text);
    assert.ok(at > 0);
    this.store.badFrom = at - (at % BLOCK);
    this.store.badEnd = this.store.badFrom + BLOCK;
  }

  mend(): void {
    this.store.badEnd = 0;
  }

  holds(text: string): boolean {
    return Buffer.from(this.store.bytes).includes(text);
  }
}

function onExt4(run: (scene: Scene) => void): void {
  withTempDir((dir) => {
    const scene = new Scene(freshImage(dir, ["-t", "ext4", "-b", String(BLOCK)], 4096));
    run(scene);
    assert.equal(scene.detach(), 0);
  });
}

test("fsync tells each open file once, and what could not be written is written later", () => {
  onExt4((s) => {
    const a = s.file(O_CREAT | O_RDWR);
    const b = s.file();
    s.put(a, 0, "the first contents");
    s.put(a, BLOCK, "their neighbour");
    assert.equal(a.fsync(false), 0);
    s.spoil("the first contents");
    s.put(a, 0, "other contents");
    s.put(a, BLOCK, "another neighbour");
    assert.equal(a.fsync(false), EIO);
    assert.ok(s.holds("another neighbour"), "the neighbour is not to blame");
    assert.equal(a.fsync(true), EIO, "still so");
    s.mend();
    assert.equal(a.fsync(false), 0);
    assert.ok(s.holds("other contents"));
    const late = s.file();
    assert.equal(b.fsync(false), EIO, "who had it open hears of it");
    assert.equal(b.fsync(false), 0, "once");
    assert.equal(late.fsync(false), 0, "who came later does not");
    for (const fp of [a, b, late]) fp.release();
  });
});

test("what failed in the background is told at the next chance", () => {
  onExt4((s) => {
    const a = s.file(O_CREAT | O_RDWR);
    s.put(a, 0, "the first contents");
    assert.equal(a.fsync(false), 0);
    s.spoil("the first contents");
    s.put(a, 0, "other contents");
    for (const domain of [...s.pages.writeback.domains]) domain.sync();
    s.mend();
    const late = s.file();
    assert.equal(a.fsync(false), EIO);
    assert.equal(a.fsync(false), 0);
    assert.equal(late.fsync(false), EIO, "nobody had been told when it was opened");
    assert.ok(s.holds("other contents"));
    a.release();
    late.release();
  });
});

test("O_SYNC and O_DIRECT writes fail themselves", () => {
  onExt4((s) => {
    const plain = s.file(O_CREAT | O_RDWR);
    s.put(plain, 0, "the first contents");
    assert.equal(plain.fsync(false), 0);
    s.spoil("the first contents");
    const sync = s.file(O_RDWR | O_SYNC);
    const direct = s.file(O_RDWR | O_DIRECT);
    assert.equal(s.put(sync, 0, "synchronous"), EIO);
    assert.equal(s.put(direct, 0, "direct"), EIO);
    s.mend();
    assert.equal(s.put(direct, 0, "direct again"), 512);
    assert.ok(s.holds("direct again"), "on the disk when the call returns");
    assert.equal(s.put(sync, 0, "synchronous"), EIO, "the direct write's error is news to it");
    assert.equal(s.put(sync, 0, "synchronous again"), 512);
    assert.ok(s.holds("synchronous again"));
    for (const fp of [plain, sync, direct]) fp.release();
  });
});
