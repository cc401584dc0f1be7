/**
 * ELF64 for riscv as data, and the auxiliary vector. See elf(5), getauxval(3).
 */
import { bytes, i8, i32, i64, struct, u8, u16, u32, u64 } from "../lib/struct.ts";

export const ElfHeader = struct({
  e_ident: bytes(16),
  e_type: u16,
  e_machine: u16,
  e_version: u32,
  e_entry: u64,
  e_phoff: u64,
  e_shoff: u64,
  e_flags: u32,
  e_ehsize: u16,
  e_phentsize: u16,
  e_phnum: u16,
  e_shentsize: u16,
  e_shnum: u16,
  e_shstrndx: u16,
});

export const ProgramHeader = struct({
  p_type: u32,
  p_flags: u32,
  p_offset: u64,
  p_vaddr: u64,
  p_paddr: u64,
  p_filesz: u64,
  p_memsz: u64,
  p_align: u64,
});

export const ElfSym = struct({
  st_name: u32,
  st_info: u8,
  st_other: u8,
  st_shndx: u16,
  st_value: u64,
  st_size: u64,
});

export const SectionHeader = struct({
  sh_name: u32,
  sh_type: u32,
  sh_flags: u64,
  sh_addr: u64,
  sh_offset: u64,
  sh_size: u64,
  sh_link: u32,
  sh_info: u32,
  sh_addralign: u64,
  sh_entsize: u64,
});

export const ElfDyn = struct({ d_tag: i64, d_val: u64 });

export const ELFCLASS64 = 2;
export const ELFDATA2LSB = 1;
export const ET_EXEC = 2;
export const ET_DYN = 3;
export const ET_CORE = 4;
export const EM_RISCV = 243;
export const EV_CURRENT = 1;

export const PT_LOAD = 1;
export const PT_DYNAMIC = 2;
export const PT_INTERP = 3;
export const PT_NOTE = 4;
export const PT_GNU_EH_FRAME = 0x6474e550;
export const PT_GNU_STACK = 0x6474e551;
export const PF_X = 1;
export const PF_W = 2;
export const PF_R = 4;

export const SHT_SYMTAB = 2;
export const SHT_STRTAB = 3;
export const SHT_DYNSYM = 11;

export const STT_NOTYPE = 0;
export const STT_FUNC = 2;
export const STT_GNU_IFUNC = 10;

export const DT_NULL = 0;
export const DT_HASH = 4;
export const DT_STRTAB = 5;
export const DT_SYMTAB = 6;
export const DT_STRSZ = 10;
export const DT_SYMENT = 11;
export const DT_SONAME = 14;
export const DT_VERSYM = 0x6ffffff0;
export const DT_VERDEF = 0x6ffffffc;
export const DT_VERDEFNUM = 0x6ffffffd;

export const AT_NULL = 0;
export const AT_PHDR = 3;
export const AT_PHENT = 4;
export const AT_PHNUM = 5;
export const AT_PAGESZ = 6;
export const AT_BASE = 7;
export const AT_FLAGS = 8;
export const AT_ENTRY = 9;
export const AT_UID = 11;
export const AT_EUID = 12;
export const AT_GID = 13;
export const AT_EGID = 14;
export const AT_HWCAP = 16;
export const AT_CLKTCK = 17;
export const AT_SECURE = 23;
export const AT_RANDOM = 25;
export const AT_HWCAP2 = 26;
export const AT_RSEQ_FEATURE_SIZE = 27;
export const AT_RSEQ_ALIGN = 28;
export const AT_EXECFN = 31;
export const AT_SYSINFO_EHDR = 33;
export const AT_MINSIGSTKSZ = 51;

/** A note: this, its name and what it says, each to a multiple of four bytes. */
export const NoteHeader = struct({ n_namesz: u32, n_descsz: u32, n_type: u32 });
/** Notes of a core file called "CORE"; see also abi/ptrace.ts. */
export const NT_PRPSINFO = 3;
export const NT_AUXV = 6;
export const NT_FILE = 0x46494c45;
export const NT_SIGINFO = 0x53494749;

/** struct elf_prstatus of riscv64: one thread. */
export const ElfPrstatus = struct({
  si_signo: i32,
  si_code: i32,
  si_errno: i32,
  pr_cursig: u16,
  pr_sigpend: u64,
  pr_sighold: u64,
  pr_pid: i32,
  pr_ppid: i32,
  pr_pgrp: i32,
  pr_sid: i32,
  utime_sec: i64,
  utime_usec: i64,
  stime_sec: i64,
  stime_usec: i64,
  cutime_sec: i64,
  cutime_usec: i64,
  cstime_sec: i64,
  cstime_usec: i64,
  pr_reg: bytes(32 * 8),
  pr_fpvalid: i32,
});

/** struct elf_prpsinfo: the process. */
export const ElfPrpsinfo = struct({
  pr_state: u8,
  pr_sname: u8,
  pr_zomb: u8,
  pr_nice: i8,
  pr_flag: u64,
  pr_uid: u32,
  pr_gid: u32,
  pr_pid: i32,
  pr_ppid: i32,
  pr_pgrp: i32,
  pr_sid: i32,
  pr_fname: bytes(16),
  pr_psargs: bytes(80),
});

/** AT_HWCAP: a bit per letter; this machine is IMAFDC. */
export const HWCAP_IMAFDC = hwcap("IMAFDC");

function hwcap(letters: string): number {
  let bits = 0;
  for (const letter of letters) bits |= 1 << (letter.charCodeAt(0) - 65);
  return bits;
}
