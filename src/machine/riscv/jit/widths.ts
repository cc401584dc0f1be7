/**
 * Which registers of a region hold 32-bit values, and which of those are kept in i32 locals.
 *
 * RISC-V has 32-bit values sign-extended to 64 bits. Kept so, each is cut to its low half and extended again wherever it is
 * worked on, and V8 does not see that two shifts and an or are a rotation. A value in an i32 local is extended
 * where 64 bits of it are read, or it is stored.
 *
 * What is known at a point holds on every way there (`word`, `natural`, `upper`); whether a register is
 * *narrow*, in its i32 local, is a choice that all ways there follow.
 */
import { isSwitch, type Op, rdOf, rs1Of, rs2Of } from "./graph.ts";
import { loopsOf } from "./loops.ts";
import { isConditional, readsOf, writesOf } from "./regs.ts";
import type { Node } from "./structure.ts";

/** Bit r stands for x[r]. */
export interface Widths {
  /** 32-bit values, sign-extended. */
  word: number;
  /** Those of them that are not negative. */
  natural: number;
  /** Those of them with twelve zeroes at the end, to which an addi's immediate can be added. */
  upper: number;
  /** Those of them that are in i32 locals. x0 never is. */
  narrow: number;
  /** The same four of what was put aside (hammock.ts), as below. */
  aside: number;
}

const X0 = 1;

/** Nothing is known of what comes from the context. */
export const unknownWidths = (): Widths => ({
  word: X0,
  natural: X0,
  upper: 0,
  narrow: 0,
  aside: 0,
});
const anything = (): Widths => ({ word: ~0, natural: ~0, upper: ~0, narrow: 0, aside: 0 });

/** Instructions that can as well be done with 32 bits, if their operands have no more. */
type Kind = "bits" | "compare" | "load" | "store";
const KINDS: ReadonlyMap<string, Kind> = new Map([
  ...names("bits", "and or xor andi ori xori add addi srli srai"),
  ...names("compare", "beq bne blt bge bltu bgeu slt sltu slti sltiu"),
  ...names("load", "lb lh lw lbu lhu"),
  ...names("store", "sb sh sw"),
]);

function names(kind: Kind, list: string): [string, Kind][] {
  return list.split(" ").map((name) => [name, kind]);
}

export const kindOf = (op: Op): Kind | undefined => KINDS.get(op.insn.name);

const WORD = 1;
export const NATURAL = 3;
const UPPER = 4;
export const NARROW = 8;

/** The width of what `op` computes for rd: narrow if that is an i32. */
export function widthOfResult(op: Op, w: Widths): number {
  const [a, b] = [1 << rs1Of(op), 1 << rs2Of(op)];
  const { imm } = op;
  const of = (bits: number): number =>
    (w.word & bits) !== bits ? 0 : (w.natural & bits) === bits ? NATURAL : WORD;
  const ifNarrow = (bits: number): number => (w.narrow & bits ? NARROW : 0);
  const kept = (width: number, bits: number): number => width && width | ifNarrow(bits);
  switch (op.insn.name) {
    case "lbu":
    case "lhu":
      return NATURAL | NARROW;
    case "lb":
    case "lh":
    case "lw":
      return WORD | NARROW;
    case "slt":
    case "sltu":
    case "slti":
    case "sltiu":
      return NATURAL | NARROW;
    case "lui":
      return (imm >= 0 ? NATURAL : WORD) | (imm === 0 || imm === -(2 ** 31) ? 0 : UPPER);
    case "addi":
      if (imm === 0) return kept(of(a), a);
      if (a === X0) return imm > 0 ? NATURAL : WORD;
      return w.upper & a ? of(a) : 0;
    case "add":
      return a === X0 || b === X0 ? kept(of(a | b), a | b) : 0;
    case "and":
      return kept((w.natural & (a | b)) !== 0 ? NATURAL : of(a | b), a | b);
    case "or":
    case "xor":
      return kept(of(a | b), a | b);
    case "andi":
      return kept(imm >= 0 ? NATURAL : of(a), a);
    case "ori":
    case "xori":
      return kept(imm >= 0 ? of(a) : of(a) && WORD, a);
    case "srli":
      if (imm > 32) return NATURAL;
      return of(a) === NATURAL ? kept(NATURAL, imm < 32 ? a : 0) : 0;
    case "srai":
      if (imm >= 32) return of(a) || WORD;
      return kept(of(a), a);
    case "extractu":
      return NATURAL | NARROW;
    case "srliw":
      return imm > 0 ? NATURAL | NARROW : WORD | NARROW;
    case "sraiw":
    case "addiw":
      return (imm === 0 || op.insn.name === "sraiw" ? of(a) || WORD : WORD) | NARROW;
    default:
      return op.traits.rdWord ? WORD | NARROW : 0;
  }
}

/** The width of rd after `op`, which may be what is there. */
function widthAfter(op: Op, w: Widths): number {
  const made = widthOfResult(op, w);
  if (!isConditional(op)) return made;
  const was = op.aside === "got" ? w.aside : widthOf(rdOf(op), w);
  if ((made & was & WORD) === 0) return 0;
  return (made & was) | ((made | was) & NARROW);
}

/** The width of x[r]. */
export function widthOf(r: number, w: Widths): number {
  const bit = 1 << r;
  const is = (set: number, width: number): number => (set & bit ? width : 0);
  return is(w.word, WORD) | is(w.natural, NATURAL) | is(w.upper, UPPER) | is(w.narrow, NARROW);
}

/** True if rd is narrow behind `op`. */
export const isNarrowAfter = (op: Op, w: Widths): boolean => (widthAfter(op, w) & NARROW) !== 0;

/** True if `op` is to be done with the low halves of its operands. */
export function isDoneInWords(op: Op, w: Widths): boolean {
  const sources = readsOf(op).x;
  switch (kindOf(op)) {
    case "bits":
      return (widthOfResult(op, w) & NARROW) !== 0;
    case "compare":
      return (w.word & sources) === sources && (w.narrow & sources) !== 0;
    case "store":
      return (w.narrow & (1 << rs2Of(op))) !== 0;
    default:
      return false;
  }
}

/** Takes in what `op` does. */
export function follow(w: Widths, op: Op): void {
  const bit = writesOf(op).x;
  if (bit === 0) return;
  const width = widthAfter(op, w);
  if (op.aside === "put") w.aside = widthOf(rdOf(op), w);
  const put = (set: number, is: boolean): number => (is ? set | bit : set & ~bit);
  w.word = put(w.word, (width & WORD) !== 0);
  w.natural = put(w.natural, (width & NATURAL) === NATURAL);
  w.upper = put(w.upper, (width & UPPER) !== 0);
  w.narrow = put(w.narrow, (width & NARROW) !== 0);
}

/** Registers that `op` reads more of than the low half, whatever is known. */
function readsWhole(op: Op): number {
  const kind = kindOf(op);
  if (kind === "bits" || kind === "compare") return 0;
  const whole = op.traits.rs1Whole ? 1 << rs1Of(op) : 0;
  return kind !== "store" && op.traits.rs2Whole ? whole | (1 << rs2Of(op)) : whole;
}

const endsInCall = (n: Node): boolean => n.block.back !== undefined;

/** For each node, what is known at its start. */
export function widthsAtEntry(nodes: readonly Node[]): Widths[] {
  const into = knownAtEntry(nodes);
  chooseNarrow(nodes, into);
  return into;
}

function knownAtEntry(nodes: readonly Node[]): Widths[] {
  const into = nodes.map(anything);
  const out = nodes.map((n) => (endsInCall(n) ? unknownWidths() : anything()));
  for (let changed = true; changed; ) {
    changed = false;
    nodes.forEach((n, i) => {
      const w = i === 0 ? unknownWidths() : anything();
      for (const p of n.preds) {
        w.word &= out[p]!.word;
        w.natural &= out[p]!.natural;
        w.upper &= out[p]!.upper;
      }
      const was = into[i]!;
      if (was.word === w.word && was.natural === w.natural && was.upper === w.upper) return;
      changed = true;
      into[i] = w;
      if (!endsInCall(n)) out[i] = throughBlock(n, w);
    });
  }
  return into;
}

/** Sets `narrow` in `into`: what some way to a node has in an i32 local, all have. */
function chooseNarrow(nodes: readonly Node[], into: readonly Widths[]): void {
  const never = neverNarrow(nodes);
  for (let changed = true; changed; ) {
    changed = false;
    nodes.forEach((n, i) => {
      if (endsInCall(n)) return;
      const { narrow } = throughBlock(n, into[i]!);
      for (const s of n.succ) {
        const to = into[s]!;
        const more = narrow & to.word & ~never[s]!;
        if ((more & ~to.narrow) === 0) continue;
        to.narrow |= more;
        changed = true;
      }
    });
  }
}

/**
 * For each node, what is not narrow at its start: everything where a jump table leads, which has no room to
 * convert anything, and what a loop only reads, as 64 bits.
 */
function neverNarrow(nodes: readonly Node[]): number[] {
  const never = nodes.map(({ preds }) =>
    preds.some((p) => isSwitch(nodes[p]!.block.ops.at(-1)!)) ? ~0 : 0,
  );
  for (const { header, body } of loopsOf(nodes)) {
    let [whole, low, made] = [0, 0, 0];
    for (const i of body) {
      for (const op of nodes[i]!.block.ops) {
        const wholly = readsWhole(op);
        whole |= wholly;
        low |= readsOf(op).x & ~wholly;
        made |= writesOf(op).x;
      }
    }
    never[header]! |= whole & ~low & ~made;
  }
  return never;
}

function throughBlock(n: Node, into: Widths): Widths {
  const w = { ...into };
  for (const op of n.block.ops) follow(w, op);
  return w;
}
