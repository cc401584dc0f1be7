/**
 * What a core file holds: an ELF file of what a process has in memory. See core(5).
 *
 * A map is as long as it is in memory, but only pages that are there have
 * bytes; what was never touched is a hole, and pages of files that nobody
 * looked at are in those files. Registers and maps are those of the moment
 * that it is made, the bytes of pages those of when they are read: nothing of
 * the process runs meanwhile.
 */
import {
  ELFCLASS64,
  ELFDATA2LSB,
  ElfHeader,
  EM_RISCV,
  ET_CORE,
  EV_CURRENT,
  PF_R,
  PF_W,
  PF_X,
  ProgramHeader,
  PT_LOAD,
  PT_NOTE,
} from "../abi/elf.ts";
import { PROT_EXEC, PROT_READ, PROT_WRITE } from "../abi/mman.ts";
import { PTE_FLAGS } from "../machine/mmu/pagetable.ts";
import { File } from "../vfs/file.ts";
import { readForced } from "../vm/forced.ts";
import { type MapEntry, VM_DONTDUMP } from "../vm/mapentry.ts";
import { PAGE_SIZE } from "../vm/param.ts";
import { PTE_ANON, PTE_ZERO } from "../vm/pte.ts";
import type { Vmspace } from "../vm/vmspace.ts";
import { coreNotes } from "./corenotes.ts";
import type { Lwp } from "./lwp.ts";
import type { SigInfo } from "./siginfo.ts";

/** Bits of /proc/PID/coredump_filter. */
const ANON_PRIVATE = 1;
const ANON_SHARED = 2;
const MAPPED_PRIVATE = 4;
const MAPPED_SHARED = 8;
const ELF_HEADERS = 16;

const ELF_MAGIC = [0x7f, 0x45, 0x4c, 0x46];

interface Segment {
  readonly start: number;
  readonly end: number;
  readonly prot: number;
  /** Bytes in the file, from the start of the map. */
  readonly length: number;
}

/** Where the bytes of a map are in the file. */
export interface CorePart {
  readonly start: number;
  readonly length: number;
  readonly offset: number;
}

export class CoreImage {
  /** Headers and notes, up to where memory begins. */
  readonly head: Uint8Array;
  readonly parts: readonly CorePart[];
  readonly sizeBytes: number;
  readonly #vs: Vmspace;
  /** Which part was read last: reading goes on there. */
  #current = 0;

  /** Of `td`'s process, which `info` ends. */
  constructor(td: Lwp, info: SigInfo) {
    const p = td.proc;
    const vs = p.vmspace;
    this.#vs = vs;
    const notes = coreNotes(td, info);
    const segments: Segment[] = [];
    for (const e of vs.entries) {
      const length = dumpLength(vs, e, p.coredumpFilter);
      segments.push({ start: e.start, end: e.end, prot: e.prot, length });
    }
    const head = headers(segments, notes.length);
    this.head = new Uint8Array(dataStart(segments.length, notes.length));
    this.head.set(head);
    this.head.set(notes, head.length);
    let at = this.head.length;
    this.parts = segments.map(({ start, length }) => {
      const offset = at;
      at += length;
      return { start, length, offset };
    });
    this.sizeBytes = at;
  }

  /** The first page at or after `va` and before `end` that has bytes; -1 if none. */
  nextPage(va: number, end: number): number {
    const pt = this.#vs.pageTable;
    for (let at = pt.nextPresent(va, end); at >= 0 && at < end; ) {
      if ((pt.get(at) & PTE_ZERO) === 0) return at;
      at = at + PAGE_SIZE < end ? pt.nextPresent(at + PAGE_SIZE, end) : -1;
    }
    return -1;
  }

  /** The page at `va`, which `nextPage` found. */
  pageAt(va: number): Uint8Array {
    const pa = (this.#vs.pageTable.get(va) & ~PTE_FLAGS) >>> 0;
    return this.#vs.frames.mem.u8.subarray(pa, pa + PAGE_SIZE);
  }

  /** Fills `into` with the bytes at `offset`, all of which are before the end; holes are zeroes. */
  read(offset: number, into: Uint8Array): void {
    for (let done = 0; done < into.length; ) {
      done += this.#readSome(offset + done, into.subarray(done));
    }
  }

  #readSome(offset: number, into: Uint8Array): number {
    const { head } = this;
    if (offset < head.length) {
      const n = Math.min(into.length, head.length - offset);
      into.set(head.subarray(offset, offset + n));
      return n;
    }
    const part = this.#partAt(offset);
    const va = part.start + (offset - part.offset);
    const inPart = Math.min(into.length, part.offset + part.length - offset);
    const inPage = va % PAGE_SIZE;
    const page = va - inPage;
    const there = this.nextPage(page, page + inPage + inPart);
    if (there === page) {
      const n = Math.min(inPart, PAGE_SIZE - inPage);
      into.set(this.pageAt(page).subarray(inPage, inPage + n));
      return n;
    }
    const n = there < 0 ? inPart : Math.min(inPart, there - va);
    into.fill(0, 0, n);
    return n;
  }

  #partAt(offset: number): CorePart {
    const { parts } = this;
    let i = offset < (parts[this.#current]?.offset ?? 0) ? 0 : this.#current;
    while (offset >= parts[i]!.offset + parts[i]!.length) i++;
    this.#current = i;
    return parts[i]!;
  }
}

/** How much of a map goes into the core: Linux's vma_dump_size. */
function dumpLength(vs: Vmspace, e: MapEntry, filter: number): number {
  const whole = e.end - e.start;
  if (e.name === "[vdso]" || e.name === "[vvar]") return whole;
  if ((e.flags & VM_DONTDUMP) !== 0) return 0;
  if (e.isShared) {
    const isNamed = e.file instanceof File && !e.object!.isShmem;
    return filter & (isNamed ? MAPPED_SHARED : ANON_SHARED) ? whole : 0;
  }
  if (filter & ANON_PRIVATE && hasCopies(vs, e)) return whole;
  if (e.object === null) return 0;
  if (filter & MAPPED_PRIVATE) return whole;
  const hasHeader = filter & ELF_HEADERS && e.offset === 0 && (e.prot & PROT_READ) !== 0;
  return hasHeader && beginsAsElf(vs, e) ? PAGE_SIZE : 0;
}

/** Some page of the map is the process's own. */
function hasCopies(vs: Vmspace, e: MapEntry): boolean {
  const pt = vs.pageTable;
  for (let va = pt.nextPresent(e.start, e.end); va >= 0 && va < e.end; ) {
    if ((pt.get(va) & PTE_ANON) !== 0) return true;
    va = va + PAGE_SIZE < e.end ? pt.nextPresent(va + PAGE_SIZE, e.end) : -1;
  }
  return false;
}

function beginsAsElf(vs: Vmspace, e: MapEntry): boolean {
  const magic = new Uint8Array(ELF_MAGIC.length);
  readForced(vs, e.start, magic);
  return ELF_MAGIC.every((b, i) => magic[i] === b);
}

function headers(segments: readonly Segment[], notesBytes: number): Uint8Array {
  const size = headerBytes(segments.length);
  const out = new Uint8Array(size);
  const v = new DataView(out.buffer);
  const ident = new Uint8Array(16);
  ident.set([...ELF_MAGIC, ELFCLASS64, ELFDATA2LSB, EV_CURRENT]);
  ElfHeader.e_ident.set(v, 0, ident);
  ElfHeader.e_type.set(v, 0, ET_CORE);
  ElfHeader.e_machine.set(v, 0, EM_RISCV);
  ElfHeader.e_version.set(v, 0, EV_CURRENT);
  ElfHeader.e_phoff.set(v, 0, ElfHeader.sizeof);
  ElfHeader.e_ehsize.set(v, 0, ElfHeader.sizeof);
  ElfHeader.e_phentsize.set(v, 0, ProgramHeader.sizeof);
  ElfHeader.e_phnum.set(v, 0, segments.length + 1);
  let at = ElfHeader.sizeof;
  ProgramHeader.p_type.set(v, at, PT_NOTE);
  ProgramHeader.p_offset.set(v, at, size);
  ProgramHeader.p_filesz.set(v, at, notesBytes);
  ProgramHeader.p_align.set(v, at, 4);
  let offset = dataStart(segments.length, notesBytes);
  for (const { start, end, prot, length } of segments) {
    at += ProgramHeader.sizeof;
    ProgramHeader.p_type.set(v, at, PT_LOAD);
    ProgramHeader.p_flags.set(v, at, rights(prot));
    ProgramHeader.p_offset.set(v, at, offset);
    ProgramHeader.p_vaddr.set(v, at, start);
    ProgramHeader.p_filesz.set(v, at, length);
    ProgramHeader.p_memsz.set(v, at, end - start);
    ProgramHeader.p_align.set(v, at, PAGE_SIZE);
    offset += length;
  }
  return out;
}

function rights(prot: number): number {
  return (
    (prot & PROT_READ ? PF_R : 0) | (prot & PROT_WRITE ? PF_W : 0) | (prot & PROT_EXEC ? PF_X : 0)
  );
}

function headerBytes(segments: number): number {
  return ElfHeader.sizeof + (segments + 1) * ProgramHeader.sizeof;
}

function dataStart(segments: number, notesBytes: number): number {
  return Math.ceil((headerBytes(segments) + notesBytes) / PAGE_SIZE) * PAGE_SIZE;
}
