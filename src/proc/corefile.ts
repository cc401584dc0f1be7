/**
 * A core file: an ELF file of what a process has in memory. See core(5).
 *
 * A map is written as far as its pages are there; what was never touched is a
 * hole, and pages of files that nobody looked at are in those files. So the
 * work is bounded by what the process uses, however much it has mapped.
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
import { Uio } from "../vm/uio.ts";
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
  readonly entry: MapEntry;
  /** Bytes in the file, from the start of the map. */
  readonly length: number;
}

/** Writes the core of `td`'s process to `fp`, up to `limit` bytes. */
export function writeCore(td: Lwp, info: SigInfo, fp: File, limit: number): void {
  const p = td.proc;
  const vs = p.vmspace;
  const notes = coreNotes(td, info);
  const segments: Segment[] = [];
  for (const entry of vs.entries) {
    segments.push({ entry, length: dumpLength(vs, entry, p.coredumpFilter) });
  }
  const head = headers(segments, notes.length);
  const out = new CoreWriter(td, fp, limit);
  if (!out.write(0, head) || !out.write(head.length, notes)) return;
  let at = dataStart(segments.length, notes.length);
  for (const { entry, length } of segments) {
    if (!writePages(vs, entry.start, entry.start + length, at, out)) return;
    at += length;
  }
  out.end(at);
}

class CoreWriter {
  readonly #td: Lwp;
  readonly #fp: File;
  readonly #limit: number;

  constructor(td: Lwp, fp: File, limit: number) {
    this.#td = td;
    this.#fp = fp;
    this.#limit = limit;
  }

  /** False if the file is full. */
  write(at: number, bytes: Uint8Array): boolean {
    const n = Math.min(bytes.length, this.#limit - at);
    if (n <= 0) return bytes.length === 0;
    const wrote = this.#fp.pwrite(this.#td, Uio.kernel(bytes.subarray(0, n)), at);
    return wrote === bytes.length;
  }

  /** The file may end in a hole. */
  end(size: number): void {
    this.#fp.truncate(Math.min(size, this.#limit), this.#td);
  }
}

/** The pages of [start, end) that are there, at `offset` of the file; runs of them at once. */
function writePages(
  vs: Vmspace,
  start: number,
  end: number,
  offset: number,
  out: CoreWriter,
): boolean {
  const pt = vs.pageTable;
  const page = new Uint8Array(PAGE_SIZE);
  for (let va = pt.nextPresent(start, end); va >= 0 && va < end; ) {
    const pte = pt.get(va);
    if ((pte & PTE_ZERO) === 0) {
      const pa = (pte & ~PTE_FLAGS) >>> 0;
      // A copy: writing may reclaim.
      page.set(vs.frames.mem.u8.subarray(pa, pa + PAGE_SIZE));
      if (!out.write(offset + (va - start), page)) return false;
    }
    va = va + PAGE_SIZE < end ? pt.nextPresent(va + PAGE_SIZE, end) : -1;
  }
  return true;
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
  for (const { entry, length } of segments) {
    at += ProgramHeader.sizeof;
    ProgramHeader.p_type.set(v, at, PT_LOAD);
    ProgramHeader.p_flags.set(v, at, rights(entry.prot));
    ProgramHeader.p_offset.set(v, at, offset);
    ProgramHeader.p_vaddr.set(v, at, entry.start);
    ProgramHeader.p_filesz.set(v, at, length);
    ProgramHeader.p_memsz.set(v, at, entry.end - entry.start);
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
