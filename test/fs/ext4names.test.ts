/**
 * Names on ext4, changed at random: the tree that results against a plain model,
 * listed by this kernel and, after unmounting, by another mount of it; and e2fsck.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { ENOSPC, ENOTEMPTY, failed } from "../../src/abi/errno.ts";
import { RENAME_EXCHANGE, RENAME_WHITEOUT } from "../../src/abi/fcntl.ts";
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFREG, S_IFSOCK } from "../../src/abi/stat.ts";
import { Ext4Vnode } from "../../src/fs/ext4/vnode.ts";
import { Cred } from "../../src/kern/cred.ts";
import type { FileSystem } from "../../src/vfs/filesystem.ts";
import { Random } from "../fuzz/random.ts";
import { makeImage, mountBytes, withTempDir } from "./ext4image.ts";
import { namesIn } from "./names.ts";

const root = Cred.root();

/** A file of the model; directories have names, symlinks a target. */
class Node {
  readonly mode: number;
  readonly target: string;
  readonly rdev: number;
  nlink: number;
  parent: Node | null = null;
  readonly names = new Map<string, Node>();
  readonly xattrs = new Map<string, Uint8Array>();

  constructor(mode: number, target = "", rdev = 0) {
    this.mode = mode;
    this.target = target;
    this.rdev = rdev;
    this.nlink = this.isDir ? 2 : 1;
  }

  get isDir(): boolean {
    return (this.mode & 0o170000) === S_IFDIR;
  }
}

/** The same operations on a volume and on the model. */
class Subject {
  readonly fs: FileSystem;
  readonly top = new Node(S_IFDIR | 0o755);
  readonly #random: Random;
  readonly #dirs: Node[] = [this.top];
  #serial = 0;
  /** Operations that found no room. */
  refused = 0;

  constructor(fs: FileSystem, random: Random) {
    this.fs = fs;
    this.#random = random;
  }

  vnode(node: Node): Ext4Vnode {
    const names: string[] = [];
    for (let at = node; at.parent; at = at.parent) {
      names.unshift([...at.parent.names].find(([, n]) => n === at)![0]);
    }
    let vp = this.fs.root() as Ext4Vnode;
    for (const name of names) {
      const next = vp.lookup(name);
      assert.ok(next instanceof Ext4Vnode, `${name}: ${next}`);
      vp = next;
    }
    return vp;
  }

  step(): void {
    const r = this.#random;
    const what = r.below(20);
    if (what < 9) this.make();
    else if (what < 11) this.#link();
    else if (what < 14) this.#remove();
    else if (what < 18) this.#rename();
    else this.#xattr();
  }

  #isFull(r: unknown): void {
    assert.equal(r, ENOSPC);
    this.refused++;
  }

  #dir(): Node {
    return this.#dirs[this.#random.below(this.#dirs.length)]!;
  }

  /** Mostly short names; some as long as can be. */
  #name(): string {
    const r = this.#random;
    const serial = (this.#serial++).toString(36);
    const length = r.below(5) === 0 ? 255 : r.below(40);
    return serial.padEnd(Math.max(serial.length, length), "abc\xe9");
  }

  #anyIn(dir: Node): [string, Node] | null {
    const all = [...dir.names];
    return all.length === 0 ? null : all[this.#random.below(all.length)]!;
  }

  make(dir = this.#dir(), name = this.#name()): void {
    const r = this.#random;
    const vp = this.vnode(dir);
    const what = r.below(10);
    let node: Node;
    let made: unknown;
    if (what < 2) {
      node = new Node(S_IFDIR | 0o750);
      made = vp.mkdir(name, 0o750, root);
    } else if (what < 4) {
      node = new Node(0o120777, "t".repeat(1 + r.below(r.below(3) === 0 ? 900 : 70)));
      made = vp.symlink(name, node.target, root);
    } else if (what < 5) {
      const type = [S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK][r.below(4)]!;
      const isDevice = type === S_IFCHR || type === S_IFBLK;
      node = new Node(type | 0o600, "", isDevice ? [0x105, 0x12345678][r.below(2)]! : 0);
      made = vp.mknod(name, node.mode, node.rdev, root);
    } else if (what < 6) {
      node = new Node(S_IFREG | 0o640);
      made = vp.tmpfile(node.mode, root);
      if (made instanceof Ext4Vnode) {
        const file = made.hold();
        const linked = r.below(4) === 0 ? ENOSPC : vp.link(name, file);
        file.release();
        if (failed(linked)) made = linked;
      }
    } else {
      node = new Node(S_IFREG | 0o640);
      made = vp.mknod(name, node.mode, 0, root);
    }
    if (failed(made)) {
      this.#isFull(made);
      return;
    }
    dir.names.set(name, node);
    if (!node.isDir) return;
    node.parent = dir;
    dir.nlink++;
    this.#dirs.push(node);
  }

  #link(): void {
    const found = this.#anyIn(this.#dir());
    if (!found || found[1].isDir) return;
    const from = this.#dirs.find((d) => d.names.get(found[0]) === found[1])!;
    const vp = this.vnode(from).lookup(found[0]);
    assert.ok(vp instanceof Ext4Vnode);
    const to = this.#dir();
    const name = this.#name();
    const r = this.vnode(to).link(name, vp);
    if (failed(r)) {
      this.#isFull(r);
      return;
    }
    to.names.set(name, found[1]);
    found[1].nlink++;
  }

  #remove(): void {
    const dir = this.#dir();
    const found = this.#anyIn(dir);
    if (found) this.removeFrom(dir, found[0]);
  }

  removeFrom(dir: Node, name: string): void {
    const node = dir.names.get(name)!;
    const dvp = this.vnode(dir);
    const vp = dvp.lookup(name);
    assert.ok(vp instanceof Ext4Vnode, `${name}: ${vp}`);
    vp.hold();
    const r = node.isDir ? dvp.rmdir(name, vp) : dvp.unlink(name, vp);
    vp.release();
    if (node.names.size > 0) {
      assert.equal(r, ENOTEMPTY);
      return;
    }
    assert.equal(r, 0);
    this.#gone(dir, name, node);
  }

  #gone(dir: Node, name: string, node: Node): void {
    dir.names.delete(name);
    this.#lost(dir, node);
  }

  #lost(dir: Node, node: Node): void {
    if (!node.isDir) {
      node.nlink--;
      return;
    }
    dir.nlink--;
    this.#dirs.splice(this.#dirs.indexOf(node), 1);
  }

  #rename(): void {
    const r = this.#random;
    const from = this.#dir();
    const to = this.#dir();
    const found = this.#anyIn(from);
    if (!found) return;
    const [name, node] = found;
    const over = r.below(2) === 0 ? this.#anyIn(to) : null;
    for (let at: Node | null = to; at; at = at.parent) if (at === node) return;
    const toName = over ? over[0] : this.#name();
    const there = over ? over[1] : null;
    if (there === node) return;
    for (let at: Node | null = from; at; at = at.parent) if (at === there) return;
    const flags =
      there && r.below(3) === 0 ? RENAME_EXCHANGE : r.below(5) === 0 ? RENAME_WHITEOUT : 0;
    if (there && flags !== RENAME_EXCHANGE && there.isDir !== node.isDir) return;
    const fromVp = this.vnode(from);
    const toVp = this.vnode(to);
    const vp = fromVp.lookup(name) as Ext4Vnode;
    const overVp = there ? (toVp.lookup(toName) as Ext4Vnode) : null;
    overVp?.hold();
    const result = fromVp.rename(name, vp, toVp, toName, overVp, flags);
    overVp?.release();
    if (flags !== RENAME_EXCHANGE && there && there.names.size > 0) {
      assert.equal(result, ENOTEMPTY);
      return;
    }
    if (failed(result)) {
      this.#isFull(result);
      return;
    }
    if (flags === RENAME_EXCHANGE) {
      this.#place(from, name, there!, to);
      this.#place(to, toName, node, from);
      return;
    }
    from.names.delete(name);
    if (there) this.#gone(to, toName, there);
    this.#place(to, toName, node, from);
    if (flags === RENAME_WHITEOUT) from.names.set(name, new Node(S_IFCHR));
  }

  #place(dir: Node, name: string, node: Node, before: Node): void {
    dir.names.set(name, node);
    if (!node.isDir) return;
    before.nlink--;
    dir.nlink++;
    node.parent = dir;
  }

  #xattr(): void {
    const dir = this.#dir();
    const found = this.#anyIn(dir);
    if (!found) return;
    const vp = this.vnode(dir).lookup(found[0]) as Ext4Vnode;
    const r = this.#random;
    const name = `user.${"n".repeat(1 + r.below(6))}`;
    if (r.below(3) === 0 && found[1].xattrs.delete(name)) {
      assert.equal(vp.removexattr(name), 0);
      return;
    }
    const value = new Uint8Array(r.below(r.below(2) === 0 ? 40 : 700)).fill(r.below(256));
    const set = vp.setxattr(name, value, 0);
    if (failed(set)) {
      this.#isFull(set);
      return;
    }
    found[1].xattrs.set(name, value);
  }
}

/** What is below `vp` is what the model says. */
function compare(vp: Ext4Vnode, node: Node, path: string): void {
  const names = namesIn(vp).filter((n) => n !== "." && n !== ".." && n !== "lost+found");
  assert.deepEqual(names.sort(), [...node.names.keys()].sort(), path);
  for (const [name, below] of node.names) {
    const where = `${path}/${name}`;
    const c = vp.lookup(name);
    assert.ok(c instanceof Ext4Vnode, `${where}: ${c}`);
    const a = c.getattr();
    assert.ok(typeof a !== "number", where);
    assert.equal(a.mode, below.mode, where);
    assert.equal(a.nlink, below.nlink, where);
    assert.equal(a.rdev, below.rdev, where);
    if (below.target) assert.equal(c.readlink(), below.target, where);
    const listed = c.listxattr();
    assert.ok(typeof listed !== "number", where);
    assert.deepEqual([...listed].sort(), [...below.xattrs.keys()].sort(), where);
    for (const [x, value] of below.xattrs) assert.deepEqual(c.getxattr(x), value, where);
    if (below.isDir) compare(c, below, where);
  }
}

function fsck(image: string): void {
  const r = spawnSync("e2fsck", ["-fn", image]);
  assert.equal(r.status, 0, r.stdout.toString() + r.stderr.toString());
}

function withVolume(options: string[], sizeKib: number, run: (fs: FileSystem) => Node): void {
  withTempDir((dir) => {
    mkdirSync(join(dir, "tree"));
    const image = makeImage(dir, join(dir, "tree"), sizeKib, options);
    const bytes = new Uint8Array(readFileSync(image));
    const { result, messages } = mountBytes(bytes, "", false);
    assert.ok(typeof result !== "number", messages.join("\n"));
    const model = run(result);
    compare(result.root() as Ext4Vnode, model, "");
    assert.equal(result.unmount(), 0);
    assert.deepEqual(
      messages.filter((m) => /error/i.test(m)),
      [],
    );
    writeFileSync(image, bytes);
    fsck(image);
    const again = mountBytes(bytes);
    assert.ok(typeof again.result !== "number", again.messages.join("\n"));
    compare(again.result.root() as Ext4Vnode, model, "");
  });
}

const flavours: Record<string, string[]> = {
  ext4: ["-t", "ext4"],
  "ext4, 1 KiB blocks": ["-t", "ext4", "-b", "1024", "-O", "^has_journal"],
  "ext4, 128-byte inodes": ["-t", "ext4", "-b", "1024", "-I", "128"],
  "ext4, 64 KiB blocks": ["-t", "ext4", "-b", "65536", "-O", "^has_journal"],
  "ext4 without checksums": ["-t", "ext4", "-O", "^metadata_csum", "-b", "1024"],
  "ext4 with group checksums": ["-t", "ext4", "-O", "^metadata_csum,uninit_bg,^64bit"],
  "ext4 without dir_index": ["-t", "ext4", "-O", "^dir_index", "-b", "1024"],
  "ext4 with inline data": ["-t", "ext4", "-O", "inline_data"],
  "ext4 with ea_inode, large_dir": ["-t", "ext4", "-O", "ea_inode,large_dir", "-b", "1024"],
  "ext4 with metadata_csum_seed, meta_bg": [
    "-t",
    "ext4",
    "-O",
    "metadata_csum_seed,meta_bg,^resize_inode",
  ],
  ext3: ["-t", "ext3", "-b", "1024"],
  ext2: ["-t", "ext2", "-b", "1024"],
};

describe("random operations on names leave what the model says, and a sound volume", () => {
  for (const [title, options] of Object.entries(flavours)) {
    it(title, () => {
      for (let seed = 1; seed <= 2; seed++) {
        const blocks = options.includes("65536") ? 65536 : 16384;
        withVolume([...options, "-N", "1024"], blocks, (fs) => {
          const s = new Subject(fs, new Random(seed));
          for (let i = 0; i < 600; i++) s.step();
          return s.top;
        });
      }
    });
  }
});

describe("on a volume that is full, what cannot be done leaves nothing behind", () => {
  const small: Record<string, string[]> = {
    ext4: ["-t", "ext4", "-b", "1024", "-O", "^has_journal,^resize_inode"],
    "ext4 with a journal": ["-t", "ext4", "-b", "1024", "-J", "size=1", "-O", "^resize_inode"],
    ext2: ["-t", "ext2", "-b", "1024", "-O", "^resize_inode"],
  };
  for (const [title, options] of Object.entries(small)) {
    it(title, () => {
      for (let seed = 1; seed <= 3; seed++) {
        const sizeKib = (options.includes("-J") ? 1220 : 192) + 16 * seed;
        withVolume([...options, "-N", "384", "-m", "0"], sizeKib, (fs) => {
          const s = new Subject(fs, new Random(seed));
          for (let i = 0; i < 1500; i++) s.step();
          assert.ok(s.refused > 20, `${s.refused} found no room`);
          return s.top;
        });
      }
    });
  }
});
