/**
 * The file tree of an image while it is being put together.
 *
 * Nothing is unpacked onto the host: names live here, contents go straight
 * into the image file as extents. So a hostile archive cannot escape, owners
 * and device nodes need no privilege, and hard links are shared nodes.
 * Invariant: every node but the root is reached through `DirNode.entries`.
 */
import { ImageError } from "./error.ts";

/** A run of `count` blocks of the image, from block `start`. */
export interface Extent {
  readonly start: number;
  readonly count: number;
}

/** Owner, permission bits (07777) and modification time in seconds. */
export interface Meta {
  mode: number;
  uid: number;
  gid: number;
  mtime: number;
}

export interface DirNode extends Meta {
  readonly kind: "dir";
  readonly entries: Map<string, Node>;
}

export interface FileNode extends Meta {
  readonly kind: "file";
  readonly size: number;
  readonly extents: readonly Extent[];
}

export interface SymlinkNode extends Meta {
  readonly kind: "symlink";
  readonly target: string;
}

export interface SpecialNode extends Meta {
  readonly kind: "char" | "block" | "fifo";
  readonly major: number;
  readonly minor: number;
}

export type Node = DirNode | FileNode | SymlinkNode | SpecialNode;

const MAX_SYMLINKS = 40;
const NAME_MAX = 255;
const SYMLINK_MAX = 4095;

/** A directory tree addressed by path; a symlink on the way is followed inside the tree. */
export class ImageTree {
  readonly root: DirNode;

  constructor(mtime: number) {
    this.root = dirNode({ mode: 0o755, uid: 0, gid: 0, mtime });
  }

  /**
   * Puts `node` at `path`, making parent directories as needed.
   *
   * As dpkg does: a directory over a directory updates its owner and mode, a
   * directory over a symlink to a directory leaves the symlink (merged /usr).
   */
  put(path: string, node: Node): void {
    const names = split(path);
    const leaf = names.pop();
    if (leaf === undefined) {
      if (node.kind !== "dir") throw new ImageError(`${path}: the root must be a directory`);
      Object.assign(this.root, { mode: node.mode, uid: node.uid, gid: node.gid });
      return;
    }
    if (node.kind === "symlink" && node.target.length > SYMLINK_MAX) {
      throw new ImageError(`${path}: the symlink's target is too long`);
    }
    const parent = this.#walk(names, path, node.mtime);
    const old = parent.entries.get(leaf);
    if (node.kind === "dir" && old !== undefined) {
      if (old.kind === "dir") {
        old.mode = node.mode;
        old.uid = node.uid;
        old.gid = node.gid;
        return;
      }
      if (old.kind === "symlink" && this.get(path)?.kind === "dir") return;
    } else if (old?.kind === "dir" && node.kind !== "dir") {
      throw new ImageError(`${path}: a ${node.kind} would replace a directory`);
    }
    parent.entries.set(leaf, node);
  }

  /** Takes away an empty directory; false if something is in it, or it is no directory. */
  removeEmpty(path: string): boolean {
    const names = split(path);
    const leaf = names.pop();
    const node = this.lget(path);
    const parent = this.#lookup(names, true, { left: MAX_SYMLINKS });
    if (leaf === undefined || parent?.kind !== "dir" || node?.kind !== "dir") return false;
    return node.entries.size === 0 && parent.entries.delete(leaf);
  }

  /** The node at `path`, all symlinks followed; undefined where there is none. */
  get(path: string): Node | undefined {
    return this.#lookup(split(path), true, { left: MAX_SYMLINKS });
  }

  /** The node at `path` itself, its last symlink not followed. */
  lget(path: string): Node | undefined {
    return this.#lookup(split(path), false, { left: MAX_SYMLINKS });
  }

  #lookup(names: string[], followLast: boolean, budget: { left: number }): Node | undefined {
    const trail: DirNode[] = [this.root];
    const todo = names.slice().reverse();
    for (;;) {
      const name = todo.pop();
      const dir = trail.at(-1)!;
      if (name === undefined) return dir;
      if (name === "..") {
        if (trail.length > 1) trail.pop();
        continue;
      }
      const node = dir.entries.get(name);
      if (node?.kind === "symlink" && (followLast || todo.length > 0)) {
        if (budget.left-- === 0) return undefined;
        if (node.target.startsWith("/")) trail.length = 1;
        todo.push(...components(node.target).reverse());
      } else if (node?.kind === "dir") {
        trail.push(node);
      } else {
        return todo.length === 0 ? node : undefined;
      }
    }
  }

  /** The directory at `names`; makes what is missing, also behind symlinks. */
  #walk(names: string[], path: string, mtime: number): DirNode {
    let links = 0;
    const trail: DirNode[] = [this.root];
    const todo = names.slice().reverse();
    for (;;) {
      const name = todo.pop();
      const dir = trail.at(-1)!;
      if (name === undefined) return dir;
      if (name === "..") {
        if (trail.length > 1) trail.pop();
        continue;
      }
      const node = dir.entries.get(name);
      if (node === undefined) {
        const made = dirNode({ mode: 0o755, uid: 0, gid: 0, mtime });
        dir.entries.set(name, made);
        trail.push(made);
      } else if (node.kind === "symlink") {
        if (++links > MAX_SYMLINKS) throw new ImageError(`${path}: too many symlinks on the way`);
        if (node.target.startsWith("/")) trail.length = 1;
        todo.push(...components(node.target).reverse());
      } else if (node.kind === "dir") {
        trail.push(node);
      } else {
        throw new ImageError(`${path}: ${name} on the way is not a directory`);
      }
    }
  }
}

export function dirNode(meta: Meta): DirNode {
  return { ...meta, kind: "dir", entries: new Map() };
}

/** The names of a path that came from an archive: no ".." and nothing ext4 cannot hold. */
function split(path: string): string[] {
  const names = components(path);
  for (const name of names) {
    if (name === "..") throw new ImageError(`${path}: leads out of the image`);
    if (name.includes("\0") || Buffer.byteLength(name) > NAME_MAX) {
      throw new ImageError(`${path.slice(0, 80)}: not a file name`);
    }
  }
  return names;
}

const components = (path: string): string[] =>
  path.split("/").filter((name) => name !== "" && name !== ".");
