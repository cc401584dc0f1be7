/**
 * The merged names of a directory, in an order that holds while it is listed.
 *
 * Every name has a number, its readdir offset, which stays the same until the
 * name goes and is never given to another: so who removes what was listed, or
 * makes new names, meanwhile meets each other name exactly once.
 */
import { ENOMEM } from "../../abi/errno.ts";
import type { KernelMemory } from "../../kern/kmem.ts";

export interface ListedName {
  readonly name: string;
  readonly seq: number;
  ino: number;
  type: number;
  isGone: boolean;
}

/** Offsets 0 and 1 are "." and "..". */
export const FIRST_SEQ = 2;
const NAME_BYTES = 160;

export class DirList {
  readonly #kmem: KernelMemory;
  readonly #byName = new Map<string, ListedName>();
  #order: ListedName[] = [];
  #gone = 0;
  #nextSeq = FIRST_SEQ;
  #paidBytes = 0;

  constructor(kmem: KernelMemory) {
    this.#kmem = kmem;
  }

  /** Takes over what is there now. ENOMEM if that is too much. */
  refresh(
    names: Iterable<{ readonly name: string; readonly ino: number; readonly type: number }>,
  ): number {
    for (const e of this.#order) e.isGone = true;
    for (const { name, ino, type } of names) {
      const r = this.#put(name, ino, type);
      if (r < 0) return r;
    }
    for (const e of this.#order) if (e.isGone) this.#forget(e);
    this.#squeeze();
    return 0;
  }

  #put(name: string, ino: number, type: number): number {
    const known = this.#byName.get(name);
    if (known) {
      known.isGone = false;
      known.ino = ino;
      known.type = type;
      return 0;
    }
    const bytes = NAME_BYTES + name.length;
    if (!this.#kmem.take(bytes)) return ENOMEM;
    this.#paidBytes += bytes;
    const e = { name, ino, type, seq: this.#nextSeq++, isGone: false };
    this.#byName.set(name, e);
    this.#order.push(e);
    return 0;
  }

  /** A name that was just made; where there is no room, the next refresh finds it. */
  add(name: string, ino: number, type: number): void {
    this.remove(name);
    this.#put(name, ino, type);
  }

  remove(name: string): void {
    const e = this.#byName.get(name);
    if (!e) return;
    e.isGone = true;
    this.#forget(e);
    if (++this.#gone > 32 + this.#byName.size) this.#squeeze();
  }

  #squeeze(): void {
    this.#order = this.#order.filter((e) => !e.isGone);
    this.#gone = 0;
  }

  #forget(e: ListedName): void {
    if (this.#byName.get(e.name) === e) this.#byName.delete(e.name);
    const bytes = NAME_BYTES + e.name.length;
    if (this.#paidBytes >= bytes) {
      this.#paidBytes -= bytes;
      this.#kmem.give(bytes);
    }
  }

  /** The names from offset `seq` on. */
  *from(seq: number): Iterable<ListedName> {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#order[middle]!.seq >= seq) high = middle;
      else low = middle + 1;
    }
    for (let i = low; i < this.#order.length; i++) {
      const e = this.#order[i]!;
      if (!e.isGone) yield e;
    }
  }

  drop(): void {
    this.#kmem.give(this.#paidBytes);
    this.#paidBytes = 0;
    this.#byName.clear();
    this.#order = [];
  }
}
