/**
 * Which frame holds which page of an object, and which pages are dirty:
 * sparse, small where nothing is.
 *
 * Blocks of 256 pages; the block used last is found without a lookup. A block
 * without pages is not kept, so memory is bounded by the pages present. Only a
 * page that is present can be dirty. A block's array is short until a page
 * past its first few comes: most files have no more, and V8 makes arrays of up
 * to 64 bytes at a fraction of the price.
 */
import type { Paddr } from "../machine/physmem.ts";

const BLOCK_SHIFT = 8;
const BLOCK_PAGES = 1 << BLOCK_SHIFT;

const SHORT_PAGES = 16;

interface Block {
  /** Of SHORT_PAGES or BLOCK_PAGES. */
  frames: Uint32Array;
  count: number;
  /** One bit per page; null while none is dirty. */
  dirty: Uint32Array | null;
  dirtyCount: number;
}

export class PageMap {
  readonly #blocks = new Map<number, Block>();
  /** Numbers of the blocks with dirty pages. */
  readonly #dirtyBlocks = new Set<number>();
  #lastKey = -1;
  #last: Block | undefined;
  #count = 0;
  #dirtyCount = 0;

  /** Pages present. */
  get size(): number {
    return this.#count;
  }

  get dirtyPages(): number {
    return this.#dirtyCount;
  }

  get(pindex: number): Paddr | 0 {
    const block = this.#block(pindex >>> BLOCK_SHIFT);
    return block ? frameIn(block, pindex & (BLOCK_PAGES - 1)) : 0;
  }

  /** Adds a page that is not present. */
  set(pindex: number, pa: Paddr): void {
    const key = pindex >>> BLOCK_SHIFT;
    const at = pindex & (BLOCK_PAGES - 1);
    let block = this.#block(key);
    if (!block) {
      const length = at < SHORT_PAGES ? SHORT_PAGES : BLOCK_PAGES;
      block = { frames: new Uint32Array(length), count: 0, dirty: null, dirtyCount: 0 };
      this.#blocks.set(key, block);
      this.#last = block;
    } else if (at >= block.frames.length) {
      const frames = new Uint32Array(BLOCK_PAGES);
      frames.set(block.frames);
      block.frames = frames;
    }
    block.frames[at] = pa;
    block.count++;
    this.#count++;
  }

  remove(pindex: number): Paddr | 0 {
    const key = pindex >>> BLOCK_SHIFT;
    const block = this.#block(key);
    if (!block) return 0;
    const at = pindex & (BLOCK_PAGES - 1);
    const pa = frameIn(block, at);
    if (pa === 0) return 0;
    if (block.dirty) this.#clean(block, key, at);
    block.frames[at] = 0;
    this.#count--;
    if (--block.count === 0) {
      this.#blocks.delete(key);
      this.#last = undefined;
    }
    return pa;
  }

  /** Marks a page that is present. True if it was clean. */
  setDirty(pindex: number): boolean {
    const key = pindex >>> BLOCK_SHIFT;
    const block = this.#block(key)!;
    const at = pindex & (BLOCK_PAGES - 1);
    block.dirty ??= new Uint32Array(BLOCK_PAGES / 32);
    if ((block.dirty[at >>> 5]! & (1 << (at & 31))) !== 0) return false;
    block.dirty[at >>> 5]! |= 1 << (at & 31);
    if (block.dirtyCount++ === 0) this.#dirtyBlocks.add(key);
    this.#dirtyCount++;
    return true;
  }

  /** True if the page was dirty. */
  setClean(pindex: number): boolean {
    const key = pindex >>> BLOCK_SHIFT;
    const block = this.#block(key);
    return block?.dirty ? this.#clean(block, key, pindex & (BLOCK_PAGES - 1)) : false;
  }

  isDirty(pindex: number): boolean {
    const dirty = this.#block(pindex >>> BLOCK_SHIFT)?.dirty;
    const at = pindex & (BLOCK_PAGES - 1);
    return dirty ? (dirty[at >>> 5]! & (1 << (at & 31))) !== 0 : false;
  }

  /** The pages present in [first, end), ascending; they may be removed meanwhile. */
  *within(first: number, end: number): Generator<number> {
    for (const key of keysWithin(this.#blocks, first, end)) {
      const block = this.#blocks.get(key);
      if (!block) continue;
      const base = key * BLOCK_PAGES;
      const from = Math.max(first - base, 0);
      for (let i = from; i < Math.min(end - base, block.frames.length); i++) {
        if (block.frames[i] !== 0) yield base + i;
      }
    }
  }

  /** The dirty pages of [first, end), ascending, `max` at most: as they are now. */
  dirtyWithin(first: number, end: number, max = Number.POSITIVE_INFINITY): number[] {
    const out: number[] = [];
    for (const key of keysWithin(this.#dirtyBlocks, first, end)) {
      const { dirty } = this.#blocks.get(key)!;
      const base = key * BLOCK_PAGES;
      const to = Math.min(end - base, BLOCK_PAGES);
      for (let i = Math.max(first - base, 0); i < to; i++) {
        const word = dirty![i >>> 5]!;
        // Nothing in these 32.
        if (word === 0) i |= 31;
        if ((word & (1 << (i & 31))) === 0) continue;
        if (out.length >= max) return out;
        out.push(base + i);
      }
    }
    return out;
  }

  #clean(block: Block, key: number, at: number): boolean {
    const bit = 1 << (at & 31);
    if ((block.dirty![at >>> 5]! & bit) === 0) return false;
    block.dirty![at >>> 5]! &= ~bit;
    if (--block.dirtyCount === 0) this.#dirtyBlocks.delete(key);
    this.#dirtyCount--;
    return true;
  }

  #block(key: number): Block | undefined {
    if (key === this.#lastKey) return this.#last;
    this.#lastKey = key;
    this.#last = this.#blocks.get(key);
    return this.#last;
  }
}

function frameIn(block: Block, at: number): Paddr | 0 {
  return at < block.frames.length ? (block.frames[at] as Paddr | 0) : 0;
}

/** Those of `keys` whose blocks overlap the pages [first, end), ascending. */
function keysWithin(
  keys: { readonly size: number; has(key: number): boolean; keys(): Iterable<number> },
  first: number,
  end: number,
): number[] {
  const from = Math.floor(first / BLOCK_PAGES);
  const to = Math.ceil(end / BLOCK_PAGES);
  const out: number[] = [];
  if (to - from <= keys.size) {
    for (let key = from; key < to; key++) if (keys.has(key)) out.push(key);
    return out;
  }
  for (const key of keys.keys()) if (key >= from && key < to) out.push(key);
  return out.sort((a, b) => a - b);
}
