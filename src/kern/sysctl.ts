/**
 * The sysctl tree: what the kernel lets an administrator see and set by name.
 *
 * Names are dotted ("kernel.hostname", "hw.vkd0.serial"); /proc/sys shows the
 * same tree as directories and files. A leaf reads as one line of text without
 * its newline. See sysctl(8), sysctl(9).
 */
import { EINVAL, EPERM, type Errno, failed } from "../abi/errno.ts";
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

  /** Whether it can be read and written from the middle; numbers only from the start, as in Linux. */
  get isText(): boolean {
    return true;
  }

  /** The user name space whose root owns it, as `td` sees it; null: the machine's. */
  userns(_td: Thread): UserNamespace | null {
    return null;
  }

  /** Takes a byte string without trailing white space. 0, EINVAL, EPERM. */
  write(_text: string, _cred: Cred, _td: Thread): number {
    return EPERM;
  }
}

/** A text that can be set, of at most `max` bytes: what is too long is cut off. */
export abstract class SysctlString extends SysctlLeaf {
  readonly #max: number;

  constructor(max: number, mode = 0o644) {
    super(mode);
    this.#max = max;
  }

  /** 0, EINVAL. */
  abstract set(text: string, td: Thread): number;

  override write(text: string, _cred: Cred, td: Thread): number {
    return this.set(text.slice(0, this.#max), td);
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
  readonly #isNumber: boolean;

  constructor(text: string | number) {
    super(0o444);
    this.#text = String(text);
    this.#isNumber = typeof text === "number";
  }

  override get isText(): boolean {
    return !this.#isNumber;
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

  override get isText(): boolean {
    return false;
  }

  override write(text: string, _cred: Cred, td: Thread): number {
    const numbers = parseNumbers(text, 1);
    if (failed(numbers)) return numbers;
    const value = numbers[0]!;
    return value < this.#min || value > this.#max ? EINVAL : this.set(value, td);
  }
}

/**
 * Up to `most` numbers between blanks; what follows is not looked at. EINVAL where one is none, or
 * there is none at all. C's bases: 0x1f, 017. See proc_get_long() in Linux's kernel/sysctl.c.
 */
export function parseNumbers(text: string, most: number): readonly number[] | Errno {
  const words = text.split(/[ \t\n]+/).filter((w) => w !== "");
  const numbers: number[] = [];
  for (const word of words.slice(0, most)) {
    const m = /^(-?)(0x[\da-f]+|0[0-7]*|[1-9]\d*)$/i.exec(word);
    if (!m || word.length >= NUMBER_CHARS) return EINVAL;
    const digits = m[2]!;
    const isOctal = /^0[0-7]/.test(digits);
    const value = isOctal ? Number.parseInt(digits, 8) : Number(digits);
    numbers.push(m[1] === "-" ? -value : value);
  }
  return numbers.length > 0 ? numbers : EINVAL;
}

/** As Linux's TMPBUFLEN. */
const NUMBER_CHARS = 22;

/**
 * A number that can be no other in this kernel: it may be "set" to what it is, and to nothing else,
 * so that who sets it for safety's sake learns whether it holds.
 */
export class SysctlFixed extends SysctlInt {
  readonly #value: number;

  constructor(value: number) {
    super(value, value);
    this.#value = value;
  }

  get(): number {
    return this.#value;
  }

  set(): number {
    return 0;
  }
}

/** One property of an object that holds settings, as it is: a number, or a boolean as 0 and 1. */
export class SysctlField<K extends string> extends SysctlInt {
  readonly #owner: Record<K, number | boolean>;
  readonly #name: K;

  constructor(owner: Record<K, number | boolean>, name: K, min = 0, max = INT_MAX, mode = 0o644) {
    super(min, max, mode);
    this.#owner = owner;
    this.#name = name;
  }

  get(): number {
    return Number(this.#owner[this.#name]);
  }

  set(value: number): number {
    const isBoolean = typeof this.#owner[this.#name] === "boolean";
    this.#owner[this.#name] = isBoolean ? value !== 0 : value;
    return 0;
  }
}

/** An unsigned long, which may be too large for us to count so far: then there is no limit. */
export class SysctlLong<K extends string> extends SysctlField<K> {
  constructor(owner: Record<K, number>, name: K) {
    super(owner as Record<K, number | boolean>, name, 0, Number.POSITIVE_INFINITY);
  }

  override read(): string {
    return shownLong(this.get());
  }

  override set(value: number): number {
    if (value > LONG_MAX_ABOUT) return EINVAL;
    return super.set(value > Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : value);
  }
}

const LONG_MAX_ABOUT = 2 ** 63;

export function shownLong(value: number): string {
  return Number.isFinite(value) ? String(value) : "9223372036854775807";
}

export const INT_MAX = 0x7fffffff;

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
