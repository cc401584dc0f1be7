/** qcow2 above backing images, and compressed: judged by qemu-img. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { pattern } from "../fs/ext4image.ts";
import {
  check,
  compare,
  exercise,
  MIB,
  noQemuImg,
  open,
  openRaw,
  qemuImg,
  readAll,
  withTempDir,
} from "./qemu.ts";

const SIZE = 8 * MIB;

describe("qcow2", { skip: noQemuImg }, () => {
  for (const [name, options] of [
    ["version 3", "compat=1.1"],
    ["version 2", "compat=0.10"],
    ["small clusters", "cluster_size=2k"],
  ] as const) {
    it(`${name} above a backing image: the base stays as it is`, () => {
      withTempDir((dir) => {
        const base = join(dir, "base");
        // Smaller than what is above it, and no multiple of a cluster.
        const bytes = pattern(5 * MIB + 1536, 9);
        writeFileSync(base, bytes);
        const image = join(dir, "disk");
        const backing = ["-b", "base", "-F", "raw"];
        qemuImg(["create", "-q", "-f", "qcow2", "-o", options, ...backing, image, `${SIZE}`], {
          cwd: dir,
        });
        const model = new Uint8Array(SIZE);
        model.set(bytes);
        for (const seed of [3, 4]) {
          const disk = open(image, openRaw(base, true));
          exercise(disk, model, seed, 150);
          disk.close();
          assert.equal(check(image), "");
          assert.equal(compare(image, model), "");
        }
        const now = openRaw(base, true);
        assert.ok(Buffer.compare(readAll(now).subarray(0, bytes.length), bytes) === 0);
        now.close();
        // What is above is all that is needed to have it stand alone.
        qemuImg(["rebase", "-f", "qcow2", "-F", "raw", "-b", "", image]);
        const alone = open(image);
        assert.ok(Buffer.compare(readAll(alone), model) === 0);
        alone.close();
      });
    });
  }

  for (const type of ["zlib", "zstd"]) {
    it(`compressed with ${type}: read, and written over`, () => {
      withTempDir((dir) => {
        const raw = join(dir, "raw");
        const model = new Uint8Array(SIZE);
        for (let i = 0; i < SIZE; i += 8) model[i] = (i >>> 9) % 251;
        model.set(pattern(MIB, 5), 2 * MIB);
        writeFileSync(raw, model);
        const image = join(dir, "disk");
        const options = ["-c", "-o", `compression_type=${type},cluster_size=16k`];
        qemuImg(["convert", "-f", "raw", "-O", "qcow2", ...options, raw, image]);
        const disk = open(image);
        assert.ok(Buffer.compare(readAll(disk), model) === 0);
        exercise(disk, model, 5, 150);
        disk.close();
        assert.equal(check(image), "");
        assert.equal(compare(image, model), "");
      });
    });
  }
});
