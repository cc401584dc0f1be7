/**
 * copyin and copyout: the kernel's way to a process's memory.
 *
 * Each page is looked up in the process's page tables with the rights the
 * access needs; a missing page is faulted in as if the program had touched it.
 * Short copies go byte by byte: making a window on an array costs more than
 * moving a few dozen bytes. See copy(9).
 */
import { EFAULT, ENAMETOOLONG, type Errno } from "../abi/errno.ts";
import { PROT_READ, PROT_WRITE } from "../abi/mman.ts";
import { byteString } from "../lib/bytes.ts";
import { wide } from "../lib/wide.ts";
import { type PageTable, PTE_R, PTE_W } from "../machine/mmu/pagetable.ts";
import type { Paddr } from "../machine/physmem.ts";
import { FAULT_OK, FAULT_OOM } from "./faultcode.ts";
import type { PageAllocator } from "./page.ts";
import { PAGE_MASK, PAGE_SIZE } from "./param.ts";
import type { UserMemory } from "./usermem.ts";

const TWO32 = 4294967296;
/** Up to here a loop beats a window and `set`. */
const SHORT = 32;

export abstract class CopyIo implements UserMemory {
  readonly frames: PageAllocator;
  abstract pageTable: PageTable;
  /** A copy failed for want of memory alone: with room made, the call may be made again. */
  ranOut = false;

  constructor(frames: PageAllocator) {
    this.frames = frames;
  }

  /** Makes `addr` accessible for PROT_READ or PROT_WRITE: 0, or a FAULT_* why not. */
  abstract fault(addr: number, access: number): number;

  copyin(from: number, into: Uint8Array): number {
    const u8 = this.frames.mem.u8;
    const length = into.length;
    for (let done = 0; done < length; ) {
      const pa = this.readable(from + done);
      if (pa < 0) return pa;
      const n = Math.min(length - done, PAGE_SIZE - (pa & PAGE_MASK));
      if (n <= SHORT) for (let i = 0; i < n; i++) into[done + i] = u8[pa + i]!;
      else into.set(u8.subarray(pa, pa + n), done);
      done += n;
    }
    return 0;
  }

  copyout(to: number, from: Uint8Array): number {
    const u8 = this.frames.mem.u8;
    const length = from.length;
    for (let done = 0; done < length; ) {
      const pa = this.writable(to + done);
      if (pa < 0) return pa;
      const n = Math.min(length - done, PAGE_SIZE - (pa & PAGE_MASK));
      if (n <= SHORT) for (let i = 0; i < n; i++) u8[pa + i] = from[done + i]!;
      else u8.set(n === length ? from : from.subarray(done, done + n), pa);
      this.frames.codeWritten(pa as Paddr, n);
      done += n;
    }
    return 0;
  }

  copyinPhys(from: number, to: Paddr, length: number): number {
    const { bulk } = this.frames.mem;
    for (let done = 0; done < length; ) {
      const pa = this.readable(from + done);
      if (pa < 0) return pa;
      let n = Math.min(length - done, PAGE_SIZE - (pa & PAGE_MASK));
      // Pages that lie together, as they mostly do, are one copy.
      while (n < length - done && this.#present(from + done + n, PTE_R) === pa + n) {
        n = Math.min(n + PAGE_SIZE, length - done);
      }
      bulk.copy(to + done, pa, n);
      done += n;
    }
    return 0;
  }

  copyoutPhys(to: number, from: Paddr, length: number): number {
    const { bulk } = this.frames.mem;
    for (let done = 0; done < length; ) {
      const pa = this.writable(to + done);
      if (pa < 0) return pa;
      let n = Math.min(length - done, PAGE_SIZE - (pa & PAGE_MASK));
      while (n < length - done && this.#present(to + done + n, PTE_W) === pa + n) {
        n = Math.min(n + PAGE_SIZE, length - done);
      }
      bulk.copy(pa, from + done, n);
      this.frames.codeWritten(pa as Paddr, n);
      done += n;
    }
    return 0;
  }

  copyinstr(from: number, maxBytes: number): string | Errno {
    const u8 = this.frames.mem.u8;
    let s = "";
    for (let done = 0; done < maxBytes; ) {
      const pa = this.readable(from + done);
      if (pa < 0) return pa as Errno;
      const end = pa + Math.min(maxBytes - done, PAGE_SIZE - (pa & PAGE_MASK));
      let nul = pa;
      while (nul < end && u8[nul] !== 0) nul++;
      s += byteString(u8, pa, nul);
      if (nul < end) return s;
      done += end - pa;
    }
    return ENAMETOOLONG;
  }

  loadU32(from: number): number {
    const pa = this.readable(from);
    if (pa < 0) return pa;
    if ((pa & 3) !== 0) return this.#loadUnaligned(from, 4);
    return this.frames.mem.u32[pa >>> 2]!;
  }

  loadU64(from: number): number {
    const pa = this.readable(from);
    if (pa < 0) return pa;
    if ((pa & 7) !== 0) return this.#loadUnaligned(from, 8);
    const u32 = this.frames.mem.u32;
    return wide(u32[(pa >>> 2) + 1]!, u32[pa >>> 2]!);
  }

  storeU32(to: number, value: number): number {
    const pa = this.writable(to);
    if (pa < 0) return pa;
    if ((pa & 3) !== 0) return this.#storeUnaligned(to, value, 4);
    this.frames.mem.u32[pa >>> 2] = value;
    this.frames.codeWritten(pa as Paddr, 4);
    return 0;
  }

  storeU64(to: number, value: number): number {
    const pa = this.writable(to);
    if (pa < 0) return pa;
    if ((pa & 7) !== 0) return this.#storeUnaligned(to, value, 8);
    const u32 = this.frames.mem.u32;
    u32[pa >>> 2] = value;
    u32[(pa >>> 2) + 1] = Math.floor(value / TWO32);
    this.frames.codeWritten(pa as Paddr, 8);
    return 0;
  }

  zero(to: number, length: number): number {
    for (let done = 0; done < length; ) {
      const pa = this.writable(to + done);
      if (pa < 0) return pa;
      const n = Math.min(length - done, PAGE_SIZE - (pa & PAGE_MASK));
      this.frames.mem.bulk.zero(pa, n);
      this.frames.codeWritten(pa as Paddr, n);
      done += n;
    }
    return 0;
  }

  isPresent(from: number, length: number): boolean {
    for (let at = from; at < from + length; at += PAGE_SIZE - (at % PAGE_SIZE)) {
      if ((this.pageTable.get(at) & PTE_R) === 0) return false;
    }
    return true;
  }

  /** The physical address behind `addr` for reading, or EFAULT. Valid until the next allocation. */
  readable(addr: number): number {
    let pte = this.pageTable.get(addr);
    if ((pte & PTE_R) === 0) {
      const r = this.fault(addr, PROT_READ);
      if (r !== FAULT_OK) return this.#refused(r);
      pte = this.pageTable.get(addr);
    }
    return ((pte & ~PAGE_MASK) >>> 0) + (addr % PAGE_SIZE);
  }

  /** As readable, for writing; report what was written to `frames.codeWritten`. */
  writable(addr: number): number {
    let pte = this.pageTable.get(addr);
    if ((pte & PTE_W) === 0) {
      const r = this.fault(addr, PROT_WRITE);
      if (r !== FAULT_OK) return this.#refused(r);
      pte = this.pageTable.get(addr);
    }
    return ((pte & ~PAGE_MASK) >>> 0) + (addr % PAGE_SIZE);
  }

  /** The frame mapped at the page-aligned `addr` with the right `flag`, or -1. */
  #present(addr: number, flag: number): number {
    const pte = this.pageTable.get(addr);
    return (pte & flag) === 0 ? -1 : (pte & ~PAGE_MASK) >>> 0;
  }

  #refused(fault: number): number {
    if (fault === FAULT_OOM) this.ranOut = true;
    return EFAULT;
  }

  #loadUnaligned(from: number, size: number): number {
    const bytes = new Uint8Array(size);
    const r = this.copyin(from, bytes);
    if (r < 0) return r;
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + bytes[i]!;
    return value;
  }

  #storeUnaligned(to: number, value: number, size: number): number {
    const bytes = new Uint8Array(size);
    let rest = value;
    for (let i = 0; i < size; i++) {
      bytes[i] = ((rest % 256) + 256) % 256;
      rest = Math.floor(rest / 256);
    }
    return this.copyout(to, bytes);
  }
}
