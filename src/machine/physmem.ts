/**
 * Physical memory: one shared WebAssembly.Memory, seen by the kernel through typed arrays.
 *
 * `[0, ramBase)` is the machine's own (layout.ts), `[ramBase, ramBase + framePages * 4096)`
 * are the frames the kernel hands out, of which it uses `ramPages` at most: there are more addresses than memory, so
 * that a frame can be had at a certain place (vm/homes.ts). What was never touched, the host need not
 * have. Nothing else is reachable by the guest: every guest access goes through a page table
 * whose entries the kernel wrote.
 */
import { type BulkMemory, bulkMemory } from "./bulk.ts";
import {
  BANK_SIZE,
  BANKS_PER_HART,
  CTX_SIZE,
  DYNAMIC_BASE,
  PAGE_FLAGS,
  PAGE_HAS_CODE,
} from "./layout.ts";

declare const paddrBrand: unique symbol;
/** A physical address: byte offset into the machine's memory. */
export type Paddr = number & { readonly [paddrBrand]: true };

export const PAGE_SIZE = 4096;
export const PAGE_SHIFT = 12;

const WASM_PAGE = 65536;
/** Memory past guest RAM, so that a fetch that straddles the last frame's end stays inside. */
const TAIL_BYTES = WASM_PAGE;
/** More addresses than RAM needs end here: below it they are small integers to JavaScript engines. */
const SPARE_END = 2 ** 31 - WASM_PAGE;
const MAX_WASM_PAGES = 65536;

export interface PhysMemOptions {
  readonly ramBytes: number;
  /** How many more bytes of physical addresses there shall be, if the host can and they lie below 2^31; 0 if absent. */
  readonly spareBytes?: number;
  /** Harts that may exist at once. */
  readonly maxHarts: number;
  /** Contexts (threads) that may exist at once. */
  readonly maxContexts: number;
}

export class PhysMem {
  readonly memory: WebAssembly.Memory;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  /** For atomics and raw 64-bit copies; not for hot paths. */
  readonly i64: BigInt64Array;
  /** Moves and clears more than a few words. */
  readonly bulk: BulkMemory;
  readonly ramBase: Paddr;
  /** Memory there is, and frames that it can be used as: at least as many. */
  readonly ramPages: number;
  readonly framePages: number;
  /** Size of the WebAssembly memory in its own 64 KiB pages. */
  readonly wasmPages: number;
  /** Flag bytes of all pages, indexed by physical page number (PAGE_HAS_CODE …). */
  readonly pageFlags = PAGE_FLAGS;
  readonly bankBase: number;
  readonly contextBase: number;
  readonly maxHarts: number;
  readonly maxContexts: number;

  constructor(options: PhysMemOptions) {
    this.maxHarts = options.maxHarts;
    this.maxContexts = options.maxContexts;
    this.ramPages = Math.floor(options.ramBytes / PAGE_SIZE);
    let at = DYNAMIC_BASE;
    this.bankBase = at;
    at += options.maxHarts * BANKS_PER_HART * BANK_SIZE;
    this.contextBase = at;
    at += options.maxContexts * CTX_SIZE;
    this.ramBase = (Math.ceil(at / WASM_PAGE) * WASM_PAGE) as Paddr;
    const ramEnd = this.ramBase + this.ramPages * PAGE_SIZE + TAIL_BYTES;
    const wanted = Math.max(ramEnd, Math.min(ramEnd + (options.spareBytes ?? 0), SPARE_END));
    const memory = (wanted > ramEnd && sharedMemory(wanted)) || sharedMemory(ramEnd);
    if (!memory) throw new RangeError(`the host has no ${ramEnd} bytes of memory in one piece`);
    this.memory = memory;
    this.wasmPages = memory.buffer.byteLength / WASM_PAGE;
    const spare = memory.buffer.byteLength > wasmPagesFor(ramEnd) * WASM_PAGE;
    const end = spare ? memory.buffer.byteLength : ramEnd;
    this.framePages = Math.floor((end - TAIL_BYTES - this.ramBase) / PAGE_SIZE);
    const buffer = this.memory.buffer;
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i64 = new BigInt64Array(buffer);
    this.bulk = bulkMemory(this.memory, this.wasmPages);
  }

  /** True when some translation was made from the page that holds `pa`. */
  hasCode(pa: Paddr): boolean {
    return (this.u8[this.pageFlags + (pa >>> PAGE_SHIFT)]! & PAGE_HAS_CODE) !== 0;
  }
}

/** Null if the host cannot. */
function sharedMemory(bytes: number): WebAssembly.Memory | null {
  const pages = wasmPagesFor(bytes);
  try {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: pages, shared: true });
    // V8 counts what a memory begins with as memory outside its heap, and collects garbage for that; not what it grows by.
    memory.grow(pages - 1);
    return memory;
  } catch {
    return null;
  }
}

function wasmPagesFor(bytes: number): number {
  return Math.min(Math.ceil(bytes / WASM_PAGE), MAX_WASM_PAGES);
}
