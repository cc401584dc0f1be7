/**
 * qemu-img and qemu-io as the oracle for image formats, and a disk to compare with.
 */
import assert from "node:assert/strict";
import { type ExecFileSyncOptions, execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openImage } from "../../src/hosts/node/disk/opendisk.ts";
import type { BlockStore } from "../../src/platform/host.ts";
import { pattern } from "../fs/ext4image.ts";

export const MIB = 1 << 20;

export const hasQemuImg = spawnSync("qemu-img", ["--version"]).error === undefined;
export const noQemuImg = hasQemuImg ? false : "no qemu-img(1) here";

export function withTempDir<T>(run: (dir: string) => T): T {
  const dir = mkdtempSync(join(tmpdir(), "vkernel-disk-"));
  try {
    return run(dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

export async function withTempDirAsync(run: (dir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "vkernel-disk-"));
  try {
    await run(dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

export function qemuImg(args: readonly string[], options: ExecFileSyncOptions = {}): string {
  return execFileSync("qemu-img", args, { stdio: "pipe", ...options }).toString();
}

export function qemuIo(image: string, commands: readonly string[]): string {
  const args = commands.flatMap((c) => ["-c", c]);
  return execFileSync("qemu-io", ["-f", "qcow2", ...args, image], { stdio: "pipe" }).toString();
}

/** Complaints of qemu-img check; leaks are not counted if `mayLeak`. "" if there are none. */
export function check(image: string, mayLeak = false): string {
  const r = spawnSync("qemu-img", ["check", "-f", "qcow2", image], { encoding: "utf8" });
  return r.status === 0 || (mayLeak && r.status === 3) ? "" : r.stdout + r.stderr;
}

/** What qemu reads in the image is `bytes`. */
export function compare(image: string, bytes: Uint8Array): string {
  const raw = `${image}.raw`;
  writeFileSync(raw, bytes);
  const args = ["compare", "-f", "qcow2", "-F", "raw", image, raw];
  const r = spawnSync("qemu-img", args, { encoding: "utf8" });
  return r.status === 0 ? "" : r.stdout + r.stderr;
}

export function open(path: string, backing: BlockStore | null = null, isReadOnly = false) {
  return openImage({ path, isReadOnly, format: "qcow2", isFormatGuessed: false }, backing);
}

export function openRaw(path: string, isReadOnly: boolean) {
  return openImage({ path, isReadOnly, format: "raw", isFormatGuessed: false }, null);
}

/** Numbers below `n`, the same every time. */
export function randomFrom(seed: number): (n: number) => number {
  let x = seed;
  return (n) => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return Math.floor((x / 2 ** 32) * n);
  };
}

export function readAll(store: BlockStore): Uint8Array {
  const bytes = new Uint8Array(store.sizeBytes);
  for (let at = 0; at < bytes.length; at += 1 << 20) {
    const r = store.read(at, bytes.subarray(at, at + (1 << 20)));
    if (r !== 0) throw new Error(`read at ${at}: ${r}`);
  }
  return bytes;
}

/** Writes, discards, zeroes and reads at random, on the disk and on `model`. */
export function exercise(disk: BlockStore, model: Uint8Array, seed: number, steps: number): void {
  const random = randomFrom(seed);
  for (let i = 0; i < steps; i++) {
    const at = random(model.length / 512) * 512;
    const most = Math.min(random(8) === 0 ? MIB : 20_000, model.length - at);
    const length = Math.max(512, random(most));
    const end = Math.min(at + length, model.length);
    switch (random(10)) {
      case 0:
        assert.equal(disk.writeZeroes!(at, end - at), 0);
        model.fill(0, at, end);
        break;
      case 1: {
        assert.equal(disk.discard!(at, end - at), 0);
        // As it was, or zeroes, byte for byte.
        const now = new Uint8Array(end - at);
        assert.equal(disk.read(at, now), 0);
        for (let k = 0; k < now.length; k++) {
          if (now[k] !== model[at + k]) assert.equal(now[k], 0);
        }
        model.set(now, at);
        break;
      }
      case 2:
        assert.equal(disk.flush(), 0);
        break;
      case 3:
      case 4: {
        const got = new Uint8Array(end - at);
        assert.equal(disk.read(at, got), 0);
        assert.ok(Buffer.compare(got, model.subarray(at, end)) === 0, `read at ${at}, step ${i}`);
        break;
      }
      default: {
        const data = pattern(end - at, i);
        assert.equal(disk.write(at, data), 0);
        model.set(data, at);
      }
    }
  }
}
