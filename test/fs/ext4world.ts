/**
 * An ext4 volume mounted at /mnt of a context without a machine, the operations
 * of a Model done on it, and how the two are compared.
 */
import assert from "node:assert/strict";
import {
  EIO,
  ENODATA,
  ENOSPC,
  EOPNOTSUPP,
  EROFS,
  type Errno,
  failed,
} from "../../src/abi/errno.ts";
import { O_CREAT, O_EXCL, O_RDONLY, O_RDWR } from "../../src/abi/fcntl.ts";
import { S_IFIFO, S_IFMT } from "../../src/abi/stat.ts";
import type { Ext4 } from "../../src/fs/ext4/ext4.ts";
import { truncate } from "../../src/vfs/attributes.ts";
import { link, mkdir, mknod, symlink } from "../../src/vfs/create.ts";
import type { File } from "../../src/vfs/file.ts";
import type { FileSystem } from "../../src/vfs/filesystem.ts";
import type { Mount } from "../../src/vfs/mount.ts";
import { namei, WALK_FOLLOW } from "../../src/vfs/namei.ts";
import { vfsOpen } from "../../src/vfs/open.ts";
import type { Path } from "../../src/vfs/path.ts";
import { rename, rmdir, unlink } from "../../src/vfs/remove.ts";
import type { Vnode } from "../../src/vfs/vnode.ts";
import { Uio } from "../../src/vm/uio.ts";
import { World } from "../vfs/harness.ts";
import { contentsAt, type Model, type Node, type Op } from "./model.ts";

const AT = "/mnt";
/** Larger files are compared where they were written only. */
const WHOLE_MAX = 2 << 20;

const types: Readonly<Record<number, string>> = {
  [0o100000]: "file",
  [0o040000]: "dir",
  [0o120000]: "link",
  [0o010000]: "fifo",
};

/** "file", "dir" and so on for the type bits of a mode. */
export function kindOf(type: number): string {
  return types[type] ?? String(type);
}

export class FileWorld extends World {
  #mount: Mount | null = null;
  readonly #open: File[] = [];

  constructor(ramBytes = 8 << 20) {
    super(undefined, ramBytes);
    this.ctx.umask = 0;
    assert.equal(mkdir(this.td, this.ctx, AT, 0o755, null), 0);
  }

  attach(fs: FileSystem): void {
    const at = namei(this.ctx, this.td, AT, WALK_FOLLOW);
    assert.ok(!failed(at));
    const mount = this.vfs.mounts.mount(fs, at, 0, "vkd0");
    assert.ok(!failed(mount), `mount: ${mount}`);
    this.#mount = mount;
  }

  /** Unmounts what was attached; what that answers. */
  detach(): number {
    for (const fp of this.#open.splice(0)) fp.release();
    const mount = this.#mount!;
    this.#mount = null;
    return this.vfs.mounts.unmount(mount);
  }

  /** Does `o`: 0, what was written for a write, or an error. */
  do(o: Op): number {
    const { td, ctx } = this;
    const path = "path" in o ? AT + o.path : "";
    switch (o.op) {
      case "mkdir":
        return mkdir(td, ctx, path, 0o755, null);
      case "fifo": {
        const vp = mknod(td, ctx, path, S_IFIFO | 0o644, 0, null);
        return failed(vp) ? vp : 0;
      }
      case "symlink":
        return symlink(td, ctx, o.target, path, null);
      case "rmdir":
        return rmdir(td, ctx, path, null);
      case "unlink":
        return unlink(td, ctx, path, null);
      case "link":
        return this.#with(path, (at) => link(td, ctx, at, AT + o.to, null));
      case "rename":
        return rename(td, ctx, path, null, AT + o.to, null, o.flags);
      case "truncate":
        return this.#with(path, (at) => truncate(td, at, o.size));
      case "allocate":
        return this.#with(path, (at) => at.entry.vnode!.allocate(o.mode, o.offset, o.length));
      case "setxattr":
        return this.#with(path, (at) => setXattr(at.entry.vnode!, o.name, o.size));
      case "removexattr":
        return this.#with(path, (at) => {
          const r = at.entry.vnode!.removexattr(o.name);
          return r === ENODATA ? 0 : r;
        });
      case "fsync":
        return this.#using(path, O_RDWR, (fp) => fp.fsync(false));
      case "fdatasync":
        return this.#using(path, O_RDWR, (fp) => fp.fsync(true));
      case "open": {
        const fp = vfsOpen(td, ctx, path, O_RDWR, 0);
        if (failed(fp)) return fp;
        this.#open.push(fp);
        return 0;
      }
      case "close":
        this.#open.shift()?.release();
        return 0;
      case "sync":
        return this.#mount!.fs.sync();
      case "commit":
        return (this.#mount!.fs as Ext4).commit();
      case "create":
      case "write":
        throw new Error(`${o.op} needs the model`);
    }
  }

  /** Makes an empty file whose permissions tell its contents. */
  create(path: string, mode: number): number {
    const fp = vfsOpen(this.td, this.ctx, AT + path, O_CREAT | O_EXCL | O_RDWR, mode);
    if (failed(fp)) return fp;
    fp.release();
    return 0;
  }

  /** Writes what belongs there. Bytes written, or an error. */
  fill(path: string, mode: number, offset: number, length: number): number {
    const data = contentsAt(mode, [[offset, offset + length]], offset, length);
    return this.#using(AT + path, O_RDWR, (fp) => fp.pwrite(this.td, Uio.kernel(data), offset));
  }

  /** Everything that `model` has is here, and nothing else. */
  compare(model: Model, note: string): void {
    this.#compareDir(model.root, "", note);
  }

  #compareDir(dir: Node, path: string, note: string): void {
    assert.deepEqual(this.names(path).sort(), [...dir.children.keys()].sort(), `${note}: ${path}/`);
    for (const [name, node] of dir.children) {
      const at = `${path}/${name}`;
      const told = `${note}: ${at}`;
      const found = this.lookup(at);
      assert.ok(!failed(found), `${told}: ${found}`);
      this.compareNode(found, node, told);
      this.vfs.release(found);
      if (node.kind === "dir") this.#compareDir(node, at, note);
    }
  }

  /** The file at `at` is as `node` says: type, links, size, contents, attributes. */
  compareNode(at: Path, node: Node, told: string): void {
    const vp = at.entry.vnode!;
    const attr = vp.getattr();
    assert.ok(!failed(attr), told);
    assert.equal(types[attr.mode & S_IFMT], node.kind, told);
    assert.equal(attr.nlink, node.nlink, `${told}: links`);
    if (node.kind === "link") assert.equal(vp.readlink(), node.target, told);
    if (node.kind !== "file" && node.kind !== "dir") return;
    this.compareXattrs(at, node, told);
    if (node.kind === "file") this.compareContents(at, node, told);
  }

  compareXattrs(at: Path, node: Node, told: string): void {
    const vp = at.entry.vnode!;
    const names = vp.listxattr();
    assert.ok(typeof names !== "number", `${told}: ${names}`);
    assert.deepEqual([...names].sort(), [...node.xattrs.keys()].sort(), `${told}: attributes`);
    for (const [name, size] of node.xattrs) {
      assert.deepEqual(vp.getxattr(name), xattrValue(name, size), `${told}: ${name}`);
    }
  }

  compareContents(at: Path, node: Node, told: string): void {
    const vp = at.entry.vnode!;
    const attr = vp.getattr();
    assert.ok(!failed(attr), told);
    assert.equal(attr.sizeBytes, node.size, `${told}: size`);
    const areas: [number, number][] = [];
    if (node.size <= WHOLE_MAX) areas.push([0, node.size]);
    else {
      for (const [from, to] of node.written) {
        areas.push([Math.max(0, from - 5000), Math.min(node.size, to + 5000)]);
      }
    }
    for (const [from, to] of areas) {
      const got = this.readAt(vp, from, to - from);
      assert.ok(typeof got !== "number", `${told}: ${got}`);
      const wanted = contentsAt(node.mode, node.written, from, to - from);
      if (Buffer.compare(got, wanted) === 0) continue;
      const i = got.findIndex((b, n) => b !== wanted[n]);
      assert.fail(`${told}: byte ${from + i} of ${node.size} is ${got[i]}, not ${wanted[i]}`);
    }
  }

  readAt(vp: Vnode, offset: number, length: number): Uint8Array | Errno {
    const all = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const n = vp.read(this.td, Uio.kernel(all.subarray(done)), offset + done, null);
      if (n < 0) return n as Errno;
      if (n === 0) return all.subarray(0, done);
      done += n;
    }
    return all;
  }

  /** Names in a directory but "." and "..", and lost+found at the top. */
  names(path: string): string[] {
    const found: string[] = [];
    const r = this.#using(AT + path, O_RDONLY, (fp) => {
      for (;;) {
        let got = 0;
        const r = fp.readdir({
          entry(name) {
            if (got === 3) return false;
            got++;
            found.push(name);
            return true;
          },
        });
        if (r < 0 || got === 0) return r;
      }
    });
    assert.ok(r >= 0, `readdir ${path}: ${r}`);
    const hidden = new Set(path === "" ? [".", "..", "lost+found"] : [".", ".."]);
    return found.filter((name) => !hidden.has(name));
  }

  /** The place of `path`, held; a symlink itself. */
  lookup(path: string): Path | Errno {
    const at = namei(this.ctx, this.td, AT + path, 0);
    if (!failed(at)) this.vfs.hold(at);
    return at;
  }

  #with(path: string, f: (at: Path) => number): number {
    const at = namei(this.ctx, this.td, path, 0);
    if (failed(at)) return at;
    this.vfs.hold(at);
    const r = f(at);
    this.vfs.release(at);
    return r;
  }

  #using(path: string, flags: number, f: (fp: File) => number): number {
    const fp = vfsOpen(this.td, this.ctx, path, flags, 0);
    if (failed(fp)) return fp;
    const r = f(fp);
    fp.release();
    return r;
  }
}

function setXattr(vp: Vnode, name: string, size: number): number {
  const type = types[vp.type];
  return type === "file" || type === "dir" ? vp.setxattr(name, xattrValue(name, size), 0) : 0;
}

export function xattrValue(name: string, size: number): Uint8Array {
  const out = new Uint8Array(size);
  for (let i = 0; i < size; i++)
    out[i] = (name.charCodeAt(name.length - 1) * 7 + size + i * 3) & 0xff;
  return out;
}

/**
 * Does `o` on both; the results must agree. A file system may be full (then nothing
 * changes, or less is written), and one whose disk `hasFailed` may say EIO or EROFS,
 * and nothing changed: the result.
 */
export function step(
  world: FileWorld,
  model: Model,
  o: Op,
  told: string,
  hasFailed: () => boolean = () => false,
): number {
  const isFault = (r: number): boolean => (r === EIO || r === EROFS) && hasFailed();
  if (o.op === "write") {
    const node = model.find(o.path)!;
    const n = world.fill(o.path, node.mode, o.offset, o.length);
    if (n > 0) model.apply({ ...o, length: n });
    if (n > 0 || n === ENOSPC || isFault(n)) return Math.min(n, 0);
    assert.fail(`${told}: wrote ${n}`);
  }
  if (o.op === "create") {
    const expected = model.find(o.path) ? model.apply(o) : 0;
    const id = expected === 0 ? model.peekId : 0;
    const r = world.create(o.path, id % 512);
    if ((r === ENOSPC && expected === 0) || isFault(r)) return r;
    assert.equal(r, expected, told);
    if (expected === 0) model.apply(o);
    return r;
  }
  const r = world.do(o);
  if (r === ENOSPC || r === EOPNOTSUPP || isFault(r)) return r;
  assert.equal(Math.min(r, 0), model.apply(o), told);
  return r;
}
