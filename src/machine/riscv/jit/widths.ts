/**
 * Which registers of a region hold 32-bit values, and which of those are kept in i32 locals.
 *
 * RISC-V has 32-bit values sign-extended to 64 bits. Kept so, every addition of such values is
 * cut to its low half and extended again, by V8 too where it does not see both at once: across the iterations of a loop, and
 * where values come from the context. A value in an i32 local is extended where 64 bits of it are read, or it is stored.
 *
 * What is known at a point holds on every way there (`word`, `natural`, `upper`); whether a register is
 * *narrow*, in its i32 local, is a choice that all ways there follow.
 */
import { isSwitch, type Op, rs1Of, rs2Of } from "./graph.ts";
import { type Loop, loopsOf } from "./loops.ts";
import { readsOf, writesOf } from "./regs.ts";
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
}

const X0 = 1;

/** Nothing is known of what comes from the context. */
export const unknownWidths = (): Widths => ({ word: X0, natural: X0, upper: 0, narrow: 0 });
const anything = (): Widths => ({ word: ~0, natural: ~0, upper: ~0, narrow: 0 });

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
const NATURAL = 3;
const UPPER = 4;
const NARROW = 8;

/** The width of what `op` gives to rd. */
function widthAfter(op: Op, w: Widths): number {
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

/** True if `op` is to be done with the low halves of its operands. */
export function isDoneInWords(op: Op, w: Widths): boolean {
  const sources = readsOf(op).x;
  switch (kindOf(op)) {
    case "bits":
      return (widthAfter(op, w) & NARROW) !== 0;
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

/** Registers that two sources of 32-bit work name together, one of them in `narrow`. */
function companions(op: Op, narrow: number): number {
  const kind = kindOf(op);
  if ((kind !== "bits" && kind !== "compare") || !op.traits.rs2) return 0;
  if (op.insn.name === "add") return 0;
  const sources = readsOf(op).x;
  return sources & narrow ? sources : 0;
}

const endsInCall = (n: Node): boolean => n.block.back !== undefined;

export class WidthPlan {
  /** For each node, at its start. */
  readonly into: readonly Widths[];
  /**
   * Registers that the region takes for 32-bit values where it is entered: it has to look whether they are.
   * Only a loop that begins there has any, where they are 32-bit values each further time.
   */
  readonly hoped: number;
  readonly #nodes: readonly Node[];
  readonly #loops: readonly Loop[];
  /** The loop that begins where the region is entered. */
  readonly #first: Loop | undefined;

  constructor(nodes: readonly Node[], mayHope: boolean) {
    this.#nodes = nodes;
    this.#loops = loopsOf(nodes);
    const never = this.#neverNarrow();
    const first = this.#loops.find(({ header }) => header === 0);
    const loop = mayHope && never[0] !== ~0 ? first : undefined;
    this.#first = first;
    // What is only stored again may be anything: the loop's scratch registers.
    const read = loop ? readAtEntry(nodes) : 0;
    let hoped = read;
    let into = this.#know(hoped);
    if (loop) {
      hoped = this.#worthHoping(loop, into[0]!.word & read);
      into = this.#know(hoped);
      hoped &= into[0]!.word;
    }
    this.hoped = hoped;
    this.#choose(into, hoped, never);
    this.into = into;
  }

  /** Registers that have to be looked at on a way between nodes, as where the region is entered. */
  hopedOn(from: number, to: number): number {
    return to === 0 && !this.#first!.body.has(from) ? this.hoped : 0;
  }

  /** What is known at each node, if `hoped` are 32-bit values at the entry. */
  #know(hoped: number): Widths[] {
    const nodes = this.#nodes;
    const into = nodes.map(anything);
    const out = nodes.map(anything);
    nodes.forEach((n, i) => {
      if (endsInCall(n)) out[i] = unknownWidths();
    });
    for (let changed = true; changed; ) {
      changed = false;
      nodes.forEach((n, i) => {
        const w = i === 0 ? { ...unknownWidths(), word: hoped | X0 } : anything();
        for (const p of n.preds) {
          const isEntry = i === 0 && !this.#first!.body.has(p);
          w.word &= out[p]!.word | (isEntry ? hoped : 0);
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

  /** Of `possible`, what the loop keeps making anew, and what is worked on together with that. */
  #worthHoping(loop: Loop, possible: number): number {
    let made = 0;
    for (const i of loop.body) for (const op of this.#nodes[i]!.block.ops) made |= writesOf(op).x;
    let found = made & possible;
    for (const i of loop.body) {
      for (const op of this.#nodes[i]!.block.ops) found |= companions(op, made & possible);
    }
    return found & possible;
  }

  /** Sets `narrow` in `into`: what some way to a node has in an i32 local, all have. */
  #choose(into: Widths[], hoped: number, never: readonly number[]): void {
    const nodes = this.#nodes;
    into[0]!.narrow = hoped;
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
  #neverNarrow(): number[] {
    const nodes = this.#nodes;
    const never = nodes.map(({ preds }) =>
      preds.some((p) => isSwitch(nodes[p]!.block.ops.at(-1)!)) ? ~0 : 0,
    );
    for (const { header, body } of this.#loops) {
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
}

/** Registers that some way from the entry reads before it writes them, within the region. */
function readAtEntry(nodes: readonly Node[]): number {
  const into = nodes.map(() => 0);
  const own = nodes.map((n) => {
    let [reads, writes] = [0, 0];
    for (const op of n.block.ops) {
      reads |= readsOf(op).x & ~writes;
      writes |= writesOf(op).x;
    }
    return { reads, writes };
  });
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = nodes.length - 1; i >= 0; i--) {
      const { reads, writes } = own[i]!;
      let later = 0;
      if (!endsInCall(nodes[i]!)) for (const s of nodes[i]!.succ) later |= into[s]!;
      const now = reads | (later & ~writes);
      if (now !== into[i]) changed = true;
      into[i] = now;
    }
  }
  return into[0]!;
}

function throughBlock(n: Node, into: Widths): Widths {
  const w = { ...into };
  for (const op of n.block.ops) follow(w, op);
  return w;
}
