/**
 * Every instruction of F and D that computes, with every rounding mode, over tables of
 * special and random operands. Each case leaves 16 bytes: result register and fcsr flags.
 */
import * as fop from "../../src/machine/riscv/softfloat/softfloat.ts";
import {
  doubleTuples,
  INTEGER_SPECIALS,
  Random,
  randomInteger,
  singleTuples,
  type Tuple,
} from "./qemu-operands.ts";
import { TestProgram } from "./qemu-program.ts";

/** One loop over a table: what ran, and where its results lie in the output. */
export interface FpBlock {
  text: string;
  /** A FOP_* number for softFloat(), or -1 for what needs no arithmetic (moves, sign injection). */
  op: number;
  /** The rounding mode that is in force. */
  rm: number;
  presetFlags: number;
  tuples: readonly Tuple[];
  offset: number;
}

interface Row {
  name: string;
  op: number;
  /** Destination, then sources: f or x registers. */
  operands: string;
  /** "any": takes a static rounding mode; "dynamic": only ever assembled without one. */
  rounds: "any" | "dynamic" | "no";
  table: "single" | "double" | "integer";
}

const MODES = ["rne", "rtz", "rdn", "rup", "rmm"];

export function fpProgram(seed: number, count: number): { source: string; blocks: FpBlock[] } {
  const r = new Random(seed);
  const program = new TestProgram();
  const integers: Tuple[] = INTEGER_SPECIALS.map((x): Tuple => [x, 0n, 0n]);
  while (integers.length < 200) integers.push([randomInteger(r), 0n, 0n]);
  const tables = {
    single: singleTuples(r, count),
    double: doubleTuples(r, count),
    integer: integers,
  };
  const labels = {
    single: program.table(tables.single.flat()),
    double: program.table(tables.double.flat()),
    integer: program.table(tables.integer.flat()),
  };
  const blocks: FpBlock[] = [];
  for (const row of rows()) {
    for (const v of variants(row)) {
      const tuples = tables[row.table];
      const offset = program.reserve(tuples.length, 16);
      const { rm, presetFlags } = v;
      const text = instruction(r, row, v.suffix);
      blocks.push({ text: text.insn, op: row.op, rm, presetFlags, tuples, offset });
      program.code(loop(program, labels[row.table], tuples.length, v.frm, presetFlags, text));
    }
  }
  return { source: program.source(), blocks };
}

interface Variant {
  suffix: string;
  frm: number;
  rm: number;
  presetFlags: number;
}

function variants(row: Row): Variant[] {
  const all: Variant[] = [];
  for (const presetFlags of [0, 1]) {
    if (row.rounds === "no") all.push({ suffix: "", frm: 0, rm: 0, presetFlags });
    for (let rm = 0; rm < 5 && row.rounds !== "no"; rm++) {
      all.push({ suffix: row.rounds === "any" ? ", dyn" : "", frm: rm, rm, presetFlags });
      if (row.rounds !== "any") continue;
      all.push({ suffix: `, ${MODES[rm]}`, frm: 0, rm, presetFlags });
      if (presetFlags !== 0)
        all.push({ suffix: `, ${MODES[rm]}`, frm: (rm + 2) % 5, rm, presetFlags });
    }
  }
  return all;
}

interface Assembled {
  insn: string;
  load: string;
  store: string;
}

/** Picks registers at random (destinations that equal sources included). */
function instruction(r: Random, row: Row, suffix: string): Assembled {
  const fRegs = ["fa0", "fa1", "ft0", "ft11", "fs0", "fs11", "fa7", "ft3"];
  const xRegs = ["a0", "a1", "t3", "s11", "t6", "s4"];
  const sources: string[] = [];
  const load: string[] = [];
  for (const [i, kind] of [...row.operands.slice(1)].entries()) {
    const free = (kind === "f" ? fRegs : xRegs).filter((x) => !sources.includes(x));
    const reg = r.pick(free);
    sources.push(reg);
    load.push(`${kind === "f" ? "fld" : "ld"} ${reg}, ${8 * i}(s0)`);
  }
  const isFloat = row.operands.startsWith("f");
  const rd = r.pick(isFloat ? fRegs : xRegs);
  return {
    insn: `${row.name} ${[rd, ...sources].join(", ")}${suffix}`,
    load: load.join("\n  "),
    store: `${isFloat ? "fsd" : "sd"} ${rd}, 0(gp)`,
  };
}

function loop(
  program: TestProgram,
  table: string,
  count: number,
  frm: number,
  presetFlags: number,
  text: Assembled,
): string {
  const again = program.label();
  return `
  la s0, ${table}
  li s1, ${count * 24}
  add s1, s1, s0
  li s2, ${(frm << 5) | presetFlags}
${again}:
  ${text.load}
  fscsr s2
  ${text.insn}
  frflags t0
  ${text.store}
  sd t0, 8(gp)
  addi gp, gp, 16
  addi s0, s0, 24
  bltu s0, s1, ${again}`;
}

function rows(): Row[] {
  const all: Row[] = [];
  for (const fmt of ["s", "d"] as const) {
    const dbl = fmt === "d" ? fop.FOP_DOUBLE : 0;
    const table = fmt === "d" ? "double" : "single";
    const row = (name: string, op: number, operands: string, rounds: Row["rounds"]): void => {
      all.push({ name, op: op < 0 ? op : op | dbl, operands, rounds, table });
    };
    row(`fadd.${fmt}`, fop.FOP_ADD, "fff", "any");
    row(`fsub.${fmt}`, fop.FOP_SUB, "fff", "any");
    row(`fmul.${fmt}`, fop.FOP_MUL, "fff", "any");
    row(`fdiv.${fmt}`, fop.FOP_DIV, "fff", "any");
    row(`fsqrt.${fmt}`, fop.FOP_SQRT, "ff", "any");
    row(`fmadd.${fmt}`, fop.FOP_MADD, "ffff", "any");
    row(`fmsub.${fmt}`, fop.FOP_MSUB, "ffff", "any");
    row(`fnmsub.${fmt}`, fop.FOP_NMSUB, "ffff", "any");
    row(`fnmadd.${fmt}`, fop.FOP_NMADD, "ffff", "any");
    row(`fmin.${fmt}`, fop.FOP_MIN, "fff", "no");
    row(`fmax.${fmt}`, fop.FOP_MAX, "fff", "no");
    row(`feq.${fmt}`, fop.FOP_EQ, "xff", "no");
    row(`flt.${fmt}`, fop.FOP_LT, "xff", "no");
    row(`fle.${fmt}`, fop.FOP_LE, "xff", "no");
    row(`fclass.${fmt}`, fop.FOP_CLASS, "xf", "no");
    row(`fsgnj.${fmt}`, -1, "fff", "no");
    row(`fsgnjn.${fmt}`, -1, "fff", "no");
    row(`fsgnjx.${fmt}`, -1, "fff", "no");
    for (const name of ["fmv", "fneg", "fabs"]) row(`${name}.${fmt}`, -1, "ff", "no");
    row(`fmv.x.${fmt === "d" ? "d" : "w"}`, -1, "xf", "no");
    for (const [i, int] of ["w", "wu", "l", "lu"].entries()) {
      row(`fcvt.${int}.${fmt}`, fop.FOP_TO_W + i, "xf", "any");
      const isExact = fmt === "d" && i < 2;
      const rounds = isExact ? "dynamic" : "any";
      const op = (fop.FOP_FROM_W + i) | dbl;
      all.push({ name: `fcvt.${fmt}.${int}`, op, operands: "fx", rounds, table: "integer" });
    }
    const name = `fmv.${fmt === "d" ? "d" : "w"}.x`;
    all.push({ name, op: -1, operands: "fx", rounds: "no", table: "integer" });
  }
  all.push({
    name: "fcvt.s.d",
    op: fop.FOP_CONVERT,
    operands: "ff",
    rounds: "any",
    table: "double",
  });
  all.push({
    name: "fcvt.d.s",
    op: fop.FOP_CONVERT | fop.FOP_DOUBLE,
    operands: "ff",
    rounds: "dynamic",
    table: "single",
  });
  return all;
}
