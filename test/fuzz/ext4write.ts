/**
 * Flips bytes of ext4 images, mounts them for writing, and changes whatever can be reached.
 *
 * Every answer is acceptable but an exception or an operation without end.
 * Run: node test/fuzz/ext4write.ts [seeds] [first seed]
 */
import { Ext4 } from "../../src/fs/ext4/ext4.ts";
import { Ext4Vnode } from "../../src/fs/ext4/vnode.ts";
import { Cred } from "../../src/kern/cred.ts";
import type { Thread } from "../../src/kern/thread.ts";
import { Uio } from "../../src/vm/uio.ts";
import { MemoryStore, mountStore, newFrames } from "../fs/ext4image.ts";
import { damage, makeImages } from "./ext4.ts";
import { generator } from "./generator.ts";

const cred = Cred.root();
const td = { cred, fileSizeLimit: Number.POSITIVE_INFINITY } as unknown as Thread;
const OPERATIONS = 60;

export interface WriteFuzzResult {
  readonly refusedMounts: number;
  readonly done: number;
  readonly refused: number;
  readonly longestMs: number;
}

export function fuzzWrites(seeds: number, first = 1): WriteFuzzResult {
  const images = makeImages();
  const frames = newFrames(1 << 20);
  let refusedMounts = 0;
  let done = 0;
  let refused = 0;
  let longestMs = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const image = images[seed % images.length]!;
    const random = generator(seed);
    const bytes = image.bytes.slice();
    damage(bytes, image.metadata, random);
    const start = performance.now();
    const options = random() < 0.5 ? "errors=continue" : "";
    const { result: fs } = mountStore(new MemoryStore(bytes), options, false, frames);
    if (fs instanceof Ext4) {
      const hand = new Hand(fs, random);
      for (let i = 0; i < OPERATIONS; i++) {
        if (hand.operate() < 0) refused++;
        else done++;
      }
      fs.sync();
      hand.letGo();
      fs.unmount();
    } else {
      refusedMounts++;
    }
    longestMs = Math.max(longestMs, performance.now() - start);
  }
  return { refusedMounts, done, refused, longestMs };
}

/** Does things to files and directories that it finds by listing. */
class Hand {
  readonly #fs: Ext4;
  readonly #random: () => number;
  readonly #held: Ext4Vnode[] = [];

  constructor(fs: Ext4, random: () => number) {
    this.#fs = fs;
    this.#random = random;
  }

  letGo(): void {
    for (const vp of this.#held) vp.release();
    this.#held.length = 0;
  }

  operate(): number {
    const dir = this.#directory();
    if (!dir) return -1;
    const name = this.#nameIn(dir);
    const fresh = `new-${this.#below(20)}`;
    const found = name === null ? -1 : dir.lookup(name);
    const vp = found instanceof Ext4Vnode ? this.#hold(found) : null;
    const at = this.#below(3) === 0 ? this.#below(2 ** 31) : this.#below(100_000);
    const n = 1 + this.#below(20_000);
    switch (this.#below(14)) {
      case 0:
      case 1:
      case 2:
        return vp ? vp.write(td, Uio.kernel(new Uint8Array(n).fill(7)), at) : -1;
      case 3:
        return vp ? vp.setattr({ sizeBytes: this.#below(2) * at }) : -1;
      case 4:
      case 5:
        return vp && !vp.isDir ? vp.allocate([0, 3, 16, 8, 32][this.#below(5)]!, at, n) : -1;
      case 6:
        return this.#made(dir.mknod(fresh, 0o100644, 0, cred));
      case 7:
        return this.#made(dir.mkdir(fresh, 0o755, cred));
      case 8:
        return this.#made(dir.symlink(fresh, "t".repeat(n % 200), cred));
      case 9:
        if (!vp || name === null) return -1;
        return vp.isDir ? dir.rmdir(name, vp) : dir.unlink(name, vp);
      case 10:
        if (!vp || name === null) return -1;
        return dir.rename(name, vp, this.#directory() ?? dir, `moved-${this.#below(99)}`, null, 0);
      case 11:
        return vp ? vp.setxattr("user.x", new Uint8Array(n % 1500), 0) : -1;
      case 12:
        return vp && !vp.isDir ? vp.seekData(0, this.#below(2) === 0, vp.inode.sizeBytes) : -1;
      default:
        return vp ? vp.fsync(false) : this.#fs.commit();
    }
  }

  #made(vp: unknown): number {
    if (!(vp instanceof Ext4Vnode)) return -1;
    this.#hold(vp);
    return 0;
  }

  #hold(vp: Ext4Vnode): Ext4Vnode {
    this.#held.push(vp.hold());
    if (this.#held.length > 10) this.#held.shift()!.release();
    return vp;
  }

  #directory(): Ext4Vnode | null {
    let vp = this.#fs.root();
    if (!(vp instanceof Ext4Vnode)) return null;
    this.#hold(vp);
    for (let depth = this.#below(3); depth > 0 && vp instanceof Ext4Vnode; depth--) {
      const name = this.#nameIn(vp);
      const c: unknown = name === null ? null : vp.lookup(name);
      if (c instanceof Ext4Vnode && c.isDir) vp = this.#hold(c);
    }
    return vp instanceof Ext4Vnode ? vp : null;
  }

  #nameIn(dir: Ext4Vnode): string | null {
    const names: string[] = [];
    dir.readdir(0, {
      entry: (name) => {
        if (name !== "." && name !== "..") names.push(name);
        return names.length < 100;
      },
    });
    return names[this.#below(names.length)] ?? null;
  }

  #below(n: number): number {
    return Math.floor(this.#random() * n);
  }
}

if (import.meta.main) {
  const seeds = Number(process.argv[2] ?? 1000);
  console.log(fuzzWrites(seeds, Number(process.argv[3] ?? 1)));
}
