/**
 * What a profiler needs to know of an ELF file: where its code lies, where its symbol tables and its
 * unwind tables are. See elf(5).
 *
 * The file is hostile input: every offset and size is checked against the file and a bound before
 * anything is read, and what makes no sense counts as absent.
 */
import {
  ELFCLASS64,
  ELFDATA2LSB,
  ElfHeader,
  EM_RISCV,
  PF_X,
  ProgramHeader,
  PT_GNU_EH_FRAME,
  PT_LOAD,
  SectionHeader,
  SHT_DYNSYM,
  SHT_STRTAB,
  SHT_SYMTAB,
} from "../abi/elf.ts";
import { byteString } from "../lib/bytes.ts";

/** Read access to a file; null for what is not there. */
export interface ByteSource {
  readonly sizeBytes: number;
  /** Exactly `length` bytes. */
  read(offset: number, length: number): Uint8Array | null;
}

export interface Extent {
  readonly offset: number;
  readonly size: number;
}

/** A symbol table and the strings it names. */
export interface SymbolSection {
  readonly symbols: Extent;
  readonly strings: Extent;
}

/** Part of a file as it is loaded. */
export interface LoadedPart {
  readonly vaddr: number;
  readonly size: number;
}

interface LoadedSegment extends Extent {
  readonly vaddr: number;
  readonly isExecutable: boolean;
}

const MAX_PHDRS = 256;
const MAX_SECTIONS = 65_535;

export class ElfLayout {
  readonly #segments: readonly LoadedSegment[];
  /** The fuller table first. */
  readonly symbolSections: readonly SymbolSection[];
  /** Where .eh_frame_hdr is loaded, the sorted index to .eh_frame; static programs have none. */
  readonly ehFrameHdr: LoadedPart | null;
  /** Where .eh_frame itself is loaded; known only by its section. */
  readonly ehFrame: LoadedPart | null;

  private constructor(
    segments: readonly LoadedSegment[],
    symbolSections: readonly SymbolSection[],
    ehFrameHdr: LoadedPart | null,
    ehFrame: LoadedPart | null,
  ) {
    this.#segments = segments;
    this.symbolSections = symbolSections;
    this.ehFrameHdr = ehFrameHdr;
    this.ehFrame = ehFrame;
  }

  /** Null if it is no riscv64 ELF. */
  static read(file: ByteSource): ElfLayout | null {
    const head = file.read(0, ElfHeader.sizeof);
    if (!head) return null;
    const v = viewOf(head);
    const ident = ElfHeader.e_ident.get(v, 0);
    const isElf = byteString(ident, 0, 4) === "\x7fELF";
    if (!isElf || ident[4] !== ELFCLASS64 || ident[5] !== ELFDATA2LSB) return null;
    if (ElfHeader.e_machine.get(v, 0) !== EM_RISCV) return null;
    const segments: LoadedSegment[] = [];
    let ehFrameHdr: LoadedPart | null = null;
    for (const p of programHeaders(file, v)) {
      if (p.type === PT_LOAD && p.memSize >= p.size) segments.push(p);
      else if (p.type === PT_GNU_EH_FRAME) ehFrameHdr = { vaddr: p.vaddr, size: p.size };
    }
    const sections = sectionTable(file, v);
    const symbols = sections ? symbolSections(file, sections) : [];
    const ehFrame = sections ? namedSection(file, v, sections, ".eh_frame") : null;
    return new ElfLayout(segments, symbols, ehFrameHdr, ehFrame);
  }

  /** The address that the file gives its byte at `offset`; -1 if it is not loaded. */
  vaddrOf(offset: number): number {
    for (const s of this.#segments) {
      if (offset >= s.offset && offset < s.offset + s.size) return s.vaddr + (offset - s.offset);
    }
    return -1;
  }

  /** Where the file has what is loaded at `vaddr`, and how much follows there; null if nothing is. */
  extentAt(vaddr: number): Extent | null {
    for (const s of this.#segments) {
      const into = vaddr - s.vaddr;
      if (into >= 0 && into < s.size) return { offset: s.offset + into, size: s.size - into };
    }
    return null;
  }

  isCode(vaddr: number): boolean {
    return this.#segments.some(
      (s) => s.isExecutable && vaddr >= s.vaddr && vaddr - s.vaddr < s.size,
    );
  }
}

function* programHeaders(
  file: ByteSource,
  head: DataView,
): Generator<LoadedSegment & { readonly type: number; readonly memSize: number }> {
  const count = ElfHeader.e_phnum.get(head, 0);
  if (count > MAX_PHDRS || ElfHeader.e_phentsize.get(head, 0) !== ProgramHeader.sizeof) return;
  const table = file.read(ElfHeader.e_phoff.get(head, 0), count * ProgramHeader.sizeof);
  if (!table) return;
  const v = viewOf(table);
  for (let i = 0; i < count; i++) {
    const at = i * ProgramHeader.sizeof;
    const extent = within(
      file,
      ProgramHeader.p_offset.get(v, at),
      ProgramHeader.p_filesz.get(v, at),
    );
    if (!extent) continue;
    yield {
      ...extent,
      type: ProgramHeader.p_type.get(v, at),
      vaddr: ProgramHeader.p_vaddr.get(v, at),
      memSize: ProgramHeader.p_memsz.get(v, at),
      isExecutable: (ProgramHeader.p_flags.get(v, at) & PF_X) !== 0,
    };
  }
}

function sectionTable(file: ByteSource, head: DataView): DataView | null {
  const count = ElfHeader.e_shnum.get(head, 0);
  if (count > MAX_SECTIONS || ElfHeader.e_shentsize.get(head, 0) !== SectionHeader.sizeof) {
    return null;
  }
  const table = file.read(ElfHeader.e_shoff.get(head, 0), count * SectionHeader.sizeof);
  return table && viewOf(table);
}

function symbolSections(file: ByteSource, v: DataView): SymbolSection[] {
  const found: SymbolSection[] = [];
  for (const wanted of [SHT_SYMTAB, SHT_DYNSYM]) {
    for (let at = 0; at < v.byteLength; at += SectionHeader.sizeof) {
      if (SectionHeader.sh_type.get(v, at) !== wanted) continue;
      const link = SectionHeader.sh_link.get(v, at) * SectionHeader.sizeof;
      if (link >= v.byteLength || SectionHeader.sh_type.get(v, link) !== SHT_STRTAB) break;
      const symbols = sectionExtent(file, v, at);
      const strings = sectionExtent(file, v, link);
      if (symbols && strings) found.push({ symbols, strings });
      break;
    }
  }
  return found;
}

function namedSection(
  file: ByteSource,
  head: DataView,
  v: DataView,
  name: string,
): LoadedPart | null {
  const names = ElfHeader.e_shstrndx.get(head, 0) * SectionHeader.sizeof;
  const strings = names < v.byteLength ? sectionExtent(file, v, names) : null;
  if (!strings) return null;
  for (let at = 0; at < v.byteLength; at += SectionHeader.sizeof) {
    const offset = SectionHeader.sh_name.get(v, at);
    if (offset + name.length >= strings.size) continue;
    const bytes = file.read(strings.offset + offset, name.length + 1);
    if (!bytes || byteString(bytes) !== `${name}\0`) continue;
    return { vaddr: SectionHeader.sh_addr.get(v, at), size: SectionHeader.sh_size.get(v, at) };
  }
  return null;
}

function sectionExtent(file: ByteSource, v: DataView, at: number): Extent | null {
  return within(file, SectionHeader.sh_offset.get(v, at), SectionHeader.sh_size.get(v, at));
}

/** The extent if the file has all of it. */
function within(file: ByteSource, offset: number, size: number): Extent | null {
  return size > 0 && offset <= file.sizeBytes && size <= file.sizeBytes - offset
    ? { offset, size }
    : null;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
