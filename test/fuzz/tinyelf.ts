/** The smallest program: a static ELF that calls exit_group(42), in one read-execute page. */
import { ElfHeader, ProgramHeader } from "../../src/abi/elf.ts";

const BASE = 0x10000;
const ET_EXEC = 2;
const EM_RISCV = 243;
/** li a0, 42; li a7, 94; ecall; j . */
const CODE = [0x02a00513, 0x05e00893, 0x00000073, 0x0000006f];

export function tinyElf(): Uint8Array {
  const start = ElfHeader.sizeof + ProgramHeader.sizeof;
  const bytes = new Uint8Array(start + CODE.length * 4);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  ElfHeader.e_type.set(view, 0, ET_EXEC);
  ElfHeader.e_machine.set(view, 0, EM_RISCV);
  ElfHeader.e_version.set(view, 0, 1);
  ElfHeader.e_entry.set(view, 0, BASE + start);
  ElfHeader.e_phoff.set(view, 0, ElfHeader.sizeof);
  ElfHeader.e_ehsize.set(view, 0, ElfHeader.sizeof);
  ElfHeader.e_phentsize.set(view, 0, ProgramHeader.sizeof);
  ElfHeader.e_phnum.set(view, 0, 1);
  const at = ElfHeader.sizeof;
  ProgramHeader.p_type.set(view, at, 1);
  ProgramHeader.p_flags.set(view, at, 5);
  ProgramHeader.p_vaddr.set(view, at, BASE);
  ProgramHeader.p_filesz.set(view, at, bytes.length);
  ProgramHeader.p_memsz.set(view, at, bytes.length);
  ProgramHeader.p_align.set(view, at, 4096);
  for (const [i, insn] of CODE.entries()) view.setUint32(start + i * 4, insn, true);
  return bytes;
}
