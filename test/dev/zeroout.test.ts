/** BLKZEROOUT of a large disk goes in steps, between which others run. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BLKZEROOUT } from "../../src/abi/blockioctl.ts";
import { EIO, ERESTARTSYS } from "../../src/abi/errno.ts";
import { type BlockDriver, blockIoctl } from "../../src/dev/blockioctl.ts";
import { Vkd } from "../../src/dev/vkd.ts";
import type { Thread } from "../../src/kern/thread.ts";
import type { BlockStore } from "../../src/platform/host.ts";
import type { UserMemory } from "../../src/vm/usermem.ts";

const MIB = 1 << 20;

class ZeroStore implements BlockStore {
  readonly isReadOnly = false;
  readonly sizeBytes = 1024 * MIB;
  readonly zeroed: (readonly [offset: number, length: number])[] = [];
  failsAt = Number.POSITIVE_INFINITY;

  read(): number {
    return 0;
  }

  write(): number {
    return 0;
  }

  writeZeroes(offset: number, length: number): number {
    if (offset + length > this.failsAt) return EIO;
    this.zeroed.push([offset, length]);
    return 0;
  }

  flush(): number {
    return 0;
  }

  close(): void {}
}

/** What the call answers in the end, made again as often as it sleeps; `naps` counts that. */
function zeroOut(store: ZeroStore, start: number, length: number) {
  const disk = new Vkd(0, store, { isCopyOnWrite: false, overlayLimitBytes: 0, serial: "" });
  const td = {
    cred: { hasCap: () => true },
    cpu: { clock: { monotonicNs: () => 0 } },
    restart: { deadlineNs: -1, done: 0, data: null as object | null },
    isUninterruptible: false,
    sleepUntil: () => ERESTARTSYS,
  };
  const mem = { loadU64: (at: number) => (at === 0 ? start : length) } as unknown as UserMemory;
  const driver = {} as BlockDriver;
  const naps: boolean[] = [];
  for (;;) {
    const r = blockIoctl(driver, disk, true, td as unknown as Thread, BLKZEROOUT, 0, mem);
    if (r !== ERESTARTSYS) return { r, naps, isUninterruptible: td.isUninterruptible };
    naps.push(td.isUninterruptible);
  }
}

test("each byte once, and nothing past the end", () => {
  const store = new ZeroStore();
  const { r, naps, isUninterruptible } = zeroOut(store, 5 * MIB, 200 * MIB);
  assert.equal(r, 0);
  assert.deepEqual(naps, [true, true, true]);
  assert.equal(isUninterruptible, false);
  let at = 5 * MIB;
  for (const [offset, length] of store.zeroed) {
    assert.equal(offset, at);
    at += length;
  }
  assert.equal(at, 205 * MIB);
});

test("what fits one step does not sleep; an error ends it", () => {
  const small = new ZeroStore();
  assert.deepEqual(zeroOut(small, 0, 64 * MIB), { r: 0, naps: [], isUninterruptible: false });
  const store = new ZeroStore();
  store.failsAt = 100 * MIB;
  const { r, naps, isUninterruptible } = zeroOut(store, 0, 1024 * MIB);
  assert.deepEqual([r, naps.length, isUninterruptible], [EIO, 1, false]);
});
