/** The syncer: writes in time, at its limits and never for nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EIO } from "../../src/abi/errno.ts";
import { MAP_SHARED } from "../../src/abi/mman.ts";
import { KernelClock } from "../../src/kern/clock.ts";
import { Cpu } from "../../src/kern/cpu.ts";
import { writeObject } from "../../src/vfs/pagecache.ts";
import { Syncer } from "../../src/vfs/syncer.ts";
import { PagedObject } from "../../src/vm/pagedobject.ts";
import { PAGE_SIZE } from "../../src/vm/param.ts";
import { Uio } from "../../src/vm/uio.ts";
import { DirtyDomain } from "../../src/vm/writeback.ts";
import { RW, World } from "../vm/harness.ts";
import { StoredFile } from "../vm/storedfile.ts";

const SEC = 1e9;

class Scene {
  nowNs = 0;
  readonly world = new World(1024);
  readonly cpu: Cpu;
  readonly syncer: Syncer;
  commits = 0;
  commitResult = 0;
  readonly domain: DirtyDomain;
  wakes = 0;

  constructor() {
    const clock = { epochSec: 0, epochNsec: 0, monotonicNs: () => this.nowNs };
    this.cpu = new Cpu(0, new KernelClock(clock));
    this.syncer = new Syncer(this.cpu, this.world.frames);
    this.domain = new DirtyDomain(this.world.frames.writeback, {
      commit: () => {
        this.commits++;
        return this.commitResult;
      },
    });
  }

  file(): { pager: StoredFile; write(page: number, count?: number): number } {
    const pager = new StoredFile();
    const object = new PagedObject(this.world.frames, pager, 0, this.domain);
    return {
      pager,
      write: (page, count = 1) =>
        writeObject(object, Uio.kernel(new Uint8Array(count * PAGE_SIZE)), page * PAGE_SIZE),
    };
  }

  /** Lets time pass, stopping wherever something is due. */
  pass(seconds: number): void {
    const endNs = this.nowNs + seconds * SEC;
    for (let i = 0; i < 10_000; i++) {
      const due = this.cpu.callouts.nextDeadlineNs;
      if (due > endNs) break;
      this.nowNs = Math.max(this.nowNs, due);
      this.wakes++;
      this.cpu.callouts.run(this.nowNs);
    }
    this.nowNs = endNs;
  }

  get isIdle(): boolean {
    return this.cpu.callouts.nextDeadlineNs === Number.POSITIVE_INFINITY;
  }
}

test("nothing wakes it while nothing is dirty", () => {
  const s = new Scene();
  assert.ok(s.isIdle);
  s.pass(3600);
  assert.equal(s.wakes, 0);
});

test("a page is written when it has been dirty for 30 seconds, and then there is peace", () => {
  const s = new Scene();
  const f = s.file();
  f.write(0);
  s.pass(29);
  f.write(1);
  assert.equal(f.pager.stored.size, 0);
  s.pass(6);
  assert.equal(f.pager.stored.size, 2, "the file goes as a whole");
  assert.ok(s.isIdle);
  f.write(0);
  s.pass(29);
  assert.deepEqual(f.pager.writes, [2]);
  s.pass(6);
  assert.deepEqual(f.pager.writes, [2, 1]);
  assert.ok(s.isIdle);
});

test("metadata is committed five seconds after it changed, once", () => {
  const s = new Scene();
  s.domain.changed();
  s.pass(2);
  s.domain.changed();
  s.pass(2);
  assert.equal(s.commits, 0);
  s.pass(1);
  assert.equal(s.commits, 1);
  assert.ok(s.isIdle);
  s.domain.changed();
  s.domain.committed();
  s.pass(60);
  assert.equal(s.commits, 1, "somebody had done it already");
});

test("a commit that fails is tried again, but not at once", () => {
  const s = new Scene();
  s.commitResult = EIO;
  s.domain.changed();
  s.pass(60);
  assert.equal(s.commits, 12);
  s.commitResult = 0;
  s.pass(60);
  assert.equal(s.commits, 13);
  assert.ok(s.isIdle);
});

test("past the background limit it writes at once, the oldest first, as much as is too much", () => {
  const s = new Scene();
  s.syncer.backgroundBytes = 20 * PAGE_SIZE;
  s.syncer.setLimits();
  const old = s.file();
  const young = s.file();
  old.write(0, 15);
  s.pass(1);
  young.write(0, 15);
  assert.equal(s.cpu.callouts.nextDeadlineNs, s.nowNs);
  s.pass(0);
  assert.equal(old.pager.stored.size, 10);
  assert.equal(young.pager.stored.size, 0);
  assert.equal(s.world.frames.writeback.dirtyPages, 20);
});

test("whoever goes past the hard limit writes himself", () => {
  const s = new Scene();
  s.syncer.bytes = 40 * PAGE_SIZE;
  s.syncer.backgroundBytes = 20 * PAGE_SIZE;
  s.syncer.setLimits();
  const f = s.file();
  for (let i = 0; i < 400; i++) f.write(i);
  assert.ok(s.world.frames.writeback.dirtyPages <= 41);
  assert.equal(f.write(400, 300), 300 * PAGE_SIZE);
  assert.ok(s.world.frames.writeback.dirtyPages <= 41);
});

test("a disk that takes nothing ends writes at the hard limit, and makes no busy loop", () => {
  const s = new Scene();
  s.syncer.bytes = 40 * PAGE_SIZE;
  s.syncer.setLimits();
  const f = s.file();
  f.pager.isFailing = true;
  assert.equal(f.write(0, 100), 41 * PAGE_SIZE);
  assert.equal(f.write(41), EIO);
  s.pass(60);
  assert.ok(s.wakes <= 14, `${s.wakes}`);
  f.pager.isFailing = false;
  s.pass(60);
  assert.equal(f.pager.stored.size, 41);
  assert.ok(s.isIdle);
});

test("a disk that takes nothing does not end writes to others", () => {
  const s = new Scene();
  s.syncer.bytes = 40 * PAGE_SIZE;
  s.syncer.setLimits();
  const bad = s.file();
  bad.pager.isFailing = true;
  assert.equal(bad.write(0, 100), 41 * PAGE_SIZE);
  const domain = new DirtyDomain(s.world.frames.writeback);
  const good = new PagedObject(s.world.frames, new StoredFile(), 0, domain);
  const bytes = new Uint8Array(200 * PAGE_SIZE);
  assert.equal(writeObject(good, Uio.kernel(bytes), 0), bytes.length);
  assert.ok(good.dirtyPages <= 41);
  assert.equal(bad.write(50), EIO);
});

test("stores through shared maps are held to the limit as well", () => {
  const s = new Scene();
  s.syncer.bytes = 40 * PAGE_SIZE;
  s.syncer.setLimits();
  const pager = new StoredFile();
  const object = new PagedObject(s.world.frames, pager, 500 * PAGE_SIZE, s.domain);
  const vs = s.world.space();
  const length = 500 * PAGE_SIZE;
  const a = vs.mmap({ addr: 0, length, prot: RW, flags: MAP_SHARED, object });
  for (let i = 0; i < 500; i++) assert.equal(vs.storeU32(a + i * PAGE_SIZE, i), 0);
  assert.ok(object.dirtyPages <= 41);
  for (let i = 0; i < 500; i++) assert.equal(vs.storeU32(a + i * PAGE_SIZE, i + 1), 0);
  s.pass(60);
  for (let i = 0; i < 500; i++) {
    assert.equal(new DataView(pager.stored.get(i)!.buffer).getUint32(0, true), i + 1);
  }
});

test("its period can be changed, and 0 leaves it to the limits", () => {
  const s = new Scene();
  const f = s.file();
  s.syncer.expireNs = SEC;
  s.syncer.writebackNs = SEC;
  f.write(0);
  s.pass(2);
  assert.equal(f.pager.stored.size, 1);
  s.syncer.writebackNs = 0;
  s.syncer.retime();
  f.write(1);
  s.pass(100);
  assert.equal(f.pager.stored.size, 1);
  s.syncer.writebackNs = SEC;
  s.syncer.retime();
  s.pass(2);
  assert.equal(f.pager.stored.size, 2);
});
