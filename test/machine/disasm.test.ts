/**
 * The disassembler against GNU objdump, and the assembler against the disassembler.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { assemble } from "../../src/machine/riscv/assemble.ts";
import { Decoder } from "../../src/machine/riscv/decode.ts";
import { disassemble } from "../../src/machine/riscv/disasm.ts";
import { RV64GC } from "../../src/machine/riscv/isa/rv64gc.ts";
import { Random } from "./random.ts";

const decoder = new Decoder(RV64GC);
const VARIANTS = 24;
/** Far enough from 0 that no branch target is negative. */
const BASE = 0x1000_0000;
/** The csrs of user programs, and one without a name. */
const CSRS = [1, 2, 3, 0xc00, 0xc01, 0xc02, 0x7ff];
const OBJDUMP = "riscv64-linux-gnu-objdump";

/** Every instruction with random bits where its encoding leaves room. */
function sampleWords(): number[] {
  const random = new Random(1);
  return RV64GC.flatMap((insn) =>
    Array.from({ length: VARIANTS }, () => {
      let free = ~insn.mask;
      // objdump knows no name for a reserved rounding mode.
      if (insn.syntax.includes("rm")) free |= 0x7000;
      const bits = insn.syntax.includes("csr")
        ? (random.u32() & 0xf_ffff) | (random.pick(CSRS) << 20)
        : random.u32();
      return ((insn.match & insn.mask) | (bits & free)) >>> 0;
    }),
  );
}

function objdump(words: number[]): string[] {
  const dir = mkdtempSync(join(tmpdir(), "disasm-"));
  try {
    const file = join(dir, "code.bin");
    writeFileSync(file, new Uint8Array(Uint32Array.from(words).buffer));
    const args = ["-D", "-b", "binary", "-m", "riscv:rv64", "-M", "no-aliases"];
    args.push(`--adjust-vma=${BASE}`, file);
    const text = execFileSync(OBJDUMP, args, { encoding: "utf8", maxBuffer: 1 << 26 });
    return text
      .split("\n")
      .filter((line) => /^\s+[0-9a-f]+:/.test(line))
      .map((line) => line.split("\t").slice(2).join(" "));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** objdump's remarks and symbols are no operands. */
const plain = (s: string): string => s.replace(/\s*[#<].*$/, "").trim();

test("instructions are written as objdump writes them", () => {
  const words = sampleWords();
  const theirs = objdump(words);
  assert.equal(theirs.length, words.length);
  const differing = words.flatMap((w, i) => {
    const ours = disassemble(decoder, w, BASE + i * 4).text;
    const unknown = /unknown|^\.4byte/.test(theirs[i]!) || /unknown/.test(ours);
    return ours === plain(theirs[i]!) || unknown ? [] : [`${ours} | ${plain(theirs[i]!)}`];
  });
  assert.deepEqual(differing.slice(0, 20), []);
});

test("what the disassembler writes assembles to the same word", () => {
  const differing = sampleWords().flatMap((w, i) => {
    const insn = decoder.decode(w);
    const text = disassemble(decoder, w, BASE + i * 4).text;
    if (!insn || insn.name === "fence.i" || /unknown/.test(text)) return [];
    const [back] = assemble(text, BASE + i * 4);
    // Bits no operand shows (a fence's mode, the rounding of an exact conversion) cannot come back.
    let shown = insn.name === "fence" ? 0x0ff0_707f : 0xffff_ffff;
    if (!/rm|imm|shamt|target/.test(insn.syntax)) shown &= insn.mask | ~0x7000;
    return ((back! ^ w) & shown) === 0 ? [] : [`${text}: ${w.toString(16)} ${back!.toString(16)}`];
  });
  assert.deepEqual(differing.slice(0, 20), []);
});

test("labels, comments and aliases assemble", () => {
  const words = assemble("li a0, 3 # three\nloop: addi a0, a0, -1\nbnez a0, loop\nret", 0x1000);
  const text = [...words].map((w, i) => disassemble(decoder, w, 0x1000 + i * 4).text);
  assert.deepEqual(text, [
    "addi a0,zero,3",
    "addi a0,a0,-1",
    "bne a0,zero,0x1004",
    "jalr zero,0(ra)",
  ]);
});
