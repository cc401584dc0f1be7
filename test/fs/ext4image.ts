/**
 * ext4 images made by the host's mke2fs and debugfs, and how the tests read them.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { failed } from "../../src/abi/errno.ts";
import { Vkd } from "../../src/dev/vkd.ts";
import { BlockRun } from "../../src/fs/ext4/blockmap.ts";
import { readData } from "../../src/fs/ext4/data.ts";
import { Ext4Type } from "../../src/fs/ext4/ext4.ts";
import { Ext4Vnode } from "../../src/fs/ext4/vnode.ts";
import { Cred } from "../../src/kern/cred.ts";
import { PhysMem } from "../../src/machine/physmem.ts";
import type { BlockStore } from "../../src/platform/host.ts";
import { Disks } from "../../src/vfs/disks.ts";
import type { FileSystem } from "../../src/vfs/filesystem.ts";
import { PageAllocator } from "../../src/vm/page.ts";

/** Even, so that it is no byte of a model's file (model.ts). */
const GARBAGE = 0xa4;

export class MemoryStore implements BlockStore {
  readonly bytes: Uint8Array;
  readonly isReadOnly = false;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  read(offset: number, into: Uint8Array): number {
    into.set(this.bytes.subarray(offset, offset + into.length));
    return 0;
  }

  write(offset: number, from: Uint8Array): number {
    this.bytes.set(from, offset);
    return 0;
  }

  flush(): number {
    return 0;
  }

  close(): void {}
}

export function withTempDir<T>(run: (dir: string) => T): T {
  const dir = mkdtempSync(join(tmpdir(), "vkernel-ext4-"));
  try {
    return run(dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Bytes that differ at every offset and from file to file. */
export function pattern(length: number, seed: number): Uint8Array {
  const out = new Uint8Array(length);
  let x = seed * 2654435761 + 1;
  for (let i = 0; i < length; i++) {
    x = (Math.imul(x, 1103515245) + 12345) | 0;
    out[i] = x >>> 16;
  }
  return out;
}

/** A tree with what a file system must get right: sizes, holes, long names, links, depth. */
export function makeTree(root: string, entries: number): void {
  mkdirSync(join(root, "many"), { recursive: true });
  for (let i = 0; i < entries; i++) writeFileSync(join(root, "many", `file-${i}-\u00e9`), `${i}\n`);
  for (const n of [0, 1, 59, 60, 61, 100, 159, 160, 1023, 1024, 1025, 4096, 70000, 600000]) {
    writeFileSync(join(root, `size-${n}`), pattern(n, n));
  }
  const sparse = new Uint8Array(3 << 20);
  sparse.set(pattern(5000, 7), 1 << 20);
  sparse.set(pattern(100, 8), (3 << 20) - 100);
  writeFileSync(join(root, "sparse"), sparse);
  writeFileSync(join(root, "n".repeat(255)), "long name");
  symlinkSync("size-1", join(root, "short-link"));
  symlinkSync("x".repeat(59), join(root, "link-59"));
  symlinkSync("x".repeat(60), join(root, "link-60"));
  symlinkSync(`/${"y".repeat(1000)}`, join(root, "link-1001"));
  mkdirSync(join(root, "a", "b", "c", "d"), { recursive: true });
  writeFileSync(join(root, "a", "b", "c", "d", "leaf"), "deep");
  mkdirSync(join(root, "tiny"));
  writeFileSync(join(root, "tiny", "one"), "1");
}

export function makeImage(dir: string, tree: string, sizeKib: number, options: string[]): string {
  const image = join(dir, "image");
  rmSync(image, { force: true });
  execFileSync("mke2fs", ["-q", "-F", ...options, "-d", tree, image, `${sizeKib}k`], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  return image;
}

/** An empty volume in which whatever is not metadata is garbage, so that it shows if it is shown. */
export function freshImage(dir: string, options: readonly string[], sizeKib: number): Uint8Array {
  const path = join(dir, "fresh");
  execFileSync("mke2fs", ["-q", "-F", ...options, path, `${sizeKib}k`], { stdio: "ignore" });
  const bytes = new Uint8Array(readFileSync(path));
  const text = execFileSync("dumpe2fs", [path], { stdio: ["ignore", "pipe", "ignore"] }).toString();
  const size = Number(/Block size: +(\d+)/.exec(text)![1]);
  for (const [, list] of text.matchAll(/^ {2}Free blocks: (.*)$/gm)) {
    for (const [, from, to] of list!.matchAll(/(\d+)(?:-(\d+))?/g)) {
      bytes.fill(GARBAGE, Number(from) * size, (Number(to ?? from) + 1) * size);
    }
  }
  rmSync(path);
  return bytes;
}

/** Runs debugfs commands that write. */
export function debugfs(image: string, commands: string[]): string {
  return execFileSync("debugfs", ["-w", "-f", "-", image], {
    input: `${commands.join("\n")}\n`,
    stdio: ["pipe", "pipe", "pipe"],
  }).toString();
}

export interface Mounted {
  readonly result: FileSystem | number;
  readonly messages: readonly string[];
}

export function mountBytes(bytes: Uint8Array, data = "", isReadOnly = true): Mounted {
  return mountStore(new MemoryStore(bytes), data, isReadOnly);
}

/** Frames for mounts whose files nobody reads through the page cache; made once. */
const someFrames = newFrames(1 << 20);

export function newFrames(ramBytes: number): PageAllocator {
  const mem = new PhysMem({ ramBytes, maxHarts: 1, maxContexts: 1 });
  return new PageAllocator(mem, { codeWritten() {} });
}

export function mountStore(
  store: BlockStore,
  data = "",
  isReadOnly = true,
  frames = someFrames,
): Mounted {
  const messages: string[] = [];
  const disks = new Disks();
  disks.add(
    new Vkd(0, store, {
      isCopyOnWrite: false,
      overlayLimitBytes: 0,
      serial: "",
    }),
  );
  const log = { log: (_level: number, text: string) => void messages.push(text) };
  const clock = { realtime: () => ({ sec: 1_700_000_000, nsec: 0 }) };
  const type = new Ext4Type("ext4", disks, frames, log, clock);
  const rdev = disks.all[0]!.rdev;
  const result = type.mount({ source: "vkd0", rdev, data, isReadOnly, cred: Cred.root() });
  return { result, messages };
}

/** The root of an image that must mount. */
export function rootOf(image: string, data = ""): Ext4Vnode {
  const { result, messages } = mountBytes(readFileSync(image), data);
  if (typeof result === "number") throw new Error(`mount: ${result}: ${messages.join("; ")}`);
  const root = result.root();
  if (!(root instanceof Ext4Vnode)) throw new Error(`root: ${root}`);
  return root;
}

export function contents(vp: Ext4Vnode): Uint8Array {
  const all = new Uint8Array(vp.inode.sizeBytes);
  const run = new BlockRun();
  for (let at = 0; at < all.length; at += 3000) {
    const r = readData(vp.inode, at, all.subarray(at, at + 3000), run);
    if (failed(r)) throw new Error(`read: ${r}`);
  }
  return all;
}
