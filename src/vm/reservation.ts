/**
 * Where private pages lie: together, so that an aligned 64 KiB of an address space (a granule)
 * is one aligned chunk of frames, page by page.
 *
 * A granule's first private page reserves a chunk and takes its own place in it: the chunk where the
 * granule is at home (homes.ts) if that can be had, else any. Those that follow
 * find the chunk by their neighbours in the page table, so there is nothing to keep up to
 * date; one at home is reserved under its home's distance. After a fork a granule's pages may lie in two chunks, the shared one and that of the
 * copies: the nearest neighbour decides. See Navarro et al., "Practical, transparent
 * operating system support for superpages" (OSDI 2002).
 */
import { ENOMEM, type Errno } from "../abi/errno.ts";
import { ANON_PAGE } from "../kern/cgroup/memorygroup.ts";
import { HOME_BYTES } from "../machine/layout.ts";
import type { Paddr } from "../machine/physmem.ts";
import { CHUNK_PAGES, CHUNK_SIZE, PAGE_SHIFT, PAGE_SIZE } from "./param.ts";
import { PTE_ANON } from "./pte.ts";
import type { Vmspace } from "./vmspace.ts";

const TWO32 = 2 ** 32;

/** A frame for the private page of `va`: at its place beside its neighbours if that is free, else any. */
export function allocPrivate(vs: Vmspace, va: number): Paddr | Errno {
  const { charges } = vs.frames;
  if (charges.payer === null) return findPlace(vs, va);
  if (!charges.admit()) return ENOMEM;
  const pa = findPlace(vs, va);
  charges.allocated(pa, ANON_PAGE);
  return pa;
}

function findPlace(vs: Vmspace, va: number): Paddr | Errno {
  const { frames, pageTable } = vs;
  const index = indexOf(va);
  const { home } = pageTable;
  const place = home === 0 || va >= HOME_BYTES ? 0 : (va + home) % TWO32;
  if (place !== 0) {
    const pa = frames.allocIn(frames.chunkNumber(place as Paddr), home, index);
    if (pa !== 0) {
      frames.meter.homePages++;
      return pa;
    }
  }
  const first = pageTable.granule(va);
  if (first >= 0) {
    const ptes = frames.mem.u32;
    let tried = 0;
    for (let distance = 1; distance < CHUNK_PAGES; distance++) {
      for (let i = index - distance; i <= index + distance; i += 2 * distance) {
        if (i < 0 || i >= CHUNK_PAGES) continue;
        const chunk = chunkOf(ptes[first + i]!, i);
        if (chunk === 0 || chunk === tried) continue;
        const pa = frames.allocAt((chunk + index * PAGE_SIZE) as Paddr);
        if (pa !== 0) {
          frames.meter.awayPages++;
          return pa;
        }
        tried = chunk;
      }
    }
  }
  if (place !== 0) {
    const chunk = frames.reserveAt(place, home);
    if (chunk >= 0) {
      frames.meter.homePages++;
      return frames.allocIn(chunk, home, index) as Paddr;
    }
  }
  frames.meter.awayPages++;
  const chunk = frames.reserve();
  if (chunk < 0) return frames.alloc();
  return frames.allocAt(frames.chunkAddress(chunk, index)) as Paddr;
}

/** True if the granule of `va` has a private page. */
export function hasPrivate(vs: Vmspace, va: number): boolean {
  const first = vs.pageTable.granule(va);
  if (first < 0) return false;
  const ptes = vs.frames.mem.u32;
  for (let i = first; i < first + CHUNK_PAGES; i++) if ((ptes[i]! & PTE_ANON) !== 0) return true;
  return false;
}

/** The chunk (its address) in which a private page's entry has place `index`; 0 if the page lies elsewhere. */
export function chunkOf(pte: number, index: number): number {
  if ((pte & PTE_ANON) === 0 || ((pte >>> PAGE_SHIFT) & (CHUNK_PAGES - 1)) !== index) return 0;
  return (pte & -CHUNK_SIZE) >>> 0;
}

function indexOf(va: number): number {
  return Math.floor(va / PAGE_SIZE) & (CHUNK_PAGES - 1);
}
