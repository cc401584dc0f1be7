/**
 * Which ways branches were seen to go, so that a region has only code that runs.
 *
 * The interpreter marks each way it goes at a branch, by physical address, so that processes share what
 * is known of a file's pages. When a region is made, its code was interpreted some thousand times; what was never
 * gone to is left out. A hint, never a fact: marks may be of other code that was in the page, or of another
 * page whose marks lie there too, and where a region has left out what is needed after all, the interpreter goes on (and
 * marks the way). A region that this happens to often is made again.
 *
 * A mark is one more than that of the other way was: so both count how often the branch changed its mind. In some 1,500
 * times that is a good measure of how well processors predict it (hammock.ts).
 */
import { BRANCH_BYTES, BRANCH_MARKS } from "../../layout.ts";
import { type PageTable, PTE_V, PTE_X } from "../../mmu/pagetable.ts";
import type { PhysMem } from "../../physmem.ts";
import { expand } from "../isa/c.ts";
import { immOf } from "../isa/insn.ts";
import type { Span } from "./code.ts";

/** Times that a region may be left for a way that it has not, before it is made again; each time it is twice as many. */
const STRAYS = 400;
/** A region that was made again this often has all ways. */
const MAX_REMAKES = 6;
/** Regions that are remembered. */
const MAX_REMEMBERED = 16384;
const BRANCH_OPCODE = 0x63;
/** A mark has this bit once the branch changed its mind 127 times. */
export const ERRATIC = 0x80;

interface Strays {
  left: number;
  remakes: number;
}

export class Ways {
  readonly #mem: PhysMem;
  readonly #isOn: boolean;
  readonly #strays = new Map<number, Strays>();

  /** If not `isOn`, all ways count as seen, often and in turns. */
  constructor(mem: PhysMem, isOn: boolean) {
    this.#mem = mem;
    this.#isOn = isOn;
  }

  /** True if the branch at physical address `pa` always went the other way than `taken` says. */
  isUnseen(pa: number, taken: boolean): boolean {
    const at = markOf(pa);
    const { u8 } = this.#mem;
    return u8[at + (taken ? 1 : 0)] === 0 && u8[at + (taken ? 0 : 1)] !== 0;
  }

  /** True if the branch at physical address `pa` often went another way than the time before. */
  isErratic(pa: number): boolean {
    const { u8 } = this.#mem;
    const at = markOf(pa);
    return !this.#isOn || ((u8[at]! | u8[at + 1]!) & ERRATIC) !== 0;
  }

  /** True if the branch at physical address `pa` was taken the last time, false if not; undefined if nobody saw. */
  lastTaken(pa: number): boolean | undefined {
    const at = markOf(pa);
    const ahead = (this.#mem.u8[at + 1]! - this.#mem.u8[at]!) & (ERRATIC - 1);
    if (ahead === 1) return true;
    return ahead === ERRATIC - 1 ? false : undefined;
  }

  /** False if the region at `entry` is to have all ways. */
  isChoosy(entry: number): boolean {
    return this.#isOn && this.mayHope(entry);
  }

  /** False if the region at `entry` was made again so often that it is to rely on no hint. */
  mayHope(entry: number): boolean {
    return (this.#strays.get(entry)?.remakes ?? 0) < MAX_REMAKES;
  }

  /** The region at `entry` was left for what a hint was wrong about. True if it is to be made again. */
  strayed(entry: number): boolean {
    let strays = this.#strays.get(entry);
    if (!strays) {
      if (this.#strays.size >= MAX_REMEMBERED) this.#strays.clear();
      strays = { left: STRAYS, remakes: 0 };
      this.#strays.set(entry, strays);
    }
    if (--strays.left > 0) return false;
    strays.left = STRAYS * 2 ** ++strays.remakes;
    return true;
  }

  /** An earlier machine made a region of this code: it saw the ways that lead from it to it. */
  learn(pages: ReadonlyMap<number, number>, spans: readonly Span[]): void {
    if (!this.#isOn) return;
    const has = (pc: number): boolean =>
      spans.some(({ va, code }) => pc >= va && pc < va + code.length);
    for (const { va, code } of spans) {
      for (let i = 0; i + 1 < code.length; ) {
        const low = code[i]! | (code[i + 1]! << 8);
        const len = (low & 3) === 3 ? 4 : 2;
        const offset = branchOffset(low, () => code[i + 2]! | (code[i + 3]! << 8));
        const pc = va + i;
        i += len;
        if (offset === undefined) continue;
        const at = markOf(pages.get(pc - (pc % 4096))! + (pc % 4096));
        if (has(pc + len)) this.#mem.u8[at] ||= 1;
        if (has(pc + offset)) this.#mem.u8[at + 1] ||= 1;
      }
    }
  }

  /** Pages come to hold other code: marks begin anew. */
  forget(): void {
    this.#mem.u8.fill(0, BRANCH_MARKS, BRANCH_MARKS + BRANCH_BYTES);
  }
}

/** True if the instruction at `pc` is a branch. */
export function isBranchAt(pt: PageTable, pc: number): boolean {
  const pte = pt.get(pc);
  if ((pte & (PTE_V | PTE_X)) !== (PTE_V | PTE_X)) return false;
  return isBranch(pt.mem.u16[(((pte & ~0xfff) >>> 0) + (pc % 4096)) >>> 1]!);
}

const markOf = (pa: number): number => BRANCH_MARKS + (pa & (BRANCH_BYTES - 2));

/** By the low half of an instruction: a branch, c.beqz or c.bnez. */
const isBranch = (low: number): boolean =>
  (low & 0x7f) === BRANCH_OPCODE || (low & 0xc003) === 0xc001;

/** How far a branch goes, if the instruction is one. */
function branchOffset(low: number, high: () => number): number | undefined {
  if (!isBranch(low)) return undefined;
  return immOf("B", (low & 3) === 3 ? (low | (high() << 16)) >>> 0 : expand(low));
}
