/**
 * An image being assembled: the tree of names and the ext4 file they go to.
 *
 * Packages are merged in with their own owners, modes and times; files that
 * the builder adds are root's and carry the release's date, so that the same
 * inputs give the same image, bit for bit.
 */
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { ImageError } from "./error.ts";
import { BLOCK_SIZE } from "./ext4/format.ts";
import type { Ext4Writer } from "./ext4/writer.ts";
import type { TarEntry } from "./tar.ts";
import { dirNode, ImageTree, type Node } from "./tree.ts";

/** What was unpacked of a package: its paths in order and the MD5 of its configuration files. */
export interface Unpacked {
  readonly paths: string[];
  readonly conffileSums: Map<string, string>;
}

export class Assembly {
  readonly tree: ImageTree;
  readonly #file: FileHandle;
  readonly #writer: Ext4Writer;
  readonly #time: number;

  constructor(file: FileHandle, writer: Ext4Writer, time: number) {
    this.#file = file;
    this.#writer = writer;
    this.#time = time;
    this.tree = new ImageTree(time);
    this.dir("/lost+found", 0o700);
  }

  get time(): number {
    return this.#time;
  }

  /** Merges the files of a package. */
  async unpack(
    entries: AsyncIterable<TarEntry>,
    conffiles: ReadonlySet<string>,
  ): Promise<Unpacked> {
    const paths: string[] = [];
    const conffileSums = new Map<string, string>();
    for await (const entry of entries) {
      const path = `/${entry.path.replace(/^(\.?\/)+/, "").replace(/\/+$/, "")}`;
      paths.push(path === "/" || path === "/." ? "/." : path);
      if (conffiles.has(path)) {
        conffileSums.set(path, createHash("md5").update(entry.data).digest("hex"));
      }
      this.tree.put(path, await this.#node(entry));
    }
    return { paths, conffileSums };
  }

  /** Adds a file of the builder's own. */
  async file(path: string, content: string | Uint8Array, mode = 0o644, gid = 0): Promise<void> {
    const data = Buffer.from(content);
    const extents = await this.#writer.store(data);
    const meta = { mode, uid: 0, gid, mtime: this.#time };
    this.tree.put(path, { ...meta, kind: "file", size: data.length, extents });
  }

  dir(path: string, mode = 0o755, gid = 0): void {
    this.tree.put(path, dirNode({ mode, uid: 0, gid, mtime: this.#time }));
  }

  symlink(path: string, target: string): void {
    const meta = { mode: 0o777, uid: 0, gid: 0, mtime: this.#time };
    this.tree.put(path, { ...meta, kind: "symlink", target });
  }

  device(path: string, major: number, minor: number, mode: number): void {
    const meta = { mode, uid: 0, gid: 0, mtime: this.#time };
    this.tree.put(path, { ...meta, kind: "char", major, minor });
  }

  has(path: string): boolean {
    return this.tree.get(path) !== undefined || this.tree.lget(path) !== undefined;
  }

  /** The contents of a file of the image; undefined where there is none. */
  async read(path: string): Promise<Buffer | undefined> {
    const node = this.tree.get(path);
    if (node?.kind !== "file") return undefined;
    const data = Buffer.alloc(node.size);
    let done = 0;
    for (const { start, count } of node.extents) {
      const length = Math.min(count * BLOCK_SIZE, node.size - done);
      await this.#file.read(data, done, length, start * BLOCK_SIZE);
      done += length;
    }
    return data;
  }

  /** The names in a directory of the image, sorted. */
  list(path: string): string[] {
    const node = this.tree.get(path);
    return node?.kind === "dir" ? [...node.entries.keys()].sort() : [];
  }

  async #node(entry: TarEntry): Promise<Node> {
    const { mode, uid, gid, mtime } = entry;
    const meta = { mode, uid, gid, mtime };
    switch (entry.type) {
      case "file": {
        const extents = await this.#writer.store(entry.data);
        return { ...meta, kind: "file", size: entry.data.length, extents };
      }
      case "dir":
        return dirNode(meta);
      case "symlink":
        return { ...meta, mode: 0o777, kind: "symlink", target: entry.target };
      case "link": {
        const target = this.tree.lget(entry.target);
        if (target === undefined || target.kind === "dir") {
          throw new ImageError(`${entry.path}: a hard link to ${entry.target}, which is no file`);
        }
        return target;
      }
      default:
        return { ...meta, kind: entry.type, major: entry.major, minor: entry.minor };
    }
  }
}
