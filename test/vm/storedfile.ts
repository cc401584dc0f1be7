/** A file in memory behind a pager, whose store can fail, run full, and count. */
import { EIO, ENOSPC } from "../../src/abi/errno.ts";
import type { Pager } from "../../src/vm/pager.ts";
import { PAGE_SIZE } from "../../src/vm/param.ts";

export class StoredFile implements Pager {
  readonly stored = new Map<number, Uint8Array>();
  /** Pages that cannot be written. */
  readonly bad = new Set<number>();
  /** Pages for which space is kept. */
  readonly reserved = new Set<number>();
  /** Pages that may be reserved or stored in all. */
  room = Number.POSITIVE_INFINITY;
  isFailing = false;
  reads = 0;
  pagesRead = 0;
  writes: number[] = [];
  isDirty = false;

  pageIn(first: number, into: Uint8Array): number {
    this.reads++;
    for (let at = 0; at < into.length; at += PAGE_SIZE) {
      this.pagesRead++;
      const page = this.stored.get(first + at / PAGE_SIZE);
      if (page) into.set(page, at);
      else into.fill(0, at, at + PAGE_SIZE);
    }
    return 0;
  }

  pageOut(first: number, from: Uint8Array): number {
    const count = from.length / PAGE_SIZE;
    if (this.isFailing) return EIO;
    for (let i = 0; i < count; i++) if (this.bad.has(first + i)) return EIO;
    this.writes.push(count);
    for (let i = 0; i < count; i++) {
      this.reserved.delete(first + i);
      this.stored.set(first + i, from.slice(i * PAGE_SIZE, (i + 1) * PAGE_SIZE));
    }
    return 0;
  }

  mayDirty(pindex: number): number {
    if (this.stored.has(pindex) || this.reserved.has(pindex)) return 0;
    if (this.stored.size + this.reserved.size >= this.room) return ENOSPC;
    this.reserved.add(pindex);
    return 0;
  }

  undirtied(pindex: number): void {
    this.reserved.delete(pindex);
  }

  dirtyChanged(isDirty: boolean): void {
    this.isDirty = isDirty;
  }
}
