/** Address spaces without a machine: page tables and frames are real, TLBs are not there. */
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE } from "../../src/abi/mman.ts";
import { type FrameSource, PageTable, type TlbKeeper } from "../../src/machine/mmu/pagetable.ts";
import { PhysMem } from "../../src/machine/physmem.ts";
import { WHOLE_SPACE } from "../../src/vm/entrylist.ts";
import { PageAllocator } from "../../src/vm/page.ts";
import { PAGE_SIZE } from "../../src/vm/param.ts";
import { type PageTableSource, Vmspace } from "../../src/vm/vmspace.ts";

export const RW = 3;
export const PRIVATE_ANON = MAP_PRIVATE | MAP_ANONYMOUS;
export const FIXED_ANON = PRIVATE_ANON | MAP_FIXED;

const NO_TLBS: TlbKeeper = { shootdown: () => {}, retire: () => {} };

export class World implements PageTableSource {
  readonly mem: PhysMem;
  readonly frames: PageAllocator;
  readonly initialFree: number;
  #asid = 1;

  constructor(ramPages = 1024, spareBytes = 2 ** 31) {
    this.mem = new PhysMem({
      ramBytes: ramPages * PAGE_SIZE,
      spareBytes,
      maxHarts: 1,
      maxContexts: 1,
    });
    this.frames = new PageAllocator(this.mem, { codeWritten: () => {} });
    this.initialFree = this.frames.freePages;
  }

  newPageTable(frames: FrameSource): PageTable {
    return new PageTable(this.mem, frames, NO_TLBS, this.#asid++);
  }

  space(home = this.frames.homes.take()): Vmspace {
    const none = Number.POSITIVE_INFINITY;
    const limits = { asBytes: none, dataBytes: none, stackBytes: 8 << 20 };
    return new Vmspace(this, this.frames, limits, WHOLE_SPACE, home);
  }

  /** Frames in use beyond those that are always. */
  get leaked(): number {
    return this.initialFree - this.frames.freePages;
  }
}

/** Anonymous private memory, read-write. */
export function map(vs: Vmspace, pages: number, addr = 0): number {
  const flags = addr === 0 ? PRIVATE_ANON : FIXED_ANON;
  return vs.mmap({ addr, length: pages * PAGE_SIZE, prot: RW, flags });
}
