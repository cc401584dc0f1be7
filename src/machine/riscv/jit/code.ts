/**
 * Guest code as it was when a region was made of it, to see later whether the same code is there.
 *
 * A region depends on nothing but its instructions and their addresses, so wherever all of these are again, it
 * is right again: in another process, after the page was read anew, in another machine. Every byte
 * is compared, for guests choose what their code is like.
 */
import { type PageTable, PTE_V, PTE_X } from "../../mmu/pagetable.ts";
import { PAGE_SIZE, type PhysMem } from "../../physmem.ts";
import type { Graph } from "./graph.ts";

/** A stretch of code; it may cross pages. */
export interface Span {
  readonly va: number;
  readonly code: Uint8Array;
}

/** Bytes from an entry on that `codeHash` looks at. */
const HASHED_BYTES = 32;

/** All instructions of a region and its jump tables, in order of address. */
export function spansOf(graph: Graph, mem: PhysMem): Span[] {
  const ends = new Map<number, number>();
  const reach = (va: number, length: number): void => {
    ends.set(va, Math.max(ends.get(va) ?? 0, va + length));
  };
  for (const b of graph.blocks.values()) {
    for (const op of b.ops) reach(op.pc, op.len);
  }
  for (const { va, length } of graph.tables) reach(va, length);
  const spans: Span[] = [];
  let start = -1;
  let end = -1;
  const close = (): void => {
    if (start >= 0) spans.push({ va: start, code: copyOf(graph, mem, start, end) });
  };
  for (const pc of [...ends.keys()].sort((a, b) => a - b)) {
    if (pc > end) {
      close();
      start = pc;
    }
    end = Math.max(end, ends.get(pc)!);
  }
  close();
  return spans;
}

function copyOf({ pages }: Graph, { u8 }: PhysMem, start: number, end: number): Uint8Array {
  const code = new Uint8Array(end - start);
  for (let va = start; va < end; ) {
    const inPage = va % PAGE_SIZE;
    const n = Math.min(PAGE_SIZE - inPage, end - va);
    const at = pages.get(va - inPage)! + inPage;
    code.set(u8.subarray(at, at + n), va - start);
    va += n;
  }
  return code;
}

/** The pages that hold exactly these spans, executable; undefined if they are not all there. */
export function pagesWith(pt: PageTable, spans: readonly Span[]): Map<number, number> | undefined {
  const pages = new Map<number, number>();
  const { u8 } = pt.mem;
  for (const { va: start, code } of spans) {
    for (let done = 0; done < code.length; ) {
      const va = start + done;
      const inPage = va % PAGE_SIZE;
      const pa = executableAt(pt, va);
      if (pa < 0) return undefined;
      pages.set(va - inPage, pa - inPage);
      const n = Math.min(PAGE_SIZE - inPage, code.length - done);
      for (let i = 0; i < n; i++) if (u8[pa + i] !== code[done + i]) return undefined;
      done += n;
    }
  }
  return pages;
}

/** A hash of the code at physical address `pa`, as far as it is on that page. */
export function codeHash({ u16 }: PhysMem, pa: number): number {
  const end = Math.min(pa + HASHED_BYTES, pa - (pa % PAGE_SIZE) + PAGE_SIZE);
  let hash = 0x811c9dc5;
  // FNV-1a, by halves.
  for (let at = pa; at < end; at += 2) hash = Math.imul(hash ^ u16[at >>> 1]!, 0x01000193);
  return hash >>> 0;
}

/** Physical address of executable memory, or -1. */
export function executableAt(pt: PageTable, va: number): number {
  const pte = pt.get(va);
  if ((pte & (PTE_V | PTE_X)) !== (PTE_V | PTE_X)) return -1;
  return ((pte & ~0xfff) >>> 0) + (va % PAGE_SIZE);
}
