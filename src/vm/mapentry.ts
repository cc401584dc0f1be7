/**
 * Map entries: one stretch of an address space that is mapped alike throughout.
 *
 * `object` null is private anonymous memory, whose pages live in the page
 * table alone. Otherwise `offset` is the byte of the object at `start`. An
 * entry with an object is in the object's `mappings`, and holds the object and
 * the file it came by. See vm_map_entry in vm_map.h of the BSDs.
 */
import { PROT_EXEC, PROT_READ, PROT_WRITE } from "../abi/mman.ts";
import type { Mapping, VmObject } from "./object.ts";
import { PAGE_SIZE } from "./param.ts";

export const VM_SHARED = 0x001;
export const VM_GROWSDOWN = 0x002;
export const VM_NORESERVE = 0x004;
export const VM_LOCKED = 0x008;
export const VM_LOCKONFAULT = 0x010;
export const VM_DONTFORK = 0x020;
export const VM_WIPEONFORK = 0x040;
export const VM_DONTDUMP = 0x080;
export const VM_SEQ_READ = 0x100;
export const VM_RAND_READ = 0x200;
/** MADV_HUGEPAGE and MADV_NOHUGEPAGE: remembered for smaps, without effect. */
export const VM_HUGEPAGE = 0x400;
export const VM_NOHUGEPAGE = 0x800;
/** mseal(2): neither unmapped, moved nor protected otherwise, until the address space ends. */
export const VM_SEALED = 0x1000;
/** MAP_DROPPABLE: of no use to a child or in a core, come what may. */
export const VM_DROPPABLE = 0x2000;

export const PROT_ALL = PROT_READ | PROT_WRITE | PROT_EXEC;

/** The open file behind a map; vfs's File is one. */
export interface MappedFile {
  hold(): unknown;
  release(): void;
  /** msync(2): 0, or the error of a write-back that its user has not been told of. */
  fsync(dataOnly: boolean): number;
}

/** Where an entry's pages are mapped: its Vmspace. */
export interface PageUnmapper {
  unmapPages(start: number, end: number, evenCopies: boolean): void;
  writeProtect(va: number): void;
}

export class MapEntry implements Mapping {
  start: number;
  end: number;
  prot: number;
  /** What mprotect(2) may ask for. */
  maxProt: number;
  /** VM_*. */
  flags: number;
  readonly object: VmObject | null;
  offset: number;
  readonly file: MappedFile | null;
  /** A name for /proc/PID/maps where neither file nor place gives one: "[vdso]". */
  readonly name: string;
  readonly space: PageUnmapper;

  get isSharedWritable(): boolean {
    return (this.flags & VM_SHARED) !== 0 && (this.maxProt & PROT_WRITE) !== 0;
  }

  constructor(
    space: PageUnmapper,
    start: number,
    end: number,
    prot: number,
    maxProt: number,
    flags: number,
    object: VmObject | null,
    offset: number,
    file: MappedFile | null,
    name: string,
  ) {
    this.space = space;
    this.start = start;
    this.end = end;
    this.prot = prot;
    this.maxProt = maxProt;
    this.flags = flags;
    this.object = object;
    this.offset = offset;
    this.file = file;
    this.name = name;
    if (object) {
      object.hold();
      object.mappings.add(this);
      if (this.isSharedWritable) object.mayHaveTail = true;
      file?.hold();
    }
  }

  get isShared(): boolean {
    return (this.flags & VM_SHARED) !== 0;
  }

  /** Private and writable: what RLIMIT_DATA and overcommit count. */
  get isData(): boolean {
    return (this.flags & (VM_SHARED | VM_GROWSDOWN)) === 0 && (this.prot & PROT_WRITE) !== 0;
  }

  /** Memory for it is promised: what Linux marks VM_ACCOUNT. */
  get isCommitted(): boolean {
    return isCommitted(this.prot, this.flags);
  }

  /** True if this is private anonymous memory with the rights `prot`, no stack. */
  mayContinueAnon(prot: number): boolean {
    const { object, flags } = this;
    return object === null && this.prot === prot && (flags & (VM_SHARED | VM_GROWSDOWN)) === 0;
  }

  /** A copy of [start, end) of this entry, for `space`. */
  clone(space: PageUnmapper, start: number, end: number): MapEntry {
    return new MapEntry(
      space,
      start,
      end,
      this.prot,
      this.maxProt,
      this.flags,
      this.object,
      this.offset + (start - this.start),
      this.file,
      this.name,
    );
  }

  /** Moves the start, and with it the offset. */
  setStart(start: number): void {
    this.offset += start - this.start;
    this.start = start;
  }

  /** True if `next` begins where this ends and continues it in every respect. */
  continuesIn(next: MapEntry): boolean {
    return (
      this.end === next.start &&
      this.prot === next.prot &&
      this.flags === next.flags &&
      this.object === next.object &&
      this.maxProt === next.maxProt &&
      this.file === next.file &&
      this.name === next.name &&
      (this.object === null || this.offset + (this.end - this.start) === next.offset)
    );
  }

  pindexOf(va: number): number {
    return Math.floor((this.offset + (va - this.start)) / PAGE_SIZE);
  }

  unmapPages(first: number, end: number, evenCopies: boolean): void {
    const base = this.start - this.offset;
    const lo = Math.max(this.start, base + first * PAGE_SIZE);
    const hi = Math.min(this.end, base + end * PAGE_SIZE);
    if (lo < hi) this.space.unmapPages(lo, hi, evenCopies);
  }

  writeProtect(pindex: number): void {
    const va = this.start - this.offset + pindex * PAGE_SIZE;
    if (this.isShared && va >= this.start && va < this.end) this.space.writeProtect(va);
  }

  /** The entry is gone: lets go of object and file. Its pages were unmapped before. */
  dispose(): void {
    if (!this.object) return;
    this.object.mappings.delete(this);
    this.object.release();
    this.file?.release();
  }
}

/** Private and writable, but for what was mapped with MAP_NORESERVE. */
export function isCommitted(prot: number, vmFlags: number): boolean {
  return (vmFlags & (VM_SHARED | VM_NORESERVE)) === 0 && (prot & PROT_WRITE) !== 0;
}
