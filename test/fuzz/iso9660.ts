/**
 * Flips bytes of ISO 9660 images and walks all that is left, within a budget.
 *
 * Every answer is acceptable but an exception or a walk without end.
 * Run: node test/fuzz/iso9660.ts [seeds] [first seed]
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { IsoVnode } from "../../src/fs/iso9660/vnode.ts";
import { withTempDir } from "../fs/ext4image.ts";
import { genisoimage, makeIsoTree, mountIso, xorriso, zisofs } from "../fs/isoimage.ts";
import { generator } from "./generator.ts";

export interface IsoFuzzResult {
  readonly refusedMounts: number;
  readonly errors: number;
  readonly entries: number;
  readonly longestMs: number;
}

export function fuzzIso(seeds: number, first = 1): IsoFuzzResult {
  const images = makeImages();
  let refusedMounts = 0;
  let errors = 0;
  let entries = 0;
  let longestMs = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const image = images[seed % images.length]!;
    const random = generator(seed);
    const bytes = image.bytes.slice();
    damage(bytes, image.sectors, random);
    const start = performance.now();
    const { result } = mountIso(bytes, seed % 3 === 0 ? "norock" : "");
    if (typeof result === "number") refusedMounts++;
    else {
      const walk = new Walk();
      const root = result.root();
      if (root instanceof IsoVnode) walk.directory(root, 0);
      errors += walk.errors;
      entries += walk.entries;
    }
    longestMs = Math.max(longestMs, performance.now() - start);
  }
  return { refusedMounts, errors, entries, longestMs };
}

/** The sectors of descriptors, directories and Rock Ridge: where a flipped byte matters. */
interface Target {
  readonly bytes: Uint8Array;
  readonly sectors: readonly number[];
}

function makeImages(): Target[] {
  return withTempDir((dir) => {
    const tree = join(dir, "tree");
    makeIsoTree(tree, 120, false);
    const options = [["-R"], ["-R", "-J"], ["-J"], []];
    const images = options.map((o) => genisoimage(join(dir, `g${o.join("")}`), tree, o));
    images.push(xorriso(join(dir, "x"), tree, ["-R", "-iso-level", "3"]));
    images.push(zisofs(join(dir, "z"), tree));
    return images.map((image) => {
      const bytes = new Uint8Array(readFileSync(image));
      return { bytes, sectors: metadataOf(bytes) };
    });
  });
}

/** Sectors that look like metadata: a descriptor, a record, or the entries of Rock Ridge. */
function metadataOf(bytes: Uint8Array): number[] {
  const found: number[] = [];
  for (let s = 16; s < bytes.length / 2048; s++) {
    const text = Buffer.from(bytes.buffer, s * 2048, 2048).toString("latin1");
    if (text.startsWith("CD001", 1) || text.includes("TF\x1a\x01") || isDirectory(bytes, s)) {
      found.push(s);
    }
  }
  return found;
}

function isDirectory(bytes: Uint8Array, sector: number): boolean {
  const at = sector * 2048;
  return bytes[at]! >= 34 && bytes[at + 2] === sector % 256 && bytes[at + 32] === 1;
}

function damage(bytes: Uint8Array, sectors: readonly number[], random: () => number): void {
  const flips = 1 + Math.floor(random() * 12);
  const any = () => sectors[Math.floor(random() * sectors.length)]!;
  for (let i = 0; i < flips; i++) {
    const at = any() * 2048 + Math.floor(random() * random() * 2048);
    const kind = random();
    if (kind < 0.4) bytes[at]! ^= 1 << Math.floor(random() * 8);
    else if (kind < 0.7) bytes[at] = random() * 256;
    else if (kind < 0.8) bytes.fill(0xff, at, at + 4);
    // What looks like the extent of a directory leads to another one.
    else if (kind < 0.9) bytes[at] = any() % 256;
    else {
      const from = any() * 2048;
      const to = any() * 2048;
      bytes.copyWithin(to, from, from + 2048);
    }
  }
}

/** Visits everything once, up to a number of entries and bytes: a damaged tree may be shared. */
class Walk {
  errors = 0;
  entries = 0;
  #bytes = 0;

  directory(vp: IsoVnode, depth: number): void {
    const names: string[] = [];
    const r = vp.readdir(0, { entry: (name) => names.push(name) < 2000 });
    if (r < 0) this.errors++;
    for (const name of names) {
      if (this.entries > 3000) return;
      if (name === "." || name === "..") continue;
      this.entries++;
      const c = vp.lookup(name);
      if (!(c instanceof IsoVnode)) {
        this.errors++;
        continue;
      }
      c.getattr();
      c.readlink();
      this.#read(c);
      if (c.isDir && depth < 40) this.directory(c, depth + 1);
    }
    vp.lookup("no such name");
    vp.readdir(Math.floor(vp.inode.sizeBytes / 3), { entry: () => true });
  }

  #read(vp: IsoVnode): void {
    const into = new Uint8Array(8192);
    const size = vp.inode.sizeBytes;
    for (const start of [0, Math.floor(size / 2), Math.max(0, size - 8192), size, size + 1e6]) {
      if (this.#bytes > 4 << 20) return;
      if (vp.readContents(start, into) < 0) this.errors++;
      this.#bytes += into.length;
    }
  }
}

if (import.meta.main) {
  console.log(fuzzIso(Number(process.argv[2] ?? 2000), Number(process.argv[3] ?? 1)));
}
