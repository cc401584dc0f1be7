/**
 * The sysctl tree: what the kernel lets an administrator see and set by name.
 *
 * Names are dotted ("kernel.hostname", "hw.vkd0.serial"); /proc/sys shows the
 * same tree as directories and files. A leaf reads as one line of text without
 * its newline. See sysctl(8), sysctl(9).
 */
import { EINVAL, EPERM } from "../abi/errno.ts";
import type { Cred } from "./cred.ts";
import type { Thread } from "./thread.ts";
import type { UserNamespace } from "./userns.ts";

export abstract class SysctlLeaf {
  /** Permission bits, as /proc/sys shows them: 0444, 0644, 0600. */
  readonly mode: number;

  constructor(mode: number) {
    this.mode = mode;
  }

  /** Byte string, as `td` sees it: some are of the reader's name space. */
  abstract read(td: Thread): string;

  /** The user name space whose root owns it, as `td` sees it; null: the machine's. */
  userns(_td: Thread): UserNamespace | null {
    return null;
  }

  /** Takes a byte string without trailing white space. 0, EINVAL, EPERM. */
  write(_text: string, _cred: Cred, _td: Thread): number {
    return EPERM;
  }
}

export class SysctlDir {
  readonly #children = new Map<string, SysctlDir | SysctlLeaf>();

  /** Children by name, in the order they were added. */
  get children(): ReadonlyMap<string, SysctlDir | SysctlLeaf> {
    return this.#children;
  }

  /** Puts `leaf` at the dotted `path`, making what lies on the way; replaces a leaf of that name. */
  add(path: string, leaf: SysctlLeaf): void {
    const dot = path.indexOf(".");
    if (dot < 0) {
      this.#children.set(path, leaf);
      return;
    }
    const name = path.slice(0, dot);
    let dir = this.#children.get(name);
    if (!(dir instanceof SysctlDir)) {
      dir = new SysctlDir();
      this.#children.set(name, dir);
    }
    dir.add(path.slice(dot + 1), leaf);
  }

  /** What is at the dotted `path`; null if nothing is. */
  find(path: string): SysctlDir | SysctlLeaf | null {
    const dot = path.indexOf(".");
    const node = this.#children.get(dot < 0 ? path : path.slice(0, dot)) ?? null;
    if (dot < 0 || node === null) return node;
    return node instanceof SysctlDir ? node.find(path.slice(dot + 1)) : null;
  }
}

/** A text that never changes. */
export class SysctlConst extends SysctlLeaf {
  readonly #text: string;

  constructor(text: string | number) {
    super(0o444);
    this.#text = String(text);
  }

  read(): string {
    return this.#text;
  }
}

/** A whole number between limits. */
export abstract class SysctlInt extends SysctlLeaf {
  readonly #min: number;
  readonly #max: number;

  constructor(min: number, max: number, mode = 0o644) {
    super(mode);
    this.#min = min;
    this.#max = max;
  }

  abstract get(td: Thread): number;
  abstract set(value: number, td: Thread): number;

  read(td: Thread): string {
    return String(this.get(td));
  }

  override write(text: string, _cred: Cred, td: Thread): number {
    if (!/^-?\d{1,15}$/.test(text)) return EINVAL;
    const value = Number(text);
    return value < this.#min || value > this.#max ? EINVAL : this.set(value, td);
  }
}

/** A number that only the leaf knows. */
export class SysctlVar extends SysctlInt {
  #value: number;

  constructor(value: number, min: number, max: number) {
    super(min, max);
    this.#value = value;
  }

  get(): number {
    return this.#value;
  }

  set(value: number): number {
    this.#value = value;
    return 0;
  }
}
