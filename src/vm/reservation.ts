/**
 * Which chunk is being filled for which 64 KiB of an address space.
 *
 * A small direct-mapped cache: a collision merely ends the older reservation.
 * Tokens tell when a chunk went to another meanwhile, so nothing here needs
 * to be told of frames being freed.
 */
import type { Errno } from "../abi/errno.ts";
import type { Paddr } from "../machine/physmem.ts";
import type { PageAllocator } from "./page.ts";
import { CHUNK_PAGES, CHUNK_SIZE, PAGE_SIZE } from "./param.ts";

const SLOTS = 64;

export class ReservationCache {
  readonly #frames: PageAllocator;
  /** Per slot: run number + 1 (0: empty), chunk, token. Absent until first used. */
  #slots: Uint32Array | null = null;

  constructor(frames: PageAllocator) {
    this.#frames = frames;
  }

  /** True if some page of the run that holds `va` came from its reservation. */
  has(va: number): boolean {
    const slots = this.#slots;
    if (!slots) return false;
    const run = Math.floor(va / CHUNK_SIZE);
    const at = (run % SLOTS) * 3;
    return slots[at] === run + 1 && this.#frames.tokenOf(slots[at + 1]!) === slots[at + 2];
  }

  /** A frame for `va`: the one at its place in its run's chunk, or any. */
  alloc(va: number): Paddr | Errno {
    const frames = this.#frames;
    this.#slots ??= new Uint32Array(3 * SLOTS);
    const slots = this.#slots;
    const run = Math.floor(va / CHUNK_SIZE);
    const at = (run % SLOTS) * 3;
    const index = Math.floor(va / PAGE_SIZE) % CHUNK_PAGES;
    if (slots[at] !== run + 1 || frames.tokenOf(slots[at + 1]!) !== slots[at + 2]) {
      this.#end(slots, at);
      const chunk = frames.reserve();
      if (chunk < 0) return frames.alloc();
      slots[at] = run + 1;
      slots[at + 1] = chunk;
      slots[at + 2] = frames.tokenOf(chunk);
    }
    return frames.allocIn(slots[at + 1]!, slots[at + 2]!, index) || frames.alloc();
  }

  clear(): void {
    const slots = this.#slots;
    if (!slots) return;
    for (let at = 0; at < slots.length; at += 3) this.#end(slots, at);
  }

  #end(slots: Uint32Array, at: number): void {
    if (slots[at] !== 0) this.#frames.unreserve(slots[at + 1]!, slots[at + 2]!);
    slots[at] = 0;
  }
}
