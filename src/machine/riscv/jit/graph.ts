/**
 * A region as found in memory: the instructions reachable from an entry by direct branches,
 * as basic blocks.
 *
 * After a call, of the kernel too, it goes on where the call returns, after an indirect jump where that was seen
 * to go. It stops at returns, traps,
 * instructions the JIT leaves to the interpreter, pages that are not executable, and its bounds. It reads guest memory, so
 * it takes nothing for granted: whatever bytes there are, it ends.
 */
import { type PageTable, PTE_V, PTE_W, PTE_X } from "../../mmu/pagetable.ts";
import type { Decoder } from "../decode.ts";
import { expand } from "../isa/c.ts";
import { type Insn, immOf } from "../isa/insn.ts";
import { type Traits, traitsOf } from "../traits.ts";
import { forward, type Stored } from "./forward.ts";
import { fuse } from "./fuse.ts";
import { straighten } from "./hammock.ts";
import { Callee, divide } from "./inline.ts";
import { type JumpTable, jumpTableOf, LOAD } from "./jumptable.ts";
import type { Switches } from "./switches.ts";
import type { Ways } from "./ways.ts";

const MAX_BLOCKS = 200;
const MAX_INSNS = 160;
/** A block that was begun within that bound may go on to its end, up to this one: long straight code has nothing cold. */
const MAX_RUN = 1200;
/** Instructions of functions that a region may have copies of, beyond that. */
const MAX_INLINED = 100;
/** How far a function may be of which it has a copy, bytes: distances fit 32 bits. */
const MAX_DISTANCE = 2 ** 30;
/** Of the targets of a jump by a table, those that are in the region, if compiled code is to look into the table for it. */
const MIN_INSIDE = 3 / 4;
/** How far from the entry a region may reach, bytes. */
const REACH = 8192;

/** One instruction with its operands taken apart. */
export interface Op {
  readonly pc: number;
  readonly len: number;
  readonly word: number;
  readonly insn: Insn;
  readonly traits: Traits;
  readonly imm: number;
  /** It accesses memory, and that is not likely to be at home: see away.ts. */
  readonly isAway: boolean;
  /** It may be left out, so nobody else may rely on what it looks up: see jumptable.ts. */
  readonly isAlone?: boolean;
  /** Of straight code that was a branch round instructions (hammock.ts): what finds out which way it goes, or is done only on that way. */
  readonly guard?: "test" | "on" | "taken";
  /** Of several that set a register under one condition, the first puts aside what was there, and the last selects that or what it makes. */
  readonly aside?: "put" | "got";
  /** What a load finds was just stored in these pieces. */
  readonly stored?: Stored;
}

/** What is known of how code ran. */
export interface Hints {
  readonly switches: Switches;
  /** Undefined if the region is to have all ways of its branches. */
  readonly ways: Ways | undefined;
  /** True if the branch at a physical address often goes another way than the time before. */
  readonly isErratic: (pa: number) => boolean;
  /** By the physical address of a load or store: see away.ts. */
  readonly isAway: (pa: number) => boolean;
}

export interface Block {
  readonly pc: number;
  readonly ops: Op[];
  /** Address after the last instruction. */
  end: number;
  /** Keys of blocks of this region that control may go to. */
  succ: number[];
  /** Where the last instruction, which calls a function or the kernel, should come back to. */
  back?: number | undefined;
  /** Where the last instruction jumps, though it names a register: what was put there is known. */
  target?: number | undefined;
  /** Where the branch at the end may go, but was never seen to: that is not in this region. */
  unseen?: number | undefined;
  /** Where the branch at the end went the last time that it was interpreted, so mostly goes. */
  usual?: number | undefined;
  /** What the indirect jump at the end goes by. */
  table?: JumpTable;
  /** That is a function of which this region has a copy of its own, or the place such a copy returns to. */
  isInlined?: boolean;
}

export interface Graph {
  readonly entry: number;
  /** By address; copies of functions by negative numbers. */
  readonly blocks: Map<number, Block>;
  /** Virtual page address → physical, for every page an instruction was read from. */
  readonly pages: Map<number, number>;
  readonly insns: number;
  /** What was read beside instructions. */
  readonly tables: readonly { va: number; length: number }[];
}

/** The accesses of a region that do not hope for home, by their addresses. */
export function awaysOf({ blocks }: Graph): number[] {
  const ops = [...blocks.values()].flatMap((block) => block.ops);
  return [...new Set(ops.filter((op) => op.isAway).map((op) => op.pc))];
}

export class Discovery {
  readonly #pt: PageTable;
  readonly #decoder: Decoder;
  readonly #entry: number;
  readonly #ops = new Map<number, Op>();
  readonly #pages = new Map<number, number>();

  readonly #hints: Hints;

  constructor(pt: PageTable, decoder: Decoder, hints: Hints, entry: number) {
    this.#pt = pt;
    this.#hints = hints;
    this.#decoder = decoder;
    this.#entry = entry;
  }

  /** The region at the entry; undefined if not even its first instruction can be compiled. */
  run(): Graph | undefined {
    const leaders = new Set([this.#entry]);
    const work = [this.#entry];
    for (let from = work.shift(); from !== undefined; from = work.shift()) {
      this.#straight(from, (target) => {
        if (leaders.has(target) || leaders.size >= MAX_BLOCKS || !this.#inReach(target)) return;
        leaders.add(target);
        work.push(target);
      });
    }
    const blocks = new Map<number, Block>();
    for (const pc of leaders) {
      if (this.#ops.has(pc)) blocks.set(pc, this.#block(pc, leaders));
    }
    for (const b of blocks.values()) this.#link(b, blocks);
    if (!blocks.has(this.#entry)) return undefined;
    const inlined = this.#inlineCalls(blocks);
    for (const b of blocks.values()) fuse(b.ops);
    straighten(blocks, this.#entry, ({ pc }) => this.#hints.isErratic(this.#physical(pc)));
    for (const b of blocks.values()) forward(b.ops);
    const tables = this.#findTables(blocks);
    const insns = this.#ops.size + inlined;
    return { entry: this.#entry, blocks, pages: this.#pages, insns, tables };
  }

  /** Reads on from `pc` until control leaves, telling of every direct target. */
  #straight(pc: number, found: (target: number) => void): void {
    if (this.#ops.size >= MAX_INSNS) return;
    for (let at = pc; !this.#ops.has(at) && this.#ops.size < MAX_RUN; ) {
      const op = this.#inReach(at) ? this.#decode(at) : undefined;
      if (!op) return;
      this.#ops.set(at, op);
      const next = at + op.len;
      switch (op.traits.flow) {
        case "next":
          break;
        case "branch":
          if (this.#unseenWay(op) !== next) found(next);
          if (this.#unseenWay(op) !== at + op.imm) found(at + op.imm);
          return;
        case "jump":
          if (rdOf(op) === 0) found(at + op.imm);
          else if (isCall(op)) found(next);
          return;
        case "jumpTo":
          if (isCall(op)) found(next);
          else if (isSwitch(op)) for (const to of this.#hints.switches.targetsOf(op.pc)) found(to);
          return;
        case "ecall":
          found(next);
          return;
        default:
          return;
      }
      at = next;
    }
  }

  #block(pc: number, leaders: Set<number>): Block {
    const block: Block = { pc, ops: [], end: pc, succ: [] };
    for (let op = this.#ops.get(pc); op; op = this.#ops.get(block.end)) {
      block.ops.push(op);
      block.end = op.pc + op.len;
      if (op.traits.flow !== "next" || leaders.has(block.end)) break;
    }
    return block;
  }

  #link(b: Block, blocks: Map<number, Block>): void {
    const last = b.ops.at(-1)!;
    let targets: number[] = [];
    b.target = knownTarget(b);
    if (last.traits.flow === "next") targets = [b.end];
    else if (last.traits.flow === "branch") targets = [b.end, last.pc + last.imm];
    else if (isCall(last) || last.traits.flow === "ecall") b.back = b.end;
    else if (isSwitch(last)) targets = [...this.#hints.switches.targetsOf(last.pc)];
    else if (last.traits.flow === "jump" && rdOf(last) === 0) targets = [last.pc + last.imm];
    if (b.back !== undefined) targets = [b.back];
    b.succ = [...new Set(targets)].filter((t) => blocks.has(t));
    const unseen = this.#unseenWay(last);
    if (unseen !== undefined && !blocks.has(unseen)) b.unseen = unseen;
    if (last.traits.flow !== "branch") return;
    const isTaken = this.#hints.ways?.lastTaken(this.#physical(last.pc));
    if (isTaken !== undefined) b.usual = isTaken ? last.pc + last.imm : b.end;
  }

  /** Finds what indirect jumps go by that stay in the region, and where that lies. */
  #findTables(blocks: ReadonlyMap<number, Block>): { va: number; length: number }[] {
    const tables: { va: number; length: number }[] = [];
    const around = { entry: this.#entry, ops: this.#ops, word: (va: number) => this.#word(va) };
    for (const b of blocks.values()) {
      const jump = b.ops.at(-1)!;
      if (!isSwitch(jump)) continue;
      // Where it mostly leaves the region, one jump more is no help.
      const seen = this.#hints.switches.targetsOf(jump.pc).length;
      if (b.succ.length === 0 || b.succ.length < seen * MIN_INSIDE) continue;
      const table = jumpTableOf(b.ops, around);
      if (!table?.targets.some((pc) => b.succ.includes(pc))) continue;
      b.table = table;
      b.ops[table.first + LOAD] = { ...b.ops[table.first + LOAD]!, isAlone: true };
      tables.push({ va: table.va, length: table.targets.length * 4 });
    }
    return tables;
  }

  /** 32 bits of executable memory that nobody writes to, at an even address. */
  #word(va: number): number | undefined {
    if (this.#pt.get(va) & PTE_W || this.#pt.get(va + 2) & PTE_W) return undefined;
    const [low, high] = [this.#half(va), this.#half(va + 2)];
    return low < 0 || high < 0 ? undefined : low | (high << 16);
  }

  /** Where a branch never went. */
  #unseenWay({ pc, len, imm, traits }: Op): number | undefined {
    const { ways } = this.#hints;
    if (traits.flow !== "branch" || !ways) return undefined;
    const pa = this.#physical(pc);
    if (ways.isUnseen(pa, true)) return pc + imm;
    return ways.isUnseen(pa, false) ? pc + len : undefined;
  }

  /** Where an instruction that was read is in physical memory. */
  #physical(pc: number): number {
    return this.#pages.get(pc - (pc % 4096))! + (pc % 4096);
  }

  /** Gives calls of small functions a copy of the function: how many instructions that made. */
  #inlineCalls(blocks: Map<number, Block>): number {
    let insns = 0;
    for (const caller of [...blocks.values()]) {
      const call = caller.ops.at(-1)!;
      const target = isCall(call) ? (caller.target ?? this.#soleTarget(call)) : undefined;
      if (target === undefined || Math.abs(target - this.#entry) > MAX_DISTANCE) continue;
      const firstKey = -1 - blocks.size;
      const decode = (pc: number) => this.#decode(pc);
      const callee = new Callee(target, rdOf(call), caller.end, firstKey, decode);
      const known = new Map(this.#pages);
      const copies = insns < MAX_INLINED ? callee.blocks() : undefined;
      if (!copies) {
        for (const va of this.#pages.keys()) if (!known.has(va)) this.#pages.delete(va);
        continue;
      }
      for (const [key, copy] of copies) {
        if (copy.succ.length === 0 && blocks.has(caller.end)) copy.succ = [caller.end];
        blocks.set(key, copy);
        insns += copy.ops.length;
      }
      const isSure = caller.target !== undefined;
      const way = isSure ? caller : divide(caller, target, blocks);
      way.isInlined = true;
      way.back = undefined;
      way.succ = [firstKey];
    }
    return insns;
  }

  /** The only function that a call by a register was seen to call. */
  #soleTarget(call: Op): number | undefined {
    const [target, ...others] = this.#hints.switches.targetsOf(call.pc);
    return call.imm === 0 && others.length === 0 ? target : undefined;
  }

  #inReach(pc: number): boolean {
    return pc >= 0 && Math.abs(pc - this.#entry) < REACH;
  }

  /** The instruction at `pc`, or undefined if it cannot be fetched or is left to the interpreter. */
  #decode(pc: number): Op | undefined {
    const low = this.#half(pc);
    if (low < 0) return undefined;
    let word = low;
    let len = 2;
    if ((low & 3) === 3) {
      const high = this.#half(pc + 2);
      if (high < 0) return undefined;
      word = (low | (high << 16)) >>> 0;
      len = 4;
    } else {
      word = expand(low);
    }
    const insn = this.#decoder.decode(word);
    if (!insn) return undefined;
    const traits = traitsOf(insn);
    if (traits.flow === "fenceI") return undefined;
    const isAway = traits.accessBytes > 0 && this.#hints.isAway(this.#physical(pc));
    return { pc, len, word, insn, traits, imm: immOf(insn.imm, word), isAway };
  }

  /** 16 bits of instruction memory, -1 if not executable. */
  #half(pc: number): number {
    const va = pc - (pc % 4096);
    let pa = this.#pages.get(va);
    if (pa === undefined) {
      const pte = this.#pt.get(va);
      if ((pte & (PTE_V | PTE_X)) !== (PTE_V | PTE_X)) return -1;
      pa = (pte & ~0xfff) >>> 0;
      this.#pages.set(va, pa);
    }
    return this.#pt.mem.u16[(pa + (pc % 4096)) >>> 1]!;
  }
}

/** True if the instruction before `pc`, on the same page, seems to be a call. */
export function followsCall(pt: PageTable, pc: number): boolean {
  const at = pc % 4096;
  if (at < 4) return false;
  const { u16 } = pt.mem;
  const frame = (pt.get(pc) & ~0xfff) >>> 0;
  const before = u16[(frame + at - 2) >>> 1]!;
  // c.jalr; jal and jalr that link to ra.
  if ((before & 0xf07f) === 0x9002 && before >>> 7 !== 0x120) return true;
  const link = u16[(frame + at - 4) >>> 1]! & 0xfff;
  return link === 0x0ef || link === 0x0e7;
}

/** True if some instruction in it is doubtful (traits.ts). */
export function isDoubtful(graph: Graph): boolean {
  for (const b of graph.blocks.values()) if (b.ops.some((op) => op.traits.doubtful)) return true;
  return false;
}

const RA = 1;
const T0 = 5;
const isLink = (r: number): boolean => r === RA || r === T0;

/** A jump that leaves a return address where returns look for it. Source: unprivileged spec, "jal". */
export const isCall = (op: Op): boolean =>
  (op.traits.flow === "jump" || op.traits.flow === "jumpTo") && isLink(rdOf(op));
/** A jump to such an address. */
export const isReturn = (op: Op): boolean =>
  op.traits.flow === "jumpTo" && rdOf(op) === 0 && isLink(rs1Of(op)) && op.imm === 0;

/** An indirect jump that is neither call nor return: mostly by a jump table. */
export const isSwitch = (op: Op): boolean =>
  op.traits.flow === "jumpTo" && rdOf(op) === 0 && !isReturn(op);

/** Where a jump or call at the end of a block goes, if that takes no more than the block to know. */
function knownTarget(b: Block): number | undefined {
  const last = b.ops.at(-1)!;
  if (last.traits.flow === "jump") return last.pc + last.imm;
  const before = b.ops.at(-2);
  if (last.traits.flow !== "jumpTo" || before?.insn.name !== "auipc") return undefined;
  return rdOf(before) === rs1Of(last) ? before.pc + before.imm + last.imm : undefined;
}

export const rdOf = (op: Op): number => (op.word >>> 7) & 31;
export const rs1Of = (op: Op): number => (op.word >>> 15) & 31;
export const rs2Of = (op: Op): number => (op.word >>> 20) & 31;
export const rs3Of = (op: Op): number => op.word >>> 27;
