/**
 * The vDSO as a shared object: one page with headers, symbols with versions,
 * and the code. What libcs look for: PT_LOAD, PT_DYNAMIC, DT_HASH, DT_SYMTAB,
 * DT_STRTAB, DT_VERSYM, DT_VERDEF. Source: elf(5), gABI symbol versioning.
 */
import {
  DT_HASH,
  DT_NULL,
  DT_SONAME,
  DT_STRSZ,
  DT_STRTAB,
  DT_SYMENT,
  DT_SYMTAB,
  DT_VERDEF,
  DT_VERDEFNUM,
  DT_VERSYM,
  ELFCLASS64,
  ELFDATA2LSB,
  ElfDyn,
  ElfHeader,
  ElfSym,
  EM_RISCV,
  ET_DYN,
  PF_R,
  PF_X,
  ProgramHeader,
  PT_DYNAMIC,
  PT_LOAD,
} from "../abi/elf.ts";
import { bytesOf } from "../lib/bytes.ts";
import { struct, u16, u32 } from "../lib/struct.ts";
import { vdsoCode } from "./vdsocode.ts";

const PAGE_SIZE = 4096;
const CODE_OFFSET = 0x800;
const SONAME = "linux-vdso.so.1";
const VERSION = "LINUX_4.15";

const Verdef = struct({
  vd_version: u16,
  vd_flags: u16,
  vd_ndx: u16,
  vd_cnt: u16,
  vd_hash: u32,
  vd_aux: u32,
  vd_next: u32,
});
const Verdaux = struct({ vda_name: u32, vda_next: u32 });
/** EF_RISCV_RVC and the double-float ABI. */
const ELF_FLAGS = 0x5;
const VER_FLG_BASE = 1;
const GLOBAL_FUNC = 0x12;

export interface VdsoImage {
  readonly bytes: Uint8Array;
  /** Offset of __vdso_rt_sigreturn: where signal handlers return to. */
  readonly sigreturn: number;
}

/** The image, for a vvar page that lies right before it. */
export function vdsoImage(): VdsoImage {
  const image = new Uint8Array(PAGE_SIZE);
  const view = new DataView(image.buffer);
  const code = vdsoCode(-PAGE_SIZE - CODE_OFFSET);
  new Uint8Array(image.buffer, CODE_OFFSET).set(new Uint8Array(code.words.buffer));

  const strings = new StringTable();
  const symbols = code.functions.map((f) => ({ ...f, nameAt: strings.add(f.name) }));
  const soname = strings.add(SONAME);
  const version = strings.add(VERSION);

  let at = ElfHeader.sizeof + 2 * ProgramHeader.sizeof;
  const place = (size: number): number => {
    const here = at;
    at = (at + size + 7) & ~7;
    return here;
  };
  const symtab = place((symbols.length + 1) * ElfSym.sizeof);
  symbols.forEach((s, i) => {
    const base = symtab + (i + 1) * ElfSym.sizeof;
    ElfSym.st_name.set(view, base, s.nameAt);
    ElfSym.st_info.set(view, base, GLOBAL_FUNC);
    ElfSym.st_shndx.set(view, base, 1);
    ElfSym.st_value.set(view, base, CODE_OFFSET + s.offset);
    ElfSym.st_size.set(view, base, s.size);
  });

  // One bucket: a chain through all symbols.
  const hash = place(4 * (2 + 1 + symbols.length + 1));
  const count = symbols.length + 1;
  for (const [i, n] of [1, count, 1, 0].entries()) view.setUint32(hash + 4 * i, n, true);
  for (let i = 1; i < count; i++) {
    view.setUint32(hash + 4 * (3 + i), i + 1 < count ? i + 1 : 0, true);
  }

  const versym = place(2 * count);
  for (let i = 1; i < count; i++) view.setUint16(versym + 2 * i, 2, true);

  const verdef = place(2 * (Verdef.sizeof + Verdaux.sizeof));
  [
    { name: SONAME, nameAt: soname, flags: VER_FLG_BASE },
    { name: VERSION, nameAt: version, flags: 0 },
  ].forEach((v, i) => {
    const step = Verdef.sizeof + Verdaux.sizeof;
    const base = verdef + i * step;
    Verdef.vd_version.set(view, base, 1);
    Verdef.vd_flags.set(view, base, v.flags);
    Verdef.vd_ndx.set(view, base, i + 1);
    Verdef.vd_cnt.set(view, base, 1);
    Verdef.vd_hash.set(view, base, elfHash(v.name));
    Verdef.vd_aux.set(view, base, Verdef.sizeof);
    Verdef.vd_next.set(view, base, i === 0 ? step : 0);
    Verdaux.vda_name.set(view, base + Verdef.sizeof, v.nameAt);
  });

  const strtab = place(strings.bytes.length);
  image.set(bytesOf(strings.bytes), strtab);

  const dynamics: readonly (readonly [number, number])[] = [
    [DT_SONAME, soname],
    [DT_HASH, hash],
    [DT_STRTAB, strtab],
    [DT_SYMTAB, symtab],
    [DT_STRSZ, strings.bytes.length],
    [DT_SYMENT, ElfSym.sizeof],
    [DT_VERSYM, versym],
    [DT_VERDEF, verdef],
    [DT_VERDEFNUM, 2],
    [DT_NULL, 0],
  ];
  const dynamic = place(dynamics.length * ElfDyn.sizeof);
  dynamics.forEach(([tag, value], i) => {
    ElfDyn.d_tag.set(view, dynamic + i * ElfDyn.sizeof, tag);
    ElfDyn.d_val.set(view, dynamic + i * ElfDyn.sizeof, value);
  });

  header(view);
  segment(view, 0, PT_LOAD, PF_R | PF_X, 0, PAGE_SIZE, PAGE_SIZE);
  segment(view, 1, PT_DYNAMIC, PF_R, dynamic, dynamics.length * ElfDyn.sizeof, 8);
  return { bytes: image, sigreturn: CODE_OFFSET + code.functions[0]!.offset };
}

function header(view: DataView): void {
  const ident = new Uint8Array(16);
  ident.set([0x7f, 0x45, 0x4c, 0x46, ELFCLASS64, ELFDATA2LSB, 1]);
  ElfHeader.e_ident.set(view, 0, ident);
  ElfHeader.e_type.set(view, 0, ET_DYN);
  ElfHeader.e_machine.set(view, 0, EM_RISCV);
  ElfHeader.e_version.set(view, 0, 1);
  ElfHeader.e_phoff.set(view, 0, ElfHeader.sizeof);
  ElfHeader.e_flags.set(view, 0, ELF_FLAGS);
  ElfHeader.e_ehsize.set(view, 0, ElfHeader.sizeof);
  ElfHeader.e_phentsize.set(view, 0, ProgramHeader.sizeof);
  ElfHeader.e_phnum.set(view, 0, 2);
}

function segment(
  view: DataView,
  index: number,
  type: number,
  flags: number,
  offset: number,
  size: number,
  align: number,
): void {
  const base = ElfHeader.sizeof + index * ProgramHeader.sizeof;
  ProgramHeader.p_type.set(view, base, type);
  ProgramHeader.p_flags.set(view, base, flags);
  ProgramHeader.p_offset.set(view, base, offset);
  ProgramHeader.p_vaddr.set(view, base, offset);
  ProgramHeader.p_paddr.set(view, base, offset);
  ProgramHeader.p_filesz.set(view, base, size);
  ProgramHeader.p_memsz.set(view, base, size);
  ProgramHeader.p_align.set(view, base, align);
}

class StringTable {
  bytes = "\0";

  add(s: string): number {
    const at = this.bytes.length;
    this.bytes += `${s}\0`;
    return at;
  }
}

/** The hash of the System V ABI. */
function elfHash(name: string): number {
  let h = 0;
  for (let i = 0; i < name.length; i++) {
    h = ((h << 4) + name.charCodeAt(i)) >>> 0;
    const g = h & 0xf0000000;
    if (g !== 0) h ^= g >>> 24;
    h = (h & ~g) >>> 0;
  }
  return h;
}
