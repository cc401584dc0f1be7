/**
 * A tree of files as plain data: what random operations should leave behind.
 *
 * Contents are not stored: a byte of a file is zero, or, once written, what
 * `byteAt` says for its offset and the file's id, which is also in the file's
 * permission bits. So a test can tell for any byte of any file, whatever a
 * crash did to names, whether it was ever written there.
 */
import { EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY } from "../../src/abi/errno.ts";
import type { Random } from "../fuzz/random.ts";

export const RENAME_NOREPLACE = 1;
export const RENAME_EXCHANGE = 2;

export type Kind = "file" | "dir" | "link" | "fifo";

/** Ranges of bytes, ascending and apart. */
export type Ranges = readonly (readonly [number, number])[];

export class Node {
  readonly id: number;
  readonly kind: Kind;
  nlink = 1;
  size = 0;
  written: Ranges = [];
  target = "";
  xattrs = new Map<string, number>();
  children = new Map<string, Node>();
  parent: Node | null = null;
  /** Nothing of its contents or size changed since its last fsync. */
  isDurable = false;

  constructor(id: number, kind: Kind) {
    this.id = id;
    this.kind = kind;
    if (kind === "dir") this.nlink = 2;
  }

  /** The permission bits that tell whose bytes these are. */
  get mode(): number {
    return this.id % 512;
  }
}

export function byteAt(mode: number, offset: number): number {
  return ((mode * 131 + offset * 31 + (offset >>> 9) * 17 + (offset >>> 13) * 101) & 0xff) | 1;
}

/** What file `mode` holds of [offset, offset + length) where `written` says so. */
export function contentsAt(
  mode: number,
  written: Ranges,
  offset: number,
  length: number,
): Uint8Array {
  const out = new Uint8Array(length);
  for (const [from, to] of written) {
    const end = Math.min(to, offset + length);
    for (let at = Math.max(from, offset); at < end; at++) out[at - offset] = byteAt(mode, at);
  }
  return out;
}

export function addRange(ranges: Ranges, from: number, to: number): Ranges {
  if (to <= from) return ranges;
  const out: [number, number][] = [];
  let start = from;
  let end = to;
  for (const [a, b] of ranges) {
    if (b < start || a > end) out.push([a, b]);
    else {
      start = Math.min(start, a);
      end = Math.max(end, b);
    }
  }
  out.push([start, end]);
  return out.sort((x, y) => x[0] - y[0]);
}

export function cutRange(ranges: Ranges, from: number, to: number): Ranges {
  const out: [number, number][] = [];
  for (const [a, b] of ranges) {
    if (a < from) out.push([a, Math.min(b, from)]);
    if (b > to) out.push([Math.max(a, to), b]);
  }
  return out.filter(([a, b]) => b > a);
}

export type Op =
  | { readonly op: "mkdir" | "create" | "fifo"; readonly path: string }
  | { readonly op: "rmdir" | "unlink" | "fsync" | "fdatasync" | "open"; readonly path: string }
  | { readonly op: "symlink"; readonly path: string; readonly target: string }
  | { readonly op: "link"; readonly path: string; readonly to: string }
  | { readonly op: "rename"; readonly path: string; readonly to: string; readonly flags: number }
  | {
      readonly op: "write";
      readonly path: string;
      readonly offset: number;
      readonly length: number;
    }
  | { readonly op: "truncate"; readonly path: string; readonly size: number }
  | {
      readonly op: "allocate";
      readonly path: string;
      readonly mode: number;
      readonly offset: number;
      readonly length: number;
    }
  | { readonly op: "setxattr"; readonly path: string; readonly name: string; readonly size: number }
  | { readonly op: "removexattr"; readonly path: string; readonly name: string }
  | { readonly op: "sync" | "commit" | "close" };

export type OpName = Op["op"];

const LONG = "n".repeat(200);

export class Model {
  readonly root = new Node(0, "dir");
  /** Files open now, which live on without a name. */
  readonly open: Node[] = [];
  #nextId = 1;

  /** Id of the next node. */
  get peekId(): number {
    return this.#nextId;
  }

  /** Every node but the root with its path; directories before what is in them. */
  *paths(from: Node = this.root, at = ""): Generator<readonly [string, Node]> {
    for (const [name, node] of from.children) {
      yield [`${at}/${name}`, node];
      if (node.kind === "dir") yield* this.paths(node, `${at}/${name}`);
    }
  }

  find(path: string): Node | null {
    let at: Node | undefined = this.root;
    for (const name of path.split("/")) {
      if (name !== "") at = at?.children.get(name);
    }
    return at ?? null;
  }

  /** A random operation of the kinds in `kinds` that the tree as it is gives occasion for. */
  choose(random: Random, kinds: readonly OpName[], names: number): Op {
    const all = [...this.paths()];
    const dirs = ["", ...all.filter(([, n]) => n.kind === "dir").map(([p]) => p)];
    const files = all.filter(([, n]) => n.kind === "file").map(([p]) => p);
    const others = all.filter(([, n]) => n.kind !== "dir").map(([p]) => p);
    const name = (): string => {
      const n = random.below(names);
      return n % 7 === 3 ? `${LONG}${n}` : `f${n}`;
    };
    const fresh = (): string => `${random.pick(dirs)}/${name()}`;
    for (;;) {
      const op = random.pick(kinds);
      switch (op) {
        case "mkdir":
          if (dirs.length > 12 || random.oneIn(2)) continue;
          return { op, path: fresh() };
        case "create":
        case "fifo":
          return { op, path: fresh() };
        case "symlink":
          return {
            op,
            path: fresh(),
            target: "t".repeat(1 + random.below(random.oneIn(2) ? 59 : 900)),
          };
        case "rmdir":
          if (dirs.length === 1) continue;
          return { op, path: random.pick(dirs.slice(1)) };
        case "unlink":
          if (all.length === 0) continue;
          return {
            op,
            path: random.oneIn(10)
              ? random.pick(all)[0]
              : random.pick(others.length > 0 ? others : [all[0]![0]]),
          };
        case "link":
          if (others.length === 0) continue;
          return { op, path: random.pick(others), to: fresh() };
        case "rename":
          if (all.length === 0) continue;
          return {
            op,
            path: random.pick(all)[0],
            to: random.oneIn(2) ? fresh() : random.pick(all)[0],
            flags: random.pick([0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE]),
          };
        case "write": {
          if (files.length === 0) continue;
          const path = random.pick(files);
          const { size } = this.find(path)!;
          const offset = random.pick([0, size, size, random.below(size + 1), random.below(200000)]);
          return {
            op,
            path,
            offset,
            length: 1 + random.below(random.pick([40, 100, 5000, 40000])),
          };
        }
        case "truncate": {
          if (files.length === 0) continue;
          const path = random.pick(files);
          const { size } = this.find(path)!;
          return { op, path, size: random.pick([0, random.below(size + 1), random.below(100000)]) };
        }
        case "allocate": {
          if (files.length === 0) continue;
          // Plain, KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE, ZERO_RANGE | KEEP_SIZE.
          const mode = random.pick([0, 1, 3, 3, 0x10, 0x11]);
          return {
            op,
            path: random.pick(files),
            mode,
            offset: random.below(100000),
            length: 1 + random.below(50000),
          };
        }
        case "setxattr":
          if (all.length === 0) continue;
          return {
            op,
            path: random.pick(all)[0],
            name: `user.x${random.below(6)}`,
            size: random.below(random.pick([10, 100, 600])),
          };
        case "removexattr":
          if (all.length === 0) continue;
          return { op, path: random.pick(all)[0], name: `user.x${random.below(6)}` };
        case "fsync":
        case "fdatasync":
          if (files.length === 0) continue;
          return { op, path: random.pick(files) };
        case "open":
          if (files.length === 0 || this.open.length >= 3) continue;
          return { op, path: random.pick(files) };
        case "close":
          if (this.open.length === 0) continue;
          return { op };
        case "sync":
        case "commit":
          return { op };
      }
    }
  }

  /** Does `o`; the answer is what a file system must answer: 0, or an error, and nothing was done. */
  apply(o: Op): number {
    switch (o.op) {
      case "mkdir":
        return this.#make(o.path, "dir");
      case "create":
        return this.#make(o.path, "file");
      case "fifo":
        return this.#make(o.path, "fifo");
      case "symlink": {
        const r = this.#make(o.path, "link");
        if (r === 0) {
          const node = this.find(o.path)!;
          node.target = o.target;
          node.size = o.target.length;
        }
        return r;
      }
      case "rmdir":
        return this.#rmdir(o.path);
      case "unlink": {
        const node = this.find(o.path)!;
        if (node.kind === "dir") return EISDIR;
        node.nlink--;
        this.#parentOf(o.path).children.delete(nameOf(o.path));
        return 0;
      }
      case "link": {
        if (this.find(o.to)) return EEXIST;
        const node = this.find(o.path)!;
        node.nlink++;
        this.#parentOf(o.to).children.set(nameOf(o.to), node);
        return 0;
      }
      case "rename":
        return this.#rename(o.path, o.to, o.flags);
      case "write": {
        const node = this.find(o.path)!;
        node.written = addRange(node.written, o.offset, o.offset + o.length);
        node.size = Math.max(node.size, o.offset + o.length);
        node.isDurable = false;
        return 0;
      }
      case "truncate": {
        const node = this.find(o.path)!;
        node.written = cutRange(node.written, o.size, Number.POSITIVE_INFINITY);
        node.size = o.size;
        node.isDurable = false;
        return 0;
      }
      case "allocate": {
        const node = this.find(o.path)!;
        const end = o.offset + o.length;
        if ((o.mode & 0x12) !== 0) node.written = cutRange(node.written, o.offset, end);
        if ((o.mode & 1) === 0) node.size = Math.max(node.size, end);
        node.isDurable = false;
        return 0;
      }
      case "setxattr":
        if (this.find(o.path)!.kind === "link" || this.find(o.path)!.kind === "fifo") return 0;
        this.find(o.path)!.xattrs.set(o.name, o.size);
        return 0;
      case "removexattr":
        this.find(o.path)!.xattrs.delete(o.name);
        return 0;
      case "fsync":
      case "fdatasync":
        this.find(o.path)!.isDurable = true;
        return 0;
      case "open":
        this.open.push(this.find(o.path)!);
        return 0;
      case "close":
        this.open.shift();
        return 0;
      case "commit":
        return 0;
      case "sync":
        for (const [, node] of this.paths()) node.isDurable = true;
        return 0;
    }
  }

  /** The tree as it is now. */
  snapshot(): Model {
    const copy = new Model();
    const seen = new Map<Node, Node>();
    const clone = (node: Node): Node => {
      const known = seen.get(node);
      if (known) return known;
      const twin = new Node(node.id, node.kind);
      seen.set(node, twin);
      twin.nlink = node.nlink;
      twin.size = node.size;
      twin.written = node.written;
      twin.target = node.target;
      twin.xattrs = new Map(node.xattrs);
      twin.isDurable = node.isDurable;
      for (const [name, child] of node.children) twin.children.set(name, clone(child));
      return twin;
    };
    for (const [name, child] of this.root.children) copy.root.children.set(name, clone(child));
    return copy;
  }

  #parentOf(path: string): Node {
    return this.find(path.slice(0, path.lastIndexOf("/")))!;
  }

  #make(path: string, kind: Kind): number {
    if (this.find(path)) return EEXIST;
    const node = new Node(this.#nextId++, kind);
    const parent = this.#parentOf(path);
    if (kind === "dir") {
      parent.nlink++;
      node.parent = parent;
    }
    parent.children.set(nameOf(path), node);
    return 0;
  }

  #rmdir(path: string): number {
    const node = this.find(path)!;
    if (node.children.size > 0) return ENOTEMPTY;
    const parent = this.#parentOf(path);
    parent.children.delete(nameOf(path));
    parent.nlink--;
    return 0;
  }

  #rename(path: string, to: string, flags: number): number {
    const node = this.find(path)!;
    const over = this.find(to);
    const isExchange = flags === RENAME_EXCHANGE;
    if (over && flags === RENAME_NOREPLACE) return EEXIST;
    if (isExchange && !over) return ENOENT;
    const toParent = this.#parentOf(to);
    const fromParent = this.#parentOf(path);
    if (isWithin(to, path)) return EINVAL;
    if (over && isWithin(path, to)) return isExchange ? EINVAL : ENOTEMPTY;
    if (node === over) return 0;
    if (over && !isExchange) {
      if (node.kind === "dir" && over.kind !== "dir") return ENOTDIR;
      if (node.kind !== "dir" && over.kind === "dir") return EISDIR;
      if (over.children.size > 0) return ENOTEMPTY;
      if (over.kind === "dir") toParent.nlink--;
      else over.nlink--;
    }
    fromParent.children.delete(nameOf(path));
    toParent.children.set(nameOf(to), node);
    if (node.kind === "dir") {
      fromParent.nlink--;
      toParent.nlink++;
    }
    if (isExchange) {
      fromParent.children.set(nameOf(path), over!);
      if (over!.kind === "dir") {
        toParent.nlink--;
        fromParent.nlink++;
      }
    }
    return 0;
  }
}

export function dirOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** `path` lies below `dir`. */
export function isWithin(path: string, dir: string): boolean {
  return path.startsWith(`${dir}/`);
}
