/**
 * Every instruction of I, M, A, C, Zicsr and Zifencei, over special and random operands.
 *
 * Registers, immediates and offsets are random but reproducible. Each case stores its
 * results at gp; memory that was written is copied to the output as well.
 */
import { INTEGER_SPECIALS, Random, randomInteger } from "./qemu-operands.ts";
import { TestProgram } from "./qemu-program.ts";

/** Results of one piece of code: for saying what went wrong. */
export interface IntegerBlock {
  text: string;
  offset: number;
  count: number;
  size: number;
}

const REGISTERS = ["a0", "a1", "a2", "a5", "t1", "t3", "t6", "s4", "s11", "ra", "tp"];
/** The eight registers that compressed instructions can name (s0 and s1 drive the loop). */
const COMPACT = ["a0", "a1", "a2", "a3", "a4", "a5"];

export function integerProgram(seed: number): { source: string; blocks: IntegerBlock[] } {
  const b = new Builder(seed);
  b.program.code(".option norvc");
  registerRegister(b);
  registerImmediate(b);
  upperImmediates(b);
  branches(b);
  jumps(b);
  atomics(b);
  reservations(b);
  counters(b);
  b.program.code(".option rvc");
  compressed(b);
  compressedJumps(b);
  crossingInstructions(b);
  return { source: b.program.source(), blocks: b.blocks };
}

class Builder {
  readonly r: Random;
  readonly program = new TestProgram();
  readonly blocks: IntegerBlock[] = [];
  readonly #pairs: string;
  readonly #pairCount: number;

  constructor(seed: number) {
    this.r = new Random(seed);
    const pairs: bigint[] = [];
    for (const x of INTEGER_SPECIALS) for (const y of INTEGER_SPECIALS) pairs.push(x, y);
    for (let i = 0; i < 100; i++) pairs.push(randomInteger(this.r), randomInteger(this.r));
    this.#pairs = this.program.table(pairs);
    this.#pairCount = pairs.length / 2;
  }

  /** Runs `text` for every operand pair, `x` and `y` loaded; then stores `outputs`. */
  overPairs(text: string, x: string, y: string, outputs: readonly string[]): void {
    const { program } = this;
    const again = program.label();
    const size = 8 * outputs.length;
    this.record(text, this.#pairCount, size);
    program.code(`
  la s0, ${this.#pairs}
  li s1, ${this.#pairCount * 16}
  add s1, s1, s0
${again}:
  ld ${x}, 0(s0)
  ld ${y}, 8(s0)
  ${text}
${outputs.map((o, i) => `  sd ${o}, ${8 * i}(gp)`).join("\n")}
  addi gp, gp, ${size}
  addi s0, s0, 16
  bltu s0, s1, ${again}`);
  }

  /** Runs `text` once, then stores `outputs`. */
  once(text: string, outputs: readonly string[]): void {
    const size = 8 * outputs.length;
    this.record(text, 1, size);
    this.program.code(`${text}
${outputs.map((o, i) => `  sd ${o}, ${8 * i}(gp)`).join("\n")}
  addi gp, gp, ${size}`);
  }

  record(text: string, count: number, size: number): void {
    this.blocks.push({ text, offset: this.program.reserve(count, size), count, size });
  }

  /** `n` different registers of a set. */
  registers(n: number, from: readonly string[] = REGISTERS): string[] {
    const chosen: string[] = [];
    while (chosen.length < n) {
      const reg = this.r.pick(from);
      if (!chosen.includes(reg)) chosen.push(reg);
    }
    return chosen;
  }
}

function registerRegister(b: Builder): void {
  const names =
    "add sub sll slt sltu xor srl sra or and addw subw sllw srlw sraw " +
    "mul mulh mulhsu mulhu div divu rem remu mulw divw divuw remw remuw";
  for (const name of names.split(" ")) {
    const [x, y, d] = b.registers(3) as [string, string, string];
    b.overPairs(`${name} ${d}, ${x}, ${y}`, x, y, [d]);
    b.overPairs(`${name} ${x}, ${x}, ${y}`, x, y, [x]);
    b.overPairs(`${name} ${y}, ${x}, ${y}`, x, y, [x, y]);
    b.overPairs(`${name} ${d}, ${x}, ${x}`, x, y, [d]);
    b.overPairs(`${name} ${d}, x0, ${y}\n  ${name} x0, ${x}, ${y}`, x, y, [d, "x0"]);
    b.overPairs(`${name} ${d}, ${x}, x0`, x, y, [d]);
  }
}

function registerImmediate(b: Builder): void {
  for (const name of "addi slti sltiu xori ori andi addiw".split(" ")) {
    for (const imm of [0, 1, -1, 2047, -2048, b.r.below(4096) - 2048, b.r.below(4096) - 2048]) {
      const [x, y, d] = b.registers(3) as [string, string, string];
      b.overPairs(`${name} ${d}, ${x}, ${imm}`, x, y, [d]);
      b.overPairs(`${name} ${x}, ${x}, ${imm}`, x, y, [x]);
      b.overPairs(`${name} ${y}, x0, ${imm}`, x, y, [y]);
    }
  }
  for (const name of "slli srli srai slliw srliw sraiw".split(" ")) {
    const bound = name.endsWith("w") ? 32 : 64;
    for (const shift of [0, 1, bound - 1, bound / 2, b.r.below(bound), b.r.below(bound)]) {
      const [x, y, d] = b.registers(3) as [string, string, string];
      b.overPairs(`${name} ${d}, ${x}, ${shift}`, x, y, [d]);
      b.overPairs(`${name} ${y}, ${y}, ${shift}`, x, y, [y]);
    }
  }
}

function upperImmediates(b: Builder): void {
  for (const imm of [0, 1, 0x7ffff, 0x80000, 0xfffff, b.r.below(1 << 20), b.r.below(1 << 20)]) {
    const [d, e] = b.registers(2) as [string, string];
    b.once(`  lui ${d}, ${imm}\n  auipc ${e}, ${imm}`, [d, e]);
  }
}

function branches(b: Builder): void {
  for (const name of "beq bne blt bge bltu bgeu".split(" ")) {
    for (const second of ["y", "x0", "x"]) {
      const [x, y, d] = b.registers(3) as [string, string, string];
      const other = second === "y" ? y : second === "x" ? x : "x0";
      const [taken, end, back] = [b.program.label(), b.program.label(), b.program.label()];
      // Once forwards, once backwards (at most once round).
      const text = `li ${d}, 0
  ${name} ${x}, ${other}, ${taken}
  addi ${d}, ${d}, 1
  j ${end}
${taken}:
  addi ${d}, ${d}, 2
${end}:
${back}:
  addi ${d}, ${d}, 4
  andi t0, ${d}, 8
  bnez t0, 9f
  ${name} ${other}, ${x}, ${back}
9:`;
      b.overPairs(text, x, y, [d]);
    }
  }
}

function jumps(b: Builder): void {
  for (const link of ["ra", "t0", "a3", "x0"]) {
    const [to, on] = [b.program.label(), b.program.label()];
    const out = link === "x0" ? "zero" : link;
    b.once(
      `  li a4, 1
  jal ${link}, ${to}
  li a4, 2
${on}:
  li a4, 3
${to}:
  addi a4, a4, 4`,
      [out, "a4"],
    );
    for (const odd of [0, 1]) {
      // jalr clears the lowest bit of the target.
      for (const disp of [0, -12, 2044]) {
        const target = b.program.label();
        b.once(
          `  la a2, ${target}
  addi a2, a2, ${odd - disp}
  li a4, 1
  jalr ${link}, ${disp}(a2)
  li a4, 2
${target}:
  addi a4, a4, 4`,
          [out, "a4"],
        );
      }
    }
  }
  // The link register is the base: the target must be read first.
  const target = b.program.label();
  b.once(`  la a2, ${target}\n  jalr a2, 0(a2)\n  nop\n${target}:`, ["a2"]);
  // A table of computed jumps, as switch statements make them.
  const [table, dispatch, end] = [b.program.label(), b.program.label(), b.program.label()];
  const arms = Array.from({ length: 16 }, () => b.program.label());
  b.program.data(`.balign 8\n${table}:\n${arms.map((a) => `.quad ${a}`).join("\n")}`);
  b.once(
    `  li a0, 0
  li a1, 0
  li a2, 4000
${dispatch}:
  andi a3, a0, 15
  slli a3, a3, 3
  la a4, ${table}
  add a4, a4, a3
  ld a4, 0(a4)
  addi a0, a0, 7
  addi a2, a2, -1
  beqz a2, ${end}
  jr a4
${arms.map((a, i) => `${a}:\n  slli a5, a1, ${(i % 5) + 1}\n  xor a1, a1, a5\n  addi a1, a1, ${i + 1}\n  j ${dispatch}`).join("\n")}
${end}:`,
    ["a0", "a1"],
  );
}

function atomics(b: Builder): void {
  b.program.data(".balign 8\natomic_cell:\n.quad 0, 0");
  for (const op of "swap add xor and or min max minu maxu".split(" ")) {
    for (const width of ["w", "d"]) {
      for (const order of ["", ".aq", ".rl", ".aqrl"]) {
        const [x, y, d] = b.registers(3) as [string, string, string];
        // The upper half of the cell shows that a word operation leaves it alone.
        const body = (dest: string, source: string): string => `la t0, atomic_cell
  mv t5, t0
  sd ${x}, 0(t0)
  amo${op}.${width}${order} ${dest}, ${source}, (t0)
  ld t2, 0(t5)`;
        b.overPairs(body(d, y), x, y, [d, "t2"]);
        if (order === "") {
          b.overPairs(body(y, y), x, y, [y, "t2"]);
          b.overPairs(body("x0", y), x, y, ["t2"]);
          b.overPairs(body("t0", y), x, y, ["t0", "t2"]);
          b.overPairs(body(d, "x0"), x, y, [d, "t2"]);
        }
      }
    }
  }
}

function reservations(b: Builder): void {
  for (const width of ["w", "d"]) {
    for (const order of ["", ".aq", ".aqrl"]) {
      const text = `la t0, atomic_cell
  sd a0, 0(t0)
  sd a1, 8(t0)
  lr.${width}${order} a2, (t0)
  sc.${width}${order} a3, a1, (t0)
  sc.${width}${order} a4, a0, (t0)
  ld a5, 0(t0)
  addi t1, t0, 8
  lr.${width}${order} a6, (t0)
  sc.${width}${order} a7, a0, (t1)
  ld t2, 8(t0)`;
      b.overPairs(text, "a0", "a1", ["a2", "a3", "a4", "a5", "a6", "a7", "t2"]);
    }
    const loop = b.program.label();
    b.overPairs(
      `la t0, atomic_cell
  sd a0, 0(t0)
${loop}:
  lr.${width} a2, (t0)
  add a3, a2, a1
  sc.${width} a3, a3, (t0)
  bnez a3, ${loop}
  ld a4, 0(t0)`,
      "a0",
      "a1",
      ["a2", "a3", "a4"],
    );
  }
}

function counters(b: Builder): void {
  for (const csr of ["fflags", "frm", "fcsr"]) {
    for (const op of ["csrrw", "csrrs", "csrrc"]) {
      const text = `fscsr a1
  ${op} a2, ${csr}, a0
  frcsr a3
  ${op} x0, ${csr}, a0
  frcsr a4
  ${op} a5, ${csr}, x0
  frcsr a6
  ${op} a0, ${csr}, a0
  frcsr a7`;
      b.overPairs(text, "a0", "a1", ["a2", "a3", "a4", "a5", "a6", "a0", "a7"]);
      for (const imm of [0, 1, 5, 31]) {
        b.overPairs(`fscsr a1\n  ${op}i a2, ${csr}, ${imm}\n  frcsr a3`, "a0", "a1", ["a2", "a3"]);
      }
    }
  }
  b.once("  fscsr x0\n  fence\n  fence rw, w\n  fence.i\n  fence.tso\n  li a0, 5", ["a0"]);
  // Counters: only that they do not run backwards.
  for (const csr of ["cycle", "time", "instret"]) {
    b.once(`  rd${csr} a0\n  rd${csr} a1\n  sltu a0, a1, a0`, ["a0"]);
  }
}

function compressed(b: Builder): void {
  for (const name of ["c.sub", "c.xor", "c.or", "c.and", "c.subw", "c.addw"]) {
    for (let i = 0; i < 3; i++) {
      const [x, y] = b.registers(2, COMPACT) as [string, string];
      b.overPairs(`${name} ${x}, ${y}`, x, y, [x, y]);
    }
    b.overPairs(`${name} a0, a0`, "a0", "a1", ["a0"]);
  }
  for (const name of ["c.mv", "c.add"]) {
    for (let i = 0; i < 3; i++) {
      const [x, y] = b.registers(2) as [string, string];
      b.overPairs(`${name} ${x}, ${y}`, x, y, [x, y]);
    }
  }
  for (const name of ["c.srli", "c.srai"]) {
    for (const n of [1, 31, 32, 63]) b.overPairs(`${name} a2, ${n}`, "a2", "a1", ["a2"]);
  }
  for (const n of [1, 31, 32, 63]) b.overPairs(`c.slli t3, ${n}`, "t3", "a1", ["t3"]);
  for (const n of [-32, -1, 0, 1, 31]) {
    b.overPairs(`c.andi a3, ${n}`, "a3", "a1", ["a3"]);
    b.overPairs(`c.addiw t6, ${n}`, "t6", "a1", ["t6"]);
    b.overPairs(`c.li s4, ${n}`, "s4", "a1", ["s4"]);
    if (n !== 0) b.overPairs(`c.addi ra, ${n}`, "ra", "a1", ["ra"]);
  }
  for (const n of ["0x1", "0x1f", "0xfffe0", "0xfffff"]) b.once(`  c.lui a4, ${n}`, ["a4"]);
  b.once("  c.nop\n  li a0, 1", ["a0"]);
  for (const n of [-512, -16, 16, 496]) {
    b.once(`  mv a0, sp\n  c.addi16sp sp, ${n}\n  sub a1, sp, a0\n  mv sp, a0`, ["a1"]);
  }
  for (const n of [4, 8, 1020, 512]) b.once(`  c.addi4spn a5, sp, ${n}\n  sub a5, a5, sp`, ["a5"]);
}

function compressedJumps(b: Builder): void {
  for (const name of ["c.beqz", "c.bnez"]) {
    const [taken, back] = [b.program.label(), b.program.label()];
    const text = `li a3, 0
${back}:
  addi a3, a3, 1
  andi a4, a3, 2
  bnez a4, 9f
  ${name} a0, ${taken}
  addi a3, a3, 16
${taken}:
  ${name} a1, ${back}
9:`;
    b.overPairs(text, "a0", "a1", ["a3"]);
  }
  const [to, back, end, target] = Array.from({ length: 4 }, () => b.program.label());
  b.once(
    `  li a3, 1
  c.j ${to}
${back}:
  addi a3, a3, 2
  c.j ${end}
${to}:
  addi a3, a3, 4
  c.j ${back}
${end}:
  la a1, ${target}
  c.jalr a1
  addi a3, a3, 8
  j 9f
${target}:
  addi a3, a3, 16
  mv a4, ra
  c.jr ra
9:`,
    ["a3", "a4"],
  );
}

/** A four-byte instruction whose halves lie in different pages. */
function crossingInstructions(b: Builder): void {
  for (const insn of ["lui a0, 0x12345", "addi a0, a1, 1234", "bne a1, x0, 9f", "jal a0, 9f"]) {
    b.once(
      `  li a0, 0
  li a1, 77
  j 1f
  .balign 4096
  .fill 2045, 2, 1
1:
  c.addi a1, 1
  c.addi a1, 1
  ${insn}
  c.addi a1, 4
9:`,
      ["a0", "a1"],
    );
  }
}
