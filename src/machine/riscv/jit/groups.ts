/**
 * Memory accesses of a region that go near the same place, so that one TLB lookup serves them all.
 *
 * Where a register comes from is followed by value numbering: an address is a *root*, a value nobody
 * knows more of, and a distance from it. Accesses to one root within MAX_SPAN bytes are a group;
 * the first, which dominates the others, looks up the whole span, and if one TLB window covers that,
 * the others need no lookup of their own. It stays true until the kernel may have run: mappings change
 * nowhere else, so a guest call or a trap between ends it. An index with a bound, as masks and bytes are, may come on top: then
 * the span has all places that the access may go to.
 *
 * What is looked up in a long block whose root is in a register when it begins is looked up there: where that fails nothing is done yet,
 * and nothing that the block makes on the way has to be kept for an exit in the middle. See "dominator-tree value numbering",
 * P. Briggs, K. Cooper, L. T. Simpson, "Value Numbering", 1997.
 */
import { type Op, rdOf, rs1Of, rs2Of } from "./graph.ts";
import { innermostLoops, type Loop, loopsOf } from "./loops.ts";
import { isConditional, readsOf, writesOf } from "./regs.ts";
import type { Node } from "./structure.ts";

/** Bytes a group may span: well within a page, so that it seldom straddles two. */
const MAX_SPAN = 512;
/** Groups of one root that may be open at once. */
const MAX_OPEN = 4;
/** Nodes to look at for what happens between a node and its dominator, before the worst is assumed. */
const MAX_BETWEEN = 32;
/** Instructions of a loop that looks through windows. */
const MAX_WINDOWED_INSNS = 80;
/** What a TLB entry covers at most. */
const GRANULE = 65536;
/** Instructions of a block that looks everything up first. */
const MIN_EAGER_INSNS = 24;
/** Groups that such a block looks up so: each is a value more to be kept. */
const MAX_EAGER = 6;
/** Distances stay exact numbers. */
const MAX_DISTANCE = 2 ** 40;

export interface Group {
  /** Lowest and highest distance from the root: [min, max). */
  min: number;
  max: number;
  /** Some member stores: the write TLB is asked. */
  hasStore: boolean;
  members: number;
  /** Node of the first member, and whether all others are there. */
  readonly home: number;
  isLocal: boolean;
  /** WebAssembly local with the physical address of root + min. */
  local: number;
  /** Some member has an index, and how far the physical address is from the virtual one is in this local. */
  hasIndex: boolean;
  delta: number;
}

/** A register and how far it is from a root. */
export interface Base {
  readonly register: number;
  readonly distance: number;
}

/** A lookup where a block begins, for the access of `op`, which is its group's first. */
export interface Eager {
  readonly op: Op;
  readonly access: Access;
  readonly base: Base;
}

/**
 * The part of memory that a loop reaches through one register: a copy of a TLB entry in WebAssembly locals,
 * so that the next iteration need not look it up. Empty until the first access, and again
 * after whatever may have run the kernel.
 */
export interface Window {
  /** Bytes of the longest span that is looked up in it. */
  span: number;
  /** Locals: last address that the span may have (i64), how many there are (i64), from virtual to physical (i32). Set by the emitter. */
  last: number;
  len: number;
  delta: number;
}

/** An access that is a member of a group, or alone. */
export interface Access {
  readonly group: Group;
  /** Where a lookup for it is tried first, if it is away from home. */
  readonly window: Window | undefined;
  /** Distance of the address from the group's root. */
  readonly at: number;
  /** How far beyond that it may be. */
  readonly spread: number;
  /** It looks up what its group spans: by way of `base`, if its own address has an index. */
  readonly isHead: boolean;
  readonly base: Base | undefined;
  /** What it is a distance from; undefined if that is nothing that other accesses may have. */
  readonly root: number | undefined;
}

/** True if `op` may be left to the interpreter: it traps, or its lookup finds nothing. */
export function mayLeave(op: Op, accesses: ReadonlyMap<Op, Access>): boolean {
  return op.traits.mayTrap && accesses.get(op)?.isHead !== false;
}

/** The root of plain numbers: addresses the code itself names, and indexes. */
const NUMBERS = 0;
const X0 = 1;

/** What is known of the registers' values, and the groups that may be joined, by root. */
interface State {
  readonly root: number[];
  readonly distance: number[];
  /** How much more than that the register may have. */
  readonly spread: number[];
  readonly open: Map<number, readonly Group[]>;
}

export interface Plan {
  /** For each node, the accesses that have company or a window. */
  readonly accesses: readonly ReadonlyMap<Op, Access>[];
  readonly windows: ReadonlySet<Window>;
  /** For each node, what is looked up where it begins. */
  readonly eager: readonly (readonly Eager[])[];
}

export function groupsOf(nodes: readonly Node[], mayBeEager: boolean): Plan {
  return new Grouping(nodes, mayBeEager).plan();
}

class Grouping {
  readonly #nodes: readonly Node[];
  readonly #ends: State[] = [];
  readonly #mayBeEager: boolean;
  readonly #eager: Eager[][] = [];
  /** For each node, the loop whose windows it uses. */
  readonly #windowed: (Loop | undefined)[];
  readonly #windows = new Map<string, Window>();
  #roots = NUMBERS + 1;
  /** For each root, what it is in the code: pc of the instruction that made it, or the register it was found in. */
  readonly #origins = new Map<number, string>();

  constructor(nodes: readonly Node[], mayBeEager: boolean) {
    this.#nodes = nodes;
    this.#mayBeEager = mayBeEager;
    const loops = loopsOf(nodes);
    const innermost = innermostLoops(nodes, loops);
    const worth = new Set(loops.filter((loop) => deservesWindows(nodes, loop, innermost)));
    this.#windowed = innermost.map((loop) => (loop && worth.has(loop) ? loop : undefined));
  }

  plan(): Plan {
    const accesses = this.#nodes.map((node, i) => this.#visit(node, i));
    const windows = new Set<Window>();
    for (const plan of accesses) {
      for (const [op, { group, window, isHead }] of plan) {
        if (group.members < 2 && !window && isHead) plan.delete(op);
        if (!window) continue;
        windows.add(window);
        window.span = Math.max(window.span, group.max - group.min);
      }
    }
    return { accesses, windows, eager: this.#eager };
  }

  #visit(node: Node, i: number): Map<Op, Access> {
    const plan = new Map<Op, Access>();
    const state = this.#startOf(node, i);
    const start = copyOf(state);
    for (const op of node.block.ops) {
      if (op.traits.accessBytes > 0) plan.set(op, this.#join(state, op, i));
      this.#follow(state, op);
    }
    this.#ends[i] = endsKnowledge(node) ? this.#unknown() : state;
    this.#eager[i] = this.#makeEager(node, plan, start);
    return plan;
  }

  /** Takes the lookups of a node to where it begins, of those groups whose root is known there. */
  #makeEager(node: Node, plan: Map<Op, Access>, start: State): Eager[] {
    const eager: Eager[] = [];
    const { ops } = node.block;
    if (!this.#mayBeEager || ops.length < MIN_EAGER_INSNS) return eager;
    let read = X0;
    for (const op of ops) read |= readsOf(op).x;
    for (const [op, access] of plan) {
      if (!access.isHead || access.root === undefined || eager.length === MAX_EAGER) continue;
      const base = baseOf(start, access.root, read);
      if (!base) continue;
      plan.set(op, { ...access, isHead: false, base: undefined });
      eager.push({ op, access, base });
    }
    return eager;
  }

  /** What its dominator knew, less what may have changed on the way. */
  #startOf(node: Node, i: number): State {
    const changed = i === 0 ? undefined : changedBetween(this.#nodes, node.idom, i);
    if (changed === undefined) return this.#unknown();
    const end = this.#ends[node.idom]!;
    const state = copyOf(end);
    for (let r = 1; r < 32; r++) if (changed & (1 << r)) this.#forget(state, r);
    return state;
  }

  #unknown(): State {
    const root = Array.from({ length: 32 }, (_, r) => (r === 0 ? NUMBERS : this.#newRoot(`x${r}`)));
    const [distance, spread] = [new Array<number>(32).fill(0), new Array<number>(32).fill(0)];
    return { root, distance, spread, open: new Map() };
  }

  #newRoot(origin: string): number {
    this.#origins.set(this.#roots, origin);
    return this.#roots++;
  }

  #forget(state: State, r: number, origin = `x${r}`): void {
    state.root[r] = this.#newRoot(origin);
    state.distance[r] = 0;
    state.spread[r] = 0;
  }

  /** Takes in what `op` does to the registers. */
  #follow(state: State, op: Op): void {
    const written = writesOf(op).x;
    if (written === 0) return;
    const rd = rdOf(op);
    const value = isConditional(op) ? undefined : valueAfter(op, state);
    if (value && Math.abs(value.distance) < MAX_DISTANCE) {
      state.root[rd] = value.root;
      state.distance[rd] = value.distance;
      state.spread[rd] = value.spread;
    } else {
      this.#forget(state, rd, `${op.pc}`);
    }
  }

  #join(state: State, op: Op, i: number): Access {
    const from = rs1Of(op);
    const root = state.root[from]!;
    const at = state.distance[from]! + op.imm;
    const spread = state.spread[from]!;
    const end = at + spread + op.traits.accessBytes;
    const { stores } = op.traits;
    if (op.isAlone) return alone(at, end, i);
    const open = state.open.get(root) ?? [];
    const known = open.find((g) => {
      // A store elsewhere may never happen: it must not ask for more than the first member needs.
      if (stores && !g.hasStore && g.home !== i) return false;
      return Math.max(g.max, end) - Math.min(g.min, at) <= MAX_SPAN;
    });
    if (known) {
      known.min = Math.min(known.min, at);
      known.max = Math.max(known.max, end);
      known.hasStore ||= stores;
      known.isLocal &&= known.home === i;
      known.members++;
      known.hasIndex ||= spread > 0;
      return { group: known, window: undefined, at, spread, isHead: false, base: undefined, root };
    }
    const fresh = { hasStore: stores, members: 1, home: i, isLocal: true, local: -1, delta: -1 };
    const group: Group = { min: at, max: end, hasIndex: spread > 0, ...fresh };
    const window = this.#windowFor(op, i, root, at);
    const base = spread > 0 ? baseOf(state, root, ~0) : undefined;
    const access = { group, window, at, spread, isHead: true, base, root };
    // Without a register that has the root, nothing but its own address can be looked up.
    if (spread > 0 && !base) return { ...access, root: undefined };
    state.open.set(root, [group, ...open].slice(0, MAX_OPEN));
    return access;
  }

  #windowFor(op: Op, i: number, root: number, at: number): Window | undefined {
    const loop = this.#windowed[i];
    if (loop === undefined || !op.isAway) return undefined;
    const origin = this.#origins.get(root) ?? `${Math.floor(at / GRANULE)}`;
    const key = `${loop.header} ${loop.body.size} ${origin} ${op.traits.stores}`;
    let window = this.#windows.get(key);
    if (!window) {
      window = { span: 8, last: -1, len: -1, delta: -1 };
      this.#windows.set(key, window);
    }
    return window;
  }
}

/** A load in a group of its own. */
function alone(min: number, max: number, home: number): Access {
  const none = { isLocal: true, local: -1, delta: -1, hasIndex: false };
  const group: Group = { min, max, hasStore: false, members: 1, home, ...none };
  const [window, base, root] = [undefined, undefined, undefined];
  return { group, window, at: min, spread: 0, isHead: true, base, root };
}

/** True if after the node nothing learnt before holds: the kernel may have run. */
const endsKnowledge = (node: Node): boolean => node.block.back !== undefined;

/** Loops without calls, and small but for the loops in them: windows are values that loops carry, and registers are few. */
function deservesWindows(
  nodes: readonly Node[],
  loop: Loop,
  innermost: readonly (Loop | undefined)[],
): boolean {
  let insns = 0;
  for (const i of loop.body) {
    if (endsKnowledge(nodes[i]!)) return false;
    if (innermost[i] === loop) insns += nodes[i]!.block.ops.length;
  }
  return insns <= MAX_WINDOWED_INSNS;
}

/** A register of `among` (bits) that is at a known distance from a root. */
function baseOf({ root, distance, spread }: State, from: number, among: number): Base | undefined {
  for (let register = 0; register < 32; register++) {
    if ((among & (1 << register)) === 0) continue;
    if (root[register] === from && spread[register] === 0) {
      return { register, distance: distance[register]! };
    }
  }
  return undefined;
}

const copyOf = ({ root, distance, spread, open }: State): State => ({
  root: [...root],
  distance: [...distance],
  spread: [...spread],
  open: new Map(open),
});

interface Value {
  readonly root: number;
  readonly distance: number;
  readonly spread: number;
}

const number = (least: number, most: number): Value | undefined =>
  most - least < MAX_SPAN ? { root: NUMBERS, distance: least, spread: most - least } : undefined;

/** The value `op` gives to rd, where that is a known distance from something, or has a bound. */
function valueAfter(op: Op, { root, distance, spread }: State): Value | undefined {
  const of = (r: number): Value => ({
    root: root[r]!,
    distance: distance[r]!,
    spread: spread[r]!,
  });
  const plus = (a: Value, b: Value): Value | undefined => {
    if (a.root !== NUMBERS && b.root !== NUMBERS) return undefined;
    if (a.spread + b.spread > MAX_SPAN) return undefined;
    const sum = { distance: a.distance + b.distance, spread: a.spread + b.spread };
    return { root: a.root === NUMBERS ? b.root : a.root, ...sum };
  };
  const [rs1, rs2] = [rs1Of(op), rs2Of(op)];
  const { imm } = op;
  switch (op.insn.name) {
    case "addi":
      return plus(of(rs1), { root: NUMBERS, distance: imm, spread: 0 });
    case "add":
      return plus(of(rs1), of(rs2));
    case "lui":
      return number(imm, imm);
    case "auipc":
      return number(op.pc + imm, op.pc + imm);
    case "andi":
      return imm >= 0 ? number(0, imm) : undefined;
    case "slli": {
      const { root, distance, spread } = of(rs1);
      if (root !== NUMBERS || imm > 12) return undefined;
      return number(distance * 2 ** imm, (distance + spread) * 2 ** imm);
    }
    case "lbu":
      return number(0, 255);
    default:
      return undefined;
  }
}

/**
 * Registers (bits) that some path from the end of node `from`, which dominates it, to the start of node
 * `to` writes; undefined if nothing is sure.
 */
function changedBetween(nodes: readonly Node[], from: number, to: number): number | undefined {
  let written = 0;
  const seen = new Set([from]);
  const work = nodes[to]!.preds.filter((p) => p !== from);
  for (let i = work.pop(); i !== undefined; i = work.pop()) {
    if (seen.has(i)) continue;
    seen.add(i);
    if (seen.size > MAX_BETWEEN || endsKnowledge(nodes[i]!)) return undefined;
    for (const op of nodes[i]!.block.ops) written |= writesOf(op).x;
    for (const p of nodes[i]!.preds) if (!seen.has(p)) work.push(p);
  }
  return written;
}
