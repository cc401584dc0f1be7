/**
 * Copy on write in memory: a store whose writes never reach the one below.
 *
 * Written blocks of 4 KiB are held here, up to a limit; a block of zeroes is
 * only a note that costs next to nothing. There are 8 Mi notes at most, so that
 * a disk of 32 GiB can be written whole. A write is whole or nothing: it is
 * refused with ENOSPC before anything changes. Blocks live in slabs of 1 MiB,
 * so that many of them mean few objects, and return to a free list.
 */
import { ENOSPC, failed } from "../abi/errno.ts";
import type { BlockStore } from "../platform/host.ts";

const BLOCK = 4096;
const SLAB_BLOCKS = 256;
/** What the note of a block costs, about. */
const NOTE_BYTES = 64;
/** A Map of V8 has room for twice as many. */
const MAX_NOTES = 1 << 23;
/** Stands for a block that reads as zeroes. */
const ZERO = -1;

export class CowStore implements BlockStore {
  readonly isReadOnly = false;
  readonly discardBytes = BLOCK;
  readonly sizeBytes: number;
  readonly #base: BlockStore;
  readonly #limitBytes: number;
  /** Slot of each held block, or ZERO. */
  readonly #slots = new Map<number, number>();
  readonly #slabs: Uint8Array[] = [];
  readonly #free: number[] = [];
  #usedSlots = 0;

  constructor(base: BlockStore, limitBytes: number) {
    this.#base = base;
    this.sizeBytes = base.sizeBytes;
    this.#limitBytes = limitBytes;
  }

  /** Bytes of blocks that are held. */
  get heldBytes(): number {
    return this.#usedSlots * BLOCK;
  }

  read(offset: number, into: Uint8Array): number {
    if (this.#slots.size === 0) return this.#base.read(offset, into);
    for (let done = 0; done < into.length; ) {
      const n = this.#readRun(offset + done, into.subarray(done));
      if (failed(n)) return n;
      done += n;
    }
    return 0;
  }

  write(offset: number, from: Uint8Array): number {
    if (!this.#hasRoom(offset, from.length, BLOCK)) return ENOSPC;
    for (let done = 0; done < from.length; ) {
      const at = offset + done;
      const inBlock = at % BLOCK;
      const part = from.subarray(done, done + BLOCK - inBlock);
      const block = this.#blockToWrite((at - inBlock) / BLOCK, part.length);
      if (typeof block === "number") return block;
      block.set(part, inBlock);
      done += part.length;
    }
    return 0;
  }

  /** Whole blocks that are held become zeroes; what is below stays as it is. */
  discard(offset: number, length: number): number {
    const end = Math.floor((offset + length) / BLOCK);
    const first = Math.ceil(offset / BLOCK);
    // Whichever is fewer: a disk may be huge and hold little.
    if (end - first > this.#slots.size) {
      for (const b of this.#slots.keys()) if (b >= first && b < end) this.#zero(b);
    } else {
      for (let b = first; b < end; b++) if (this.#slots.has(b)) this.#zero(b);
    }
    return 0;
  }

  writeZeroes(offset: number, length: number): number {
    const first = Math.ceil(offset / BLOCK);
    const end = Math.floor((offset + length) / BLOCK);
    if (first >= end) return this.write(offset, new Uint8Array(length));
    if (!this.#hasRoom(first * BLOCK, (end - first) * BLOCK, NOTE_BYTES)) return ENOSPC;
    const head = new Uint8Array(first * BLOCK - offset);
    let r = head.length === 0 ? 0 : this.write(offset, head);
    if (failed(r)) return r;
    for (let b = first; b < end; b++) this.#zero(b);
    const tail = new Uint8Array(offset + length - end * BLOCK);
    if (tail.length > 0) r = this.write(end * BLOCK, tail);
    return r;
  }

  flush(): number {
    return 0;
  }

  close(): void {
    this.#slots.clear();
    this.#slabs.length = 0;
    this.#free.length = 0;
    this.#usedSlots = 0;
    this.#base.close();
  }

  /** Reads up to the next change between what is held and what is below; how many bytes. */
  #readRun(offset: number, into: Uint8Array): number {
    const inBlock = offset % BLOCK;
    const first = (offset - inBlock) / BLOCK;
    const slot = this.#slots.get(first);
    if (slot !== undefined) {
      const n = Math.min(into.length, BLOCK - inBlock);
      if (slot === ZERO) into.fill(0, 0, n);
      else into.set(this.#bytesOf(slot).subarray(inBlock, inBlock + n));
      return n;
    }
    let end = BLOCK - inBlock;
    for (let b = first + 1; end < into.length && !this.#slots.has(b); b++) end += BLOCK;
    const part = into.subarray(0, end);
    const r = this.#base.read(offset, part);
    return failed(r) ? r : part.length;
  }

  /** True if all blocks from `offset` on may come to cost `bytesEach`. */
  #hasRoom(offset: number, length: number, bytesEach: number): boolean {
    const used = this.heldBytes + (this.#slots.size - this.#usedSlots) * NOTE_BYTES;
    const last = Math.floor((offset + length - 1) / BLOCK);
    let room = this.#limitBytes - used;
    let notes = MAX_NOTES - this.#slots.size;
    for (let b = Math.floor(offset / BLOCK); b <= last && room >= 0 && notes >= 0; b++) {
      const slot = this.#slots.get(b);
      if (slot === undefined) {
        room -= bytesEach;
        notes--;
      } else if (slot === ZERO) room -= bytesEach - NOTE_BYTES;
    }
    return room >= 0 && notes >= 0;
  }

  /** The held block, made from the one below unless all of it is about to be written. */
  #blockToWrite(block: number, writeBytes: number): Uint8Array | number {
    const held = this.#slots.get(block);
    if (held !== undefined && held !== ZERO) return this.#bytesOf(held);
    const slot = this.#takeSlot();
    const bytes = this.#bytesOf(slot);
    bytes.fill(0);
    if (writeBytes < BLOCK && held === undefined) {
      const at = block * BLOCK;
      const r = this.#base.read(at, bytes.subarray(0, this.sizeBytes - at));
      if (failed(r)) {
        this.#giveSlot(slot);
        return r;
      }
    }
    this.#slots.set(block, slot);
    return bytes;
  }

  #zero(block: number): void {
    const slot = this.#slots.get(block);
    if (slot !== undefined && slot !== ZERO) this.#giveSlot(slot);
    this.#slots.set(block, ZERO);
  }

  #bytesOf(slot: number): Uint8Array {
    const at = (slot % SLAB_BLOCKS) * BLOCK;
    return this.#slabs[Math.floor(slot / SLAB_BLOCKS)]!.subarray(at, at + BLOCK);
  }

  #takeSlot(): number {
    this.#usedSlots++;
    const free = this.#free.pop();
    if (free !== undefined) return free;
    // None is free, so all slots of all slabs but this one are in use.
    const slot = this.#usedSlots - 1;
    if (slot % SLAB_BLOCKS === 0) this.#slabs.push(new Uint8Array(SLAB_BLOCKS * BLOCK));
    return slot;
  }

  #giveSlot(slot: number): void {
    this.#usedSlots--;
    this.#free.push(slot);
  }
}
