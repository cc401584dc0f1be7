/**
 * Flips bytes of ext4 images and walks all that is left, within a budget.
 *
 * Every answer is acceptable but an exception or a walk without end. Images
 * without checksums are the better target: damage gets past the first check.
 * Run: node test/fuzz/ext4.ts [seeds] [first seed]
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BlockRun } from "../../src/fs/ext4/blockmap.ts";
import { readData } from "../../src/fs/ext4/data.ts";
import { Ext4Vnode } from "../../src/fs/ext4/vnode.ts";
import { debugfs, makeImage, makeTree, mountBytes, withTempDir } from "../fs/ext4image.ts";
import { generator } from "./generator.ts";

const flavours: string[][] = [
  ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^has_journal"],
  ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,inline_data,^has_journal"],
  ["-t", "ext2", "-b", "1024"],
  ["-t", "ext4", "-b", "1024", "-O", "^has_journal"],
  ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum", "-J", "size=1"],
];

export interface FuzzResult {
  readonly seeds: number;
  readonly refusedMounts: number;
  readonly errors: number;
  readonly entries: number;
  readonly longestMs: number;
}

export function fuzzExt4(seeds: number, first = 1): FuzzResult {
  const images = makeImages();
  let refusedMounts = 0;
  let errors = 0;
  let entries = 0;
  let longestMs = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const image = images[seed % images.length]!;
    const random = generator(seed);
    const bytes = image.bytes.slice();
    damage(bytes, image.metadata, random);
    const start = performance.now();
    const { result } = mountBytes(bytes);
    if (typeof result === "number") {
      refusedMounts++;
    } else {
      const walk = new Walk();
      const root = result.root();
      if (root instanceof Ext4Vnode) walk.directory(root, 0);
      result.statfs();
      errors += walk.errors;
      entries += walk.entries;
    }
    longestMs = Math.max(longestMs, performance.now() - start);
  }
  return { seeds, refusedMounts, errors, entries, longestMs };
}

/** Blocks of 1 KiB that are not file contents: where a flipped byte matters. */
export interface Target {
  readonly bytes: Uint8Array;
  readonly metadata: readonly number[];
}

export function makeImages(): Target[] {
  return withTempDir((dir) => {
    const tree = join(dir, "tree");
    makeTree(tree, 120);
    return flavours.map((options) => {
      const image = makeImage(dir, tree, 8192, [...options, "-N", "256"]);
      execFileSync("sh", ["-c", `e2fsck -fyD "$0" >/dev/null 2>&1 || true`, image]);
      const commands = ["ea_set /size-1 user.a b", `ea_set /size-60 user.long ${"v".repeat(500)}`];
      if (options.includes("-J"))
        commands.push("jo", `jw -b 300,301 ${join(tree, "size-4096")}`, "jc");
      debugfs(image, commands);
      const bytes = new Uint8Array(readFileSync(image));
      return { bytes, metadata: metadataBlocks(image, bytes) };
    });
  });
}

function metadataBlocks(image: string, bytes: Uint8Array): number[] {
  const files = debugfs(image, ["ls -p /", "ls -p /many"])
    .split("\n")
    .filter((line) => /^\/\d+\/10/.test(line))
    .map((line) => Number(line.split("/")[1]));
  const held = new Set<number>();
  for (const line of debugfs(
    image,
    files.map((ino) => `blocks <${ino}>`),
  ).split("\n")) {
    if (/^\d[\d ]*$/.test(line.trim())) for (const b of line.trim().split(" ")) held.add(Number(b));
  }
  const out: number[] = [];
  for (let b = 1; b < bytes.length / 1024; b++) {
    const isUsed = bytes.subarray(b * 1024, (b + 1) * 1024).some((x) => x !== 0);
    if (isUsed && !held.has(b)) out.push(b);
  }
  return out;
}

export function damage(bytes: Uint8Array, metadata: readonly number[], random: () => number): void {
  const flips = 1 + Math.floor(random() * 12);
  for (let i = 0; i < flips; i++) {
    const block = metadata[Math.floor(random() * metadata.length)]!;
    const at = block * 1024 + Math.floor(random() * 1024);
    const kind = random();
    if (kind < 0.4) bytes[at]! ^= 1 << Math.floor(random() * 8);
    else if (kind < 0.7) bytes[at] = random() * 256;
    else if (kind < 0.85) bytes.fill(0xff, at, at + 4);
    else {
      const from = metadata[Math.floor(random() * metadata.length)]!;
      bytes.copyWithin(block * 1024, from * 1024, from * 1024 + 1024);
    }
  }
}

/** Visits everything once, up to a number of entries and bytes: a damaged tree may have loops. */
class Walk {
  errors = 0;
  entries = 0;
  #bytes = 0;

  directory(vp: Ext4Vnode, depth: number): void {
    const names: string[] = [];
    const r = vp.readdir(0, { entry: (name) => names.push(name) < 2000 });
    if (r < 0) this.errors++;
    for (const name of names) {
      if (this.entries > 3000) return;
      this.entries++;
      const c = vp.lookup(name);
      if (!(c instanceof Ext4Vnode)) {
        this.errors++;
        continue;
      }
      c.getattr();
      const list = c.listxattr();
      if (typeof list !== "number") for (const x of list) c.getxattr(x);
      c.readlink();
      this.#read(c);
      if (c.isDir && depth < 6 && name !== "." && name !== "..") this.directory(c, depth + 1);
    }
    vp.lookup("no such name");
  }

  #read(vp: Ext4Vnode): void {
    const into = new Uint8Array(8192);
    const run = new BlockRun();
    const size = vp.inode.sizeBytes;
    for (const start of [0, Math.floor(size / 2), Math.max(0, size - 8192), size, size + 1e6]) {
      if (this.#bytes > 4 << 20) return;
      if (readData(vp.inode, start, into, run) < 0) this.errors++;
      this.#bytes += into.length;
    }
  }
}

if (import.meta.main) {
  console.log(fuzzExt4(Number(process.argv[2] ?? 2000), Number(process.argv[3] ?? 1)));
}
