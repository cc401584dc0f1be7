/** Block special files: one cache for all openers, true to the disk below. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EACCES, EAGAIN, EINVAL, EIO, ENOSPC, failed } from "../../src/abi/errno.ts";
import { O_DIRECT, O_DSYNC, O_RDONLY, O_RDWR, RWF_NOWAIT, SEEK_END } from "../../src/abi/fcntl.ts";
import { MAP_SHARED, MS_SYNC } from "../../src/abi/mman.ts";
import { Vkd } from "../../src/dev/vkd.ts";
import { VkdDriver } from "../../src/dev/vkdfile.ts";
import { KernelMemory } from "../../src/kern/kmem.ts";
import type { Thread } from "../../src/kern/thread.ts";
import { UserNamespace } from "../../src/kern/userns.ts";
import { FADV_DONTNEED, FADV_WILLNEED } from "../../src/vfs/advice.ts";
import { Disks } from "../../src/vfs/disks.ts";
import type { File } from "../../src/vfs/file.ts";
import { LockTable } from "../../src/vfs/lockf.ts";
import { MountTable } from "../../src/vfs/mounttable.ts";
import { NameCache } from "../../src/vfs/namecache.ts";
import { FADV_RANDOM } from "../../src/vfs/readahead.ts";
import { syncRange } from "../../src/vm/mlock.ts";
import { PAGE_SIZE } from "../../src/vm/param.ts";
import { Uio } from "../../src/vm/uio.ts";
import { MemoryStore, pattern } from "../fs/ext4image.ts";
import { RW, World } from "../vm/harness.ts";

const SIZE = 200 * PAGE_SIZE + 512;
const td = null as unknown as Thread;

class FlakyStore extends MemoryStore {
  isFailing = false;

  override write(offset: number, from: Uint8Array): number {
    return this.isFailing ? EIO : super.write(offset, from);
  }
}

class Scene {
  readonly world: World;
  readonly store: FlakyStore;
  readonly disk: Vkd;
  readonly driver: VkdDriver;

  constructor(pages = 1024) {
    this.world = new World(pages);
    this.store = new FlakyStore(pattern(SIZE, 3));
    this.disk = new Vkd(0, this.store, {
      isCopyOnWrite: false,
      overlayLimitBytes: 0,
      serial: "",
    });
    const disks = new Disks();
    disks.add(this.disk);
    const names = new NameCache();
    const mounts = new MountTable(
      names,
      new LockTable(new KernelMemory(Infinity)),
      UserNamespace.initial(),
    );
    this.driver = new VkdDriver(disks, mounts, this.world.frames);
  }

  open(flags = O_RDWR): File {
    const fp = this.driver.open(td, this.disk.rdev, flags);
    assert.ok(!failed(fp));
    return fp;
  }
}

function read(fp: File, offset: number, count: number): Uint8Array {
  const into = new Uint8Array(count);
  const n = fp.pread(td, Uio.kernel(into), offset);
  assert.ok(n >= 0, `${n}`);
  return into.subarray(0, n);
}

const write = (fp: File, offset: number, bytes: Uint8Array) =>
  fp.pwrite(td, Uio.kernel(bytes), offset);

test("behave as an array of bytes that two openers share, in little memory", () => {
  const s = new Scene(128);
  const model = s.store.bytes.slice();
  const files = [s.open(), s.open(), s.open(O_RDWR | O_DIRECT), s.open(O_RDWR | O_DSYNC)];
  let x = 99;
  const random = (n: number) => {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    return Math.floor((x / 4294967296) * n);
  };
  for (let i = 0; i < 2000; i++) {
    const k = random(4);
    const unit = k === 2 ? 512 : 1;
    const at = random(SIZE / unit) * unit;
    const count = Math.min((1 + random(20_000 / unit)) * unit, SIZE - at);
    if (random(2) === 0) {
      assert.deepEqual(read(files[k]!, at, count), model.slice(at, at + count), `read ${i}`);
    } else {
      const bytes = pattern(count, i);
      assert.equal(write(files[k]!, at, bytes), count);
      model.set(bytes, at);
      if (k >= 2) assert.deepEqual(s.store.bytes.slice(at, at + count), bytes, `on disk ${i}`);
    }
  }
  assert.equal(files[0]!.fsync(false), 0);
  assert.deepEqual(s.store.bytes, model);
  for (const fp of files) fp.release();
  assert.equal(s.world.leaked, 0);
  assert.equal(s.disk.openers, 0);
});

test("what was written is on the disk after the last close", () => {
  const s = new Scene();
  const a = s.open();
  const b = s.open();
  write(a, 1000, new Uint8Array(5).fill(200));
  assert.deepEqual(read(b, 1000, 5), new Uint8Array(5).fill(200));
  a.release();
  assert.notEqual(s.store.bytes[1000], 200);
  b.release();
  assert.equal(s.store.bytes[1000], 200);
});

test("show what a file system writes below them", () => {
  const s = new Scene();
  const fp = s.open();
  read(fp, 0, SIZE);
  assert.equal(s.disk.write(4096, new Uint8Array(512).fill(77)), 0);
  assert.equal(read(fp, 4096, 1)[0], 77);
  write(fp, 8192, new Uint8Array([1]));
  assert.equal(s.disk.write(4096, new Uint8Array(512).fill(78)), 0);
  assert.equal(read(fp, 4096, 1)[0], 78);
  assert.equal(read(fp, 8192, 1)[0], 1, "and keep what nobody has written yet");
  assert.equal(s.driver.sync(s.disk.rdev), 0);
  assert.equal(s.store.bytes[8192], 1);
  fp.release();
});

test("can be mapped", () => {
  const s = new Scene();
  const fp = s.open();
  const object = fp.object();
  assert.ok(!failed(object));
  const vs = s.world.space();
  const a = vs.mmap({ addr: 0, length: SIZE, prot: RW, flags: MAP_SHARED, object, file: fp });
  fp.release();
  assert.equal(s.disk.openers, 1, "a map holds the file");
  vs.storeU32(a + 5 * PAGE_SIZE, 0x01020304);
  vs.storeU32(a + 200 * PAGE_SIZE, 0x05060708);
  const other = s.open();
  assert.deepEqual([...read(other, 5 * PAGE_SIZE, 4)], [4, 3, 2, 1]);
  vs.destroy();
  assert.equal(other.fsync(false), 0);
  assert.equal(s.store.bytes[5 * PAGE_SIZE], 4);
  assert.equal(s.store.bytes[200 * PAGE_SIZE + 3], 5);
  other.release();
  assert.equal(s.world.leaked, 0);
});

test("end where the disk ends", () => {
  const s = new Scene();
  const fp = s.open();
  assert.equal(write(fp, SIZE, new Uint8Array(1)), ENOSPC);
  assert.equal(write(fp, SIZE - 10, new Uint8Array(20)), 10);
  assert.equal(read(fp, SIZE - 10, 20).length, 10);
  assert.equal(read(fp, SIZE, 1).length, 0);
  assert.equal(fp.seek(0, SEEK_END), SIZE);
  assert.equal(fp.seek(SIZE + 1, 0), EINVAL);
  fp.release();
  const direct = s.open(O_RDWR | O_DIRECT);
  assert.equal(direct.pread(td, Uio.kernel(new Uint8Array(512)), 100), EINVAL);
  assert.equal(write(direct, 100, new Uint8Array(512)), EINVAL);
  assert.equal(read(direct, SIZE - 512, 512).length, 512);
  direct.release();
});

test("tell each opener once of a write that failed, and try it again", () => {
  const s = new Scene();
  const a = s.open();
  const b = s.open();
  write(a, 0, new Uint8Array(10).fill(9));
  s.store.isFailing = true;
  assert.equal(a.fsync(false), EIO);
  s.store.isFailing = false;
  assert.equal(a.fsync(false), 0);
  assert.equal(s.store.bytes[0], 9);
  assert.equal(b.fsync(false), EIO);
  assert.equal(b.fsync(false), 0);
  a.release();
  b.release();
  const late = s.open(O_RDONLY);
  assert.equal(late.fsync(false), 0);
  late.release();
});

test("tell msync(2) of it too", () => {
  const s = new Scene();
  const fp = s.open();
  const object = fp.object();
  assert.ok(!failed(object));
  const vs = s.world.space();
  const a = vs.mmap({ addr: 0, length: PAGE_SIZE, prot: RW, flags: MAP_SHARED, object, file: fp });
  vs.storeU32(a, 5);
  assert.equal(syncRange(vs, a, PAGE_SIZE, MS_SYNC), 0);
  vs.storeU32(a, 6);
  s.store.isFailing = true;
  assert.equal(syncRange(vs, a, PAGE_SIZE, MS_SYNC), EIO);
  s.store.isFailing = false;
  assert.equal(syncRange(vs, a, PAGE_SIZE, MS_SYNC), 0);
  assert.equal(s.store.bytes[0], 6);
  vs.destroy();
  fp.release();
});

test("give what is in memory to who would not wait", () => {
  const s = new Scene();
  const fp = s.open();
  const hurried = (offset: number, count: number) => {
    const uio = Uio.kernel(new Uint8Array(count));
    uio.flags = RWF_NOWAIT;
    return fp.pread(td, uio, offset);
  };
  assert.equal(hurried(0, 100), EAGAIN);
  fp.advise(FADV_RANDOM, 0, 0);
  read(fp, 0, 2 * PAGE_SIZE);
  assert.equal(hurried(100, 10 * PAGE_SIZE), 2 * PAGE_SIZE - 100);
  assert.equal(hurried(2 * PAGE_SIZE, 1), EAGAIN);
  fp.advise(FADV_WILLNEED, 2 * PAGE_SIZE, 3 * PAGE_SIZE);
  assert.equal(hurried(2 * PAGE_SIZE, 1), 1);
  fp.advise(FADV_DONTNEED, 0, SIZE);
  assert.equal(hurried(0, 1), EAGAIN);
  assert.equal(hurried(SIZE, 1), 0, "the end is known at once");
  fp.release();
});

test("of a disk that must not be written cannot be opened for it", () => {
  const s = new Scene();
  s.disk.setReadOnly(true);
  assert.equal(s.driver.open(td, s.disk.rdev, O_RDWR), EACCES);
  const fp = s.open(O_RDONLY);
  assert.equal(read(fp, 0, 4).length, 4);
  fp.release();
});
