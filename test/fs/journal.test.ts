/**
 * The journal by itself: blocks of one file serve as metadata, are changed,
 * freed and used for contents in transactions, and the machine crashes. What
 * our replay and e2fsck's make of it is compared with the state at a commit.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { EROFS } from "../../src/abi/errno.ts";
import type { Ext4 } from "../../src/fs/ext4/ext4.ts";
import { crc32be } from "../../src/lib/crc32be.ts";
import { Random } from "../fuzz/random.ts";
import { CrashStore } from "./crashstore.ts";
import { debugfs, makeImage, mountBytes, mountStore, pattern, withTempDir } from "./ext4image.ts";

const WRAPPING = "numbers of transactions that wrap";

const flavours: Record<string, string[]> = {
  "checksums, 64 bits": ["-t", "ext4", "-b", "1024", "-O", "64bit,metadata_csum"],
  "no checksums, 32 bits": ["-t", "ext4", "-b", "1024", "-O", "^64bit,^metadata_csum"],
  "4 KiB blocks": ["-t", "ext4", "-b", "4096"],
  ext3: ["-t", "ext3", "-b", "1024"],
  [WRAPPING]: ["-t", "ext4", "-b", "1024", "-O", "^64bit,^metadata_csum"],
};

interface Image {
  readonly bytes: Uint8Array;
  readonly blockSize: number;
  /** Blocks of the file, which no one else touches. */
  readonly blocks: readonly number[];
}

function prepare(dir: string, options: readonly string[]): Image {
  const tree = join(dir, "tree");
  mkdirSync(tree, { recursive: true });
  writeFileSync(join(tree, "big"), pattern(60 * 4096, 1));
  const is4k = options.includes("4096");
  const image = makeImage(dir, tree, is4k ? 12288 : 6144, [...options, "-N", "64"]);
  const out = debugfs(image, ["blocks /big"]);
  const blockSize = is4k ? 4096 : 1024;
  const all = out.split("\n").filter((line) => /^\d[\d ]*$/.test(line.trim()));
  const numbers = all.join(" ").trim().split(/\s+/).map(Number);
  // Block maps of ext3 are among them.
  const bytes = new Uint8Array(readFileSync(image));
  const wanted = pattern(60 * 4096, 1);
  const blocks = numbers.filter((b, i) => i < 12 && holds(bytes, b, blockSize, wanted, i));
  const rest = numbers.slice(-Math.floor(numbers.length / 2));
  return { bytes, blockSize, blocks: [...new Set([...blocks, ...rest])] };
}

function holds(bytes: Uint8Array, b: number, size: number, wanted: Uint8Array, i: number): boolean {
  return (
    Buffer.compare(
      bytes.subarray(b * size, (b + 1) * size),
      wanted.subarray(i * size, (i + 1) * size),
    ) === 0
  );
}

/** Has the journal, which is empty, go on with transaction `sequence`. */
function startAt(image: Image, sequence: number): void {
  const at = findRecord(image.bytes, image.blockSize, 4) * image.blockSize;
  new DataView(image.bytes.buffer, image.bytes.byteOffset).setUint32(at + 24, sequence);
}

/** What the blocks held after each commit, and how long the log of writes was then. */
interface History {
  readonly states: Map<number, Uint8Array>[];
  readonly places: number[];
}

function drive(store: CrashStore, image: Image, random: Random, rounds: number): History {
  const { result, messages } = mountStore(store, "", false);
  assert.ok(typeof result !== "number", messages.join("\n"));
  const { volume } = result as Ext4;
  const { tx } = volume;
  const state = new Map<number, Uint8Array>();
  for (const b of image.blocks) {
    state.set(b, store.bytes.slice(b * image.blockSize, (b + 1) * image.blockSize));
  }
  const history: History = { states: [new Map(state)], places: [store.log.length] };
  const commit = (isAll: boolean): void => {
    assert.equal(isAll ? tx.checkpoint() : tx.commit(), 0, messages.join("\n"));
    history.states.push(new Map(state));
    history.places.push(store.log.length);
  };
  /** Blocks that serve for contents now: not logged, written at once. */
  const contents = new Set<number>();
  const freed: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const sequence = tx.sequence;
    assert.equal(tx.start(20), 0);
    if (tx.sequence !== sequence) {
      // The running transaction was full: what was done so far is on the disk.
      history.states.push(new Map(state));
      history.places.push(store.log.length);
    }
    for (let n = random.below(12); n >= 0; n--) {
      const b = random.pick(image.blocks);
      if (contents.has(b) || freed.includes(b)) continue;
      if (random.oneIn(10)) {
        tx.forget(b);
        freed.push(b);
        continue;
      }
      const bp = random.oneIn(2) ? volume.bnew(b) : volume.bread(b);
      assert.ok(typeof bp !== "number");
      tx.dirty(bp);
      const at = random.below(image.blockSize / 4) * 4;
      bp.view.setUint32(random.oneIn(5) ? 0 : at, random.oneIn(4) ? 0xc03b3998 : random.u32());
      state.set(b, bp.data.slice());
    }
    tx.stop();
    if (!random.oneIn(3)) continue;
    // Freed blocks keep no promise until they are used again; so the state has no say on them.
    for (const b of freed) state.delete(b);
    commit(random.oneIn(8));
    for (const b of freed.splice(0)) {
      contents.add(b);
      const data = pattern(image.blockSize, random.below(1000));
      assert.equal(volume.writeData(b * image.blockSize, data), 0);
      state.set(b, data);
    }
    commit(false);
    for (const b of contents) {
      if (random.oneIn(2)) contents.delete(b);
    }
  }
  return history;
}

/** The state that an image shows; null if it is none of those from `first` on. */
function stateOf(bytes: Uint8Array, image: Image, history: History, first: number): number | null {
  for (let n = history.states.length - 1; n >= first; n--) {
    let isSame = true;
    for (const [b, data] of history.states[n]!) {
      const at = b * image.blockSize;
      if (Buffer.compare(bytes.subarray(at, at + image.blockSize), data) !== 0) {
        isSame = false;
        break;
      }
    }
    if (isSame) return n;
  }
  return null;
}

describe("after a crash the journal brings back a committed state", () => {
  for (const [title, options] of Object.entries(flavours)) {
    it(title, () => {
      withTempDir((dir) => {
        const image = prepare(dir, options);
        assert.ok(image.blocks.length > 20);
        if (title === WRAPPING) startAt(image, 0xfffffff0);
        const random = new Random(title.length);
        const store = new CrashStore(image.bytes);
        const history = drive(store, image, random, 160);
        assert.ok(history.states.length > 40);
        let checked = 0;
        store.crashes(
          random,
          (place) => place >= history.places[0]! && random.oneIn(4),
          (bytes, place) => {
            const durable = history.places.filter((p) => p <= place).length - 1;
            if (checked++ % 30 === 0) {
              const path = join(dir, "crashed");
              writeFileSync(path, bytes);
              const check = spawnSync("e2fsck", ["-fy", path]);
              assert.ok(check.status === 0 || check.status === 1, check.stdout.toString());
              const theirs = new Uint8Array(readFileSync(path));
              assert.ok(stateOf(theirs, image, history, durable) !== null, `e2fsck at ${place}`);
            }
            const { result, messages } = mountBytes(bytes, "", false);
            assert.ok(typeof result !== "number", messages.join("\n"));
            assert.equal(result.unmount(), 0);
            assert.ok(stateOf(bytes, image, history, durable) !== null, `at ${place}`);
          },
        );
        assert.ok(checked > 60, `${checked} crashes`);
      });
    });
  }
});

describe("a journal that does not wait for its blocks (async_commit)", () => {
  it("is replayed up to the first transaction that lacks some of them", () => {
    withTempDir((dir) => {
      const image = prepare(dir, ["-t", "ext4", "-b", "1024", "-O", "^64bit,^metadata_csum"]);
      for (const [isDamaged, isSummed] of [
        [false, true],
        [true, true],
        [true, false],
      ] as const) {
        const store = new CrashStore(image.bytes);
        const block = logOneTransaction(store, image);
        const size = image.blockSize;
        const bytes = store.bytes.slice();
        if (isSummed) sumUp(bytes, size);
        const path = join(dir, "async");
        if (isDamaged) {
          let at = findRecord(bytes, size, 1) * size;
          while (bytes[at] !== 0x77) at += size;
          bytes[at + 500]! ^= 1;
        }
        writeFileSync(path, bytes);
        const check = spawnSync("e2fsck", ["-fy", path]);
        assert.ok(check.status === 0 || check.status === 1, check.stdout.toString());
        const { result, messages } = mountBytes(bytes, "", false);
        assert.ok(typeof result !== "number", messages.join("\n"));
        assert.equal(result.unmount(), 0);
        const ours = bytes.subarray(block * size, (block + 1) * size);
        const theirs = readFileSync(path).subarray(block * size, (block + 1) * size);
        assert.ok(Buffer.compare(ours, theirs) === 0, `${isDamaged} ${isSummed}`);
        assert.equal(ours[100] === 0x77, !(isDamaged && isSummed));
      }
    });
  });
});

/** Changes one block in one transaction, then the machine stops. The block's number. */
function logOneTransaction(store: CrashStore, image: Image): number {
  const { result } = mountStore(store, "", false);
  const { volume } = result as Ext4;
  const block = image.blocks[5]!;
  assert.equal(volume.tx.start(1), 0);
  const bp = volume.bread(block);
  assert.ok(typeof bp !== "number");
  bp.data.fill(0x77);
  volume.tx.dirty(bp);
  volume.tx.stop();
  assert.equal(volume.tx.commit(), 0);
  return block;
}

/** The newest block of the log of a type, by its number on the volume. */
function findRecord(bytes: Uint8Array, size: number, type: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  let found = -1;
  let newest = 0;
  for (let b = 1; b * size < bytes.length; b++) {
    if (view.getUint32(b * size) !== 0xc03b3998 || view.getUint32(b * size + 4) !== type) continue;
    const sequence = view.getUint32(b * size + 8);
    if (sequence >= newest) {
      newest = sequence;
      found = b;
    }
  }
  assert.ok(found > 0);
  return found;
}

/** Makes the log one with sums over whole transactions, as kernels before 3.5 wrote them. */
function sumUp(bytes: Uint8Array, size: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const superAt = findRecord(bytes, size, 4) * size;
  view.setUint32(superAt + 0x24, view.getUint32(superAt + 0x24) | 1);
  view.setUint32(superAt + 0x28, view.getUint32(superAt + 0x28) | 4);
  const first = findRecord(bytes, size, 1);
  const commit = findRecord(bytes, size, 2);
  // The transaction has one block, which need not lie beside its descriptor.
  const block = (b: number): Uint8Array => bytes.subarray(b * size, (b + 1) * size);
  let logged = first;
  while (!block(logged).every((x) => x === 0x77)) logged++;
  const sum = crc32be(crc32be(0xffffffff, block(first)), block(logged));
  view.setUint8(commit * size + 12, 1);
  view.setUint8(commit * size + 13, 4);
  view.setUint32(commit * size + 16, sum);
}

describe("a disk that fails", () => {
  it("makes the volume read-only, and what was committed stays", () => {
    withTempDir((dir) => {
      const image = prepare(dir, flavours["checksums, 64 bits"]!);
      for (let budget = 60; budget < 900; budget += 7) {
        const store = new CrashStore(image.bytes);
        const random = new Random(budget);
        const { result, messages } = mountStore(store, "", false);
        assert.ok(typeof result !== "number");
        const { volume } = result as Ext4;
        store.writesLeft = budget;
        if (budget % 2 === 1) store.readsLeft = budget >> 1;
        const committed = new Map<number, Uint8Array>();
        const running = new Map<number, Uint8Array>();
        let isFailed = false;
        for (let i = 0; i < 2000 && !isFailed; i++) {
          const r = volume.tx.start(4);
          if (r < 0) break;
          const b = random.pick(image.blocks);
          const bp = volume.bread(b);
          if (typeof bp !== "number") {
            volume.tx.dirty(bp);
            bp.view.setUint32(random.below(200) * 4, random.u32());
            running.set(b, bp.data.slice());
          }
          volume.tx.stop();
          if (!random.oneIn(4)) continue;
          isFailed = volume.tx.commit() < 0;
          if (!isFailed) for (const [n, data] of running.entries()) committed.set(n, data);
        }
        assert.equal(result.isReadOnly, true);
        assert.equal(volume.tx.start(1), EROFS);
        assert.match(messages.join(), /Remounting filesystem read-only/);
        assert.equal(result.unmount(), 0);
        const bytes = store.bytes.slice();
        const again = mountBytes(bytes, "", false);
        assert.ok(typeof again.result !== "number", again.messages.join("\n"));
        assert.equal(again.result.unmount(), 0);
        for (const [b, data] of committed) {
          const got = bytes.subarray(b * image.blockSize, (b + 1) * image.blockSize);
          const isNewer = Buffer.compare(got, running.get(b)!) === 0;
          assert.ok(isNewer || Buffer.compare(got, data) === 0, `budget ${budget}, block ${b}`);
        }
      }
    });
  });
});
