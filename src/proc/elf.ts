/**
 * ELF64 programs for riscv: reading their headers and mapping their segments.
 *
 * Headers are hostile: every size is bounded before anything is allocated, and
 * what cannot be mapped is refused. See elf(5), execve(2).
 */
import {
  ELFCLASS64,
  ELFDATA2LSB,
  ElfHeader,
  EM_RISCV,
  ET_DYN,
  ET_EXEC,
  PF_R,
  PF_W,
  PF_X,
  ProgramHeader,
  PT_GNU_STACK,
  PT_INTERP,
  PT_LOAD,
} from "../abi/elf.ts";
import { EACCES, EINVAL, EIO, ENOEXEC, ENOMEM, type Errno, failed } from "../abi/errno.ts";
import { MAP_FIXED, MAP_PRIVATE, PROT_EXEC, PROT_READ, PROT_WRITE } from "../abi/mman.ts";
import type { Thread } from "../kern/thread.ts";
import { byteString } from "../lib/bytes.ts";
import type { File } from "../vfs/file.ts";
import {
  CHUNK_SIZE,
  MMAP_MIN_ADDR,
  PAGE_SIZE,
  pageCeil,
  pageFloor,
  USER_END,
} from "../vm/param.ts";
import { findRoom } from "../vm/place.ts";
import { Uio } from "../vm/uio.ts";
import type { Vmspace } from "../vm/vmspace.ts";

/** Bytes of program headers that are read at most: Linux's ELF_MIN_ALIGN bound. */
const MAX_PHDR_BYTES = 65536;
const PATH_MAX = 4096;
/** Position-independent programs go here: where they can be at home, or two thirds up. */
const LOW_DYN_BASE = 0x40_0000;
const DYN_BASE = 0x2a_aaaa_0000;
const MAX_ALIGN = 2 ** 30;

export interface Segment {
  readonly flags: number;
  readonly offset: number;
  readonly vaddr: number;
  readonly fileSize: number;
  readonly memSize: number;
  readonly align: number;
}

export interface Elf {
  readonly isPositionIndependent: boolean;
  readonly entry: number;
  readonly phoff: number;
  readonly phnum: number;
  readonly segments: readonly Segment[];
  /** Path of the dynamic loader; null for a static program. */
  readonly interpreter: string | null;
  readonly isStackExecutable: boolean;
}

/** Where a program ended up. */
export interface LoadedElf {
  /** Added to every address of the file. */
  readonly bias: number;
  readonly entry: number;
  /** Address of the program headers in memory; 0 if no segment holds them. */
  readonly phdr: number;
  /** First address past its data. */
  readonly end: number;
}

/** Reads and judges the headers: ENOEXEC if it is no program for this machine. */
export function readElf(td: Thread, fp: File): Elf | Errno {
  const head = readAt(td, fp, 0, ElfHeader.sizeof);
  if (failed(head)) return head === EIO ? ENOEXEC : head;
  const v = view(head);
  const ident = ElfHeader.e_ident.get(v, 0);
  const isElf = byteString(ident, 0, 4) === "\x7fELF";
  if (!isElf || ident[4] !== ELFCLASS64 || ident[5] !== ELFDATA2LSB) return ENOEXEC;
  const type = ElfHeader.e_type.get(v, 0);
  if (type !== ET_EXEC && type !== ET_DYN) return ENOEXEC;
  if (ElfHeader.e_machine.get(v, 0) !== EM_RISCV) return ENOEXEC;
  const phnum = ElfHeader.e_phnum.get(v, 0);
  const phoff = ElfHeader.e_phoff.get(v, 0);
  const phdrBytes = phnum * ProgramHeader.sizeof;
  if (ElfHeader.e_phentsize.get(v, 0) !== ProgramHeader.sizeof) return ENOEXEC;
  if (phnum === 0 || phdrBytes > MAX_PHDR_BYTES) return ENOEXEC;
  const table = readAt(td, fp, phoff, phdrBytes);
  if (failed(table)) return table === EIO ? ENOEXEC : table;
  return readSegments(td, fp, view(table), {
    isPositionIndependent: type === ET_DYN,
    entry: ElfHeader.e_entry.get(v, 0),
    phoff,
    phnum,
  });
}

function readSegments(
  td: Thread,
  fp: File,
  v: DataView,
  head: Pick<Elf, "isPositionIndependent" | "entry" | "phoff" | "phnum">,
): Elf | Errno {
  const segments: Segment[] = [];
  let interpreter: string | null = null;
  let isStackExecutable = true;
  for (let i = 0; i < head.phnum; i++) {
    const at = i * ProgramHeader.sizeof;
    const type = ProgramHeader.p_type.get(v, at);
    const flags = ProgramHeader.p_flags.get(v, at);
    const offset = ProgramHeader.p_offset.get(v, at);
    const fileSize = ProgramHeader.p_filesz.get(v, at);
    if (type === PT_INTERP && interpreter === null) {
      const path = readInterpreter(td, fp, offset, fileSize);
      if (failed(path)) return path;
      interpreter = path;
    } else if (type === PT_GNU_STACK) {
      isStackExecutable = (flags & PF_X) !== 0;
    } else if (type === PT_LOAD) {
      segments.push({
        flags,
        offset,
        fileSize,
        vaddr: ProgramHeader.p_vaddr.get(v, at),
        memSize: ProgramHeader.p_memsz.get(v, at),
        align: ProgramHeader.p_align.get(v, at),
      });
    }
  }
  if (segments.length === 0) return ENOEXEC;
  return { ...head, segments, interpreter, isStackExecutable };
}

function readInterpreter(td: Thread, fp: File, offset: number, size: number): string | Errno {
  if (size < 2 || size > PATH_MAX) return ENOEXEC;
  const bytes = readAt(td, fp, offset, size);
  if (failed(bytes)) return bytes;
  if (bytes[size - 1] !== 0) return ENOEXEC;
  const path = byteString(bytes);
  return path.slice(0, path.indexOf("\0"));
}

/** First address past the program if that is loaded low; not a number or infinite if its headers are bad. */
export function lowEnd(elf: Elf): number {
  const { low, high } = extent(elf);
  return high + (elf.isPositionIndependent ? biasAt(LOW_DYN_BASE, alignOf(elf), low) : 0);
}

/**
 * Maps the segments. A position-independent program goes to a place of its
 * own, a loader to where there is room. EINVAL, ENOMEM, EACCES and those of the file.
 */
export function loadElf(vs: Vmspace, fp: File, elf: Elf, isProgram: boolean): LoadedElf | Errno {
  const object = fp.object();
  if (failed(object)) return EACCES;
  for (const s of elf.segments) {
    if (s.memSize < s.fileSize || !(s.vaddr + s.memSize <= USER_END)) return EINVAL;
    if (!(s.offset + s.fileSize <= Number.MAX_SAFE_INTEGER)) return EINVAL;
    if (s.offset % PAGE_SIZE !== s.vaddr % PAGE_SIZE) return EINVAL;
  }
  const { low, high } = extent(elf);
  const bias = biasFor(vs, elf, low, high, isProgram);
  if (bias === ENOMEM) return ENOMEM;
  if (low + bias < MMAP_MIN_ADDR || high + bias > USER_END) return ENOMEM;
  let phdr = 0;
  for (const s of elf.segments) {
    const r = mapSegment(vs, fp, s, bias);
    if (failed(r)) return r;
    if (elf.phoff >= s.offset && elf.phoff < s.offset + s.fileSize) {
      phdr = s.vaddr + bias + (elf.phoff - s.offset);
    }
  }
  return { bias, entry: elf.entry + bias, phdr, end: high + bias };
}

/** The pages that the segments take, by the file's own addresses. */
function extent(elf: Elf): { low: number; high: number } {
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  for (const s of elf.segments) {
    low = Math.min(low, pageFloor(s.vaddr));
    high = Math.max(high, pageCeil(s.vaddr + s.memSize));
  }
  return { low, high };
}

/** What to add to the file's addresses, so that its alignment and the TLB's granules are kept. */
function biasFor(vs: Vmspace, elf: Elf, low: number, high: number, isProgram: boolean): number {
  if (!elf.isPositionIndependent) return 0;
  const align = alignOf(elf);
  if (isProgram) return biasAt(vs.entries.layout.low ? LOW_DYN_BASE : DYN_BASE, align, low);
  const gap = findRoom(vs.entries, high - low + align);
  return gap < 0 ? ENOMEM : biasAt(gap, align, low);
}

function alignOf(elf: Elf): number {
  let align = CHUNK_SIZE;
  for (const s of elf.segments) {
    if (s.align > align && s.align <= MAX_ALIGN && Number.isInteger(Math.log2(s.align))) {
      align = s.align;
    }
  }
  return align;
}

function biasAt(base: number, align: number, low: number): number {
  return Math.ceil(base / align) * align - Math.floor(low / align) * align;
}

function mapSegment(vs: Vmspace, fp: File, s: Segment, bias: number): number | Errno {
  if (s.memSize === 0) return 0;
  const prot = protOf(s.flags);
  const start = pageFloor(s.vaddr + bias);
  const fileEnd = s.vaddr + bias + s.fileSize;
  const mapEnd = pageCeil(fileEnd);
  if (s.fileSize > 0) {
    const object = fp.object();
    if (failed(object)) return object;
    const r = vs.mmap({
      addr: start,
      length: mapEnd - start,
      prot,
      flags: MAP_PRIVATE | MAP_FIXED,
      object,
      offset: pageFloor(s.offset),
      file: fp,
    });
    if (failed(r)) return r as Errno;
  }
  const end = s.vaddr + bias + s.memSize;
  const bssStart = s.fileSize > 0 ? mapEnd : start;
  if (s.fileSize > 0 && end > fileEnd && mapEnd > fileEnd && s.flags & PF_W) {
    // To the end of the page, not of the segment: loaders use what lies behind their data.
    const r = vs.zero(fileEnd, mapEnd - fileEnd);
    if (failed(r)) return r;
  }
  if (end <= bssStart) return 0;
  const r = vs.mmap({
    addr: bssStart,
    length: pageCeil(end) - bssStart,
    prot,
    flags: MAP_PRIVATE | MAP_FIXED,
  });
  return failed(r) ? (r as Errno) : 0;
}

function protOf(flags: number): number {
  return (
    (flags & PF_R ? PROT_READ : 0) |
    (flags & PF_W ? PROT_WRITE : 0) |
    (flags & PF_X ? PROT_EXEC : 0)
  );
}

/** Exactly `size` bytes, or EIO if the file is shorter. */
function readAt(td: Thread, fp: File, offset: number, size: number): Uint8Array | Errno {
  if (!(offset <= Number.MAX_SAFE_INTEGER - size)) return EIO;
  const bytes = new Uint8Array(size);
  const n = fp.pread(td, Uio.kernel(bytes), offset);
  if (failed(n)) return n;
  return n === size ? bytes : EIO;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
