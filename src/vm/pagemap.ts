/**
 * Which frame holds which page of an object: sparse, small where nothing is.
 *
 * Blocks of 256 pages; the block used last is found without a lookup. A block
 * without pages is not kept, so memory is bounded by the pages present.
 */
import type { Paddr } from "../machine/physmem.ts";

const BLOCK_SHIFT = 8;
const BLOCK_PAGES = 1 << BLOCK_SHIFT;

interface Block {
  readonly frames: Uint32Array;
  count: number;
}

export class PageMap {
  readonly #blocks = new Map<number, Block>();
  #lastKey = -1;
  #last: Block | undefined;
  #count = 0;

  /** Pages present. */
  get size(): number {
    return this.#count;
  }

  get(pindex: number): Paddr | 0 {
    const block = this.#block(pindex >>> BLOCK_SHIFT);
    return block ? (block.frames[pindex & (BLOCK_PAGES - 1)] as Paddr) : 0;
  }

  /** Adds a page that is not present. */
  set(pindex: number, pa: Paddr): void {
    const key = pindex >>> BLOCK_SHIFT;
    let block = this.#block(key);
    if (!block) {
      block = { frames: new Uint32Array(BLOCK_PAGES), count: 0 };
      this.#blocks.set(key, block);
      this.#last = block;
    }
    block.frames[pindex & (BLOCK_PAGES - 1)] = pa;
    block.count++;
    this.#count++;
  }

  remove(pindex: number): Paddr | 0 {
    const key = pindex >>> BLOCK_SHIFT;
    const block = this.#block(key);
    if (!block) return 0;
    const at = pindex & (BLOCK_PAGES - 1);
    const pa = block.frames[at] as Paddr | 0;
    if (pa === 0) return 0;
    block.frames[at] = 0;
    this.#count--;
    if (--block.count === 0) {
      this.#blocks.delete(key);
      this.#last = undefined;
    }
    return pa;
  }

  /** The pages present in [first, end), in no order. */
  *within(first: number, end: number): Generator<number> {
    for (const [key, block] of this.#blocks) {
      const base = key * BLOCK_PAGES;
      const from = Math.max(first - base, 0);
      const to = Math.min(end - base, BLOCK_PAGES);
      for (let i = from; i < to; i++) if (block.frames[i] !== 0) yield base + i;
    }
  }

  #block(key: number): Block | undefined {
    if (key === this.#lastKey) return this.#last;
    this.#lastKey = key;
    this.#last = this.#blocks.get(key);
    return this.#last;
  }
}
