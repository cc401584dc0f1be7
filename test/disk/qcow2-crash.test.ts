/**
 * qcow2 after a crash at any moment: qemu-img check finds leaked clusters at
 * most, and what was flushed is there.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { ENOSPC } from "../../src/abi/errno.ts";
import { newQcow2 } from "../../src/hosts/disk/qcow2/create.ts";
import { Qcow2 } from "../../src/hosts/disk/qcow2/qcow2.ts";
import { crashed, MemoryFile, noDecompressor } from "./memoryfile.ts";
import { check, noQemuImg, qemuImg, randomFrom, readAll, withTempDir } from "./qemu.ts";

const SIZE = 1 << 20;
const SECTOR = 512;
const options = { backing: null, decompressor: noDecompressor };

/** Each sector holds one number all through, so that what it may be can be told. */
function stamp(n: number): Uint8Array {
  const bytes = new Uint8Array(SECTOR);
  new Uint32Array(bytes.buffer).fill(n);
  return bytes;
}

interface Moment {
  /** Length of the log when the guest's flush returned. */
  readonly at: number;
  readonly contents: Uint32Array;
}

/** Every cluster is written, shared with a snapshot or not, discarded, and written again. */
function run(start: Uint8Array, seed: number) {
  const file = new MemoryFile(start.slice());
  const disk = new Qcow2(file, options);
  const random = randomFrom(seed);
  const now = new Uint32Array(SIZE / SECTOR);
  const first = readAll(disk);
  for (let i = 0; i < now.length; i++) now[i] = new Uint32Array(first.buffer)[i * 128]!;
  const moments: Moment[] = [{ at: 0, contents: now.slice() }];
  /** Everything that a sector has ever been. */
  const was = [...now].map((n) => new Set([n, 0]));
  for (let step = 1; step <= 120; step++) {
    const sector = random(now.length);
    const count = Math.min(1 + random(random(4) === 0 ? 300 : 20), now.length - sector);
    if (random(5) === 0) {
      disk.discard(sector * SECTOR, count * SECTOR);
      const after = readAll(disk);
      for (let i = 0; i < now.length; i++) now[i] = new Uint32Array(after.buffer)[i * 128]!;
    } else {
      const bytes = new Uint8Array(count * SECTOR);
      const value = seed * 1000 + step;
      for (let i = 0; i < count; i++) {
        bytes.set(stamp(value), i * SECTOR);
        now[sector + i] = value;
        was[sector + i]!.add(value);
      }
      assert.equal(disk.write(sector * SECTOR, bytes), 0);
    }
    if (random(6) > 0) continue;
    assert.equal(disk.flush(), 0);
    moments.push({ at: file.log.length, contents: now.slice() });
  }
  disk.close();
  return { log: file.log, moments, was, final: file.bytes };
}

it("nothing flushed is lost, wherever it is cut", { skip: noQemuImg }, () => {
  withTempDir((dir) => {
    const path = join(dir, "disk");
    const plain = newQcow2({ sizeBytes: SIZE, backingName: "", backingFormat: "" });
    writeFileSync(path, run(plain, 1).final);
    qemuImg(["snapshot", "-c", "s", path]);
    const small = join(dir, "small");
    qemuImg(["create", "-q", "-f", "qcow2", "-o", "cluster_size=1k", small, `${SIZE}`]);
    for (const [seed, image] of [path, small].entries()) {
      const start = new Uint8Array(readFileSync(image));
      const { log, moments, was } = run(start, seed + 2);
      const random = randomFrom(seed + 77);
      for (let round = 0; round < 250; round++) {
        const cut = random(log.length + 1);
        const bytes = crashed(start, log, cut, random);
        const disk = new Qcow2(new MemoryFile(bytes.slice()), options);
        const got = new Uint32Array(readAll(disk).buffer);
        const index = moments.findLastIndex((m) => m.at <= cut);
        const flushed = moments[index]!.contents;
        const next = moments[index + 1]?.contents;
        for (let i = 0; i < flushed.length; i++) {
          const value = got[i * 128]!;
          if (value === flushed[i] || value === next?.[i]) continue;
          // Written since, and perhaps overwritten or discarded before the next flush.
          assert.ok(was[i]!.has(value), `sector ${i} holds ${value} after a cut at ${cut}`);
          assert.ok(value === 0 || value > flushed[i]!, `sector ${i} went back to ${value}`);
        }
        if (round % 10 > 0) continue;
        writeFileSync(path, bytes);
        assert.equal(check(path, true), "", `cut at ${cut}`);
      }
    }
  });
});

it("a full disk of the host is ENOSPC, and the image stays whole", { skip: noQemuImg }, () => {
  withTempDir((dir) => {
    const path = join(dir, "disk");
    qemuImg([
      "create",
      "-q",
      "-f",
      "qcow2",
      "-o",
      "cluster_size=1k,refcount_bits=64",
      path,
      `${SIZE}`,
    ]);
    const file = new MemoryFile(new Uint8Array(readFileSync(path)));
    const disk = new Qcow2(file, options);
    const random = randomFrom(5);
    const model = new Uint8Array(SIZE);
    let refused = 0;
    for (let step = 0; step < 400; step++) {
      // Room comes a little at a time, never for all that is written.
      if (step % 20 === 0) file.roomBytes = file.sizeBytes + 30_000;
      const at = random(SIZE / SECTOR) * SECTOR;
      const data = new Uint8Array(Math.min(1 + random(12_000), SIZE - at)).fill(step);
      const r = disk.write(at, data);
      if (r === 0) {
        model.set(data, at);
        continue;
      }
      assert.equal(r, ENOSPC);
      refused++;
      // Any part of it may have been written.
      const now = new Uint8Array(data.length);
      assert.equal(disk.read(at, now), 0);
      for (const [i, byte] of now.entries()) {
        if (byte !== model[at + i]) assert.equal(byte, step & 0xff);
      }
      model.set(now, at);
      if (random(5) === 0) disk.flush();
    }
    assert.ok(refused > 20, `${refused}`);
    file.roomBytes = 64 << 20;
    assert.equal(disk.flush(), 0);
    assert.ok(Buffer.compare(readAll(disk), model) === 0);
    disk.close();
    writeFileSync(path, file.bytes);
    assert.equal(check(path), "");
  });
});
