/**
 * A copy of a small function for one place that calls it: the region goes into it and comes back
 * without leaving. Stubs of the procedure linkage table are such functions, which end in a jump to
 * where a table says: that becomes the call.
 *
 * Nothing is assumed that is not so: the copy is made of the same instructions, and the register that the call linked
 * holds the return address, because the function does not write it. A jump to what the other link register
 * holds is no return: compilers that make code at run time use t0 for anything.
 *
 * Where a register says what is called, and that was always the same function, compiled code looks whether it is that one again.
 */
import { insn, WORD } from "../isa/insn.ts";
import { traitsOf } from "../traits.ts";
import { type Block, isCall, isReturn, type Op, rdOf, rs1Of } from "./graph.ts";
import { writesOf } from "./regs.ts";

/** Bounds of a function to copy. */
const MAX_INSNS = 16;
const MAX_BLOCKS = 5;

/** A branch to `imm` behind it if the register holds that number: guests have no such instruction. */
const IS_TARGET = insn("istarget", WORD(0), "", (e) => e.branch(() => e.rs1().imm().i64_eq()));
const RS1 = 31 << 15;

/**
 * Has a block that calls what a register says look first whether that is `target`: the block that calls it then, and may do so in
 * a way of its own. Where it begins is no address of code, and nobody sees it.
 */
export function divide(caller: Block, target: number, blocks: Map<number, Block>): Block {
  const call = caller.ops.pop()!;
  const { pc } = call;
  const test = { insn: IS_TARGET, traits: traitsOf(IS_TARGET), word: call.word & RS1, imm: target };
  caller.ops.push({ ...call, ...test, len: 0 });
  const { end, succ, back } = caller;
  const other: Block = { pc, ops: [call], end, succ, back };
  const known: Block = { pc: pc + target, ops: [call], end, succ, back, target };
  const key = -1 - blocks.size;
  blocks.set(key, other).set(key - 1, known);
  caller.end = pc;
  caller.succ = [key, key - 1];
  caller.back = undefined;
  return known;
}

export class Callee {
  readonly #link: number;
  readonly #back: number;
  readonly #firstKey: number;
  readonly #decode: (pc: number) => Op | undefined;
  readonly #ops = new Map<number, Op>();
  readonly #leaders: Set<number>;

  /**
   * The function at `entry`, called so that it returns to `back`, which register `link` holds; keys of blocks
   * go down from `firstKey`.
   */
  constructor(
    entry: number,
    link: number,
    back: number,
    firstKey: number,
    decode: (pc: number) => Op | undefined,
  ) {
    this.#link = link;
    this.#back = back;
    this.#firstKey = firstKey;
    this.#decode = decode;
    this.#leaders = new Set([entry]);
  }

  /** The function's blocks by key, the first its entry; undefined if it is none to copy. */
  blocks(): Map<number, Block> | undefined {
    for (const pc of this.#leaders) if (!this.#read(pc)) return undefined;
    const keys = new Map([...this.#leaders].map((pc, i) => [pc, this.#firstKey - i]));
    return new Map([...keys].map(([pc, key]) => [key, this.#block(pc, keys)]));
  }

  /** Reads on from a leader; false if that leads to what is not to be copied. */
  #read(pc: number): boolean {
    let at = pc;
    while (!this.#ops.has(at)) {
      const op = this.#ops.size < MAX_INSNS ? this.#decode(at) : undefined;
      if (!op || isCall(op) || writesOf(op).x & (1 << this.#link)) return false;
      this.#ops.set(at, op);
      at += op.len;
      const { flow } = op.traits;
      if (flow === "branch") {
        this.#leaders.add(at).add(op.pc + op.imm);
        return this.#leaders.size <= MAX_BLOCKS;
      }
      if (flow !== "next") return flow === "jump" || flow === "jumpTo";
    }
    // It goes on where another block was read: there one begins.
    this.#leaders.add(at);
    return true;
  }

  #block(pc: number, keys: ReadonlyMap<number, number>): Block {
    const block: Block = { pc, ops: [], end: pc, succ: [] };
    for (let op = this.#ops.get(pc); op; op = this.#ops.get(block.end)) {
      block.ops.push(op);
      block.end = op.pc + op.len;
      if (op.traits.flow !== "next" || keys.has(block.end)) break;
    }
    const last = block.ops.at(-1)!;
    const { flow } = last.traits;
    if (flow === "next") block.succ = [keys.get(block.end)!];
    else if (flow === "branch") {
      block.succ = [keys.get(block.end)!, keys.get(last.pc + last.imm)!];
    } else if (isReturn(last) && rs1Of(last) === this.#link) {
      block.target = this.#back;
      block.isInlined = true;
    } else {
      // A jump to another function, which will return for this one.
      block.back = this.#back;
      if (flow === "jump" && rdOf(last) === 0) block.target = last.pc + last.imm;
    }
    return block;
  }
}
