/**
 * Directory listings with offsets that stay.
 *
 * The host gives names in no order that would last. Here they go by a hash of
 * the name, and the hash is the offset: so a listing can be taken anew at any
 * time, and an entry that is there all the while is met exactly once, however
 * many others come and go. A listing in use is kept for the next call, paid
 * for as kernel memory; a few at most.
 */
import { ENOMEM, type Errno } from "../../abi/errno.ts";
import type { KernelMemory } from "../../kern/kmem.ts";
import type { Share } from "../../platform/share.ts";

/** Offsets 0 and 1 are "." and "..". */
export const FIRST_KEY = 2;
const KEY_SPAN = 2 ** 52;
const MAX_LISTINGS = 16;
/** What a name takes, about, without its bytes. */
const NAME_BYTES = 48;

export class Listing {
  readonly #names: readonly string[];
  readonly #keys: Float64Array;
  readonly bytes: number;

  constructor(names: string[], bytes: number) {
    this.bytes = bytes;
    const keyed = names.map((name) => ({ name, key: keyOf(name) }));
    keyed.sort((a, b) => a.key - b.key || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    const distinct = keyed.filter((e, i) => i === 0 || e.name !== keyed[i - 1]!.name);
    this.#names = distinct.map((e) => e.name);
    this.#keys = new Float64Array(distinct.length);
    let last = 0;
    for (const [i, e] of distinct.entries()) {
      // Names that share a hash are told apart by the next number.
      last = Math.max(e.key, last + 1);
      this.#keys[i] = last;
    }
  }

  get length(): number {
    return this.#names.length;
  }

  nameAt(i: number): string {
    return this.#names[i]!;
  }

  keyAt(i: number): number {
    return this.#keys[i]!;
  }

  /** The first entry at `offset` or after it. */
  indexOf(offset: number): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#keys[middle]! >= offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

export class Listings {
  readonly #share: Share;
  readonly #kmem: KernelMemory;
  /** By directory, the longest unused first. */
  readonly #kept = new Map<object, Listing>();

  constructor(share: Share, kmem: KernelMemory) {
    this.#share = share;
    this.#kmem = kmem;
  }

  /** The listing of `dir`, whose handle is given; taken anew if `isAnew`. ENOMEM where it has too many names. */
  of(dir: object, isAnew: boolean, handle: number): Listing | Errno {
    const known = this.#kept.get(dir);
    if (known && !isAnew) {
      this.#kept.delete(dir);
      this.#kept.set(dir, known);
      return known;
    }
    this.drop(dir);
    const taken = this.#take(handle);
    if (typeof taken === "number") return taken as Errno;
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size < MAX_LISTINGS) break;
      this.drop(oldest);
    }
    this.#kept.set(dir, taken);
    return taken;
  }

  drop(dir: object): void {
    const known = this.#kept.get(dir);
    if (!known) return;
    this.#kept.delete(dir);
    this.#kmem.give(known.bytes);
  }

  #take(handle: number): Listing | number {
    const names: string[] = [];
    let bytes = 0;
    let isFull = false;
    const r = this.#share.list(handle, (name) => {
      const size = NAME_BYTES + name.length;
      if (!this.#room(size)) {
        isFull = true;
        return false;
      }
      bytes += size;
      names.push(name);
      return true;
    });
    if (r >= 0 && !isFull) return new Listing(names, bytes);
    this.#kmem.give(bytes);
    return isFull ? ENOMEM : r;
  }

  #room(bytes: number): boolean {
    while (!this.#kmem.take(bytes)) {
      const oldest = this.#kept.keys().next();
      if (oldest.done) return false;
      this.drop(oldest.value);
    }
    return true;
  }
}

/** Two multiplicative hashes side by side, 52 bits of them. */
function keyOf(name: string): number {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i);
    a = Math.imul(a ^ c, 0x9e3779b1);
    b = Math.imul(b ^ c, 0x5f356495);
  }
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
  b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  return FIRST_KEY + (((b & 0xfffff) * 2 ** 32 + (a >>> 0)) % (KEY_SPAN - FIRST_KEY));
}
