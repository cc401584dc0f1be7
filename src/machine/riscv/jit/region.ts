/**
 * Compiles one region to a WebAssembly function (ctx, bank, fuel, depth) → (fuel, pc).
 *
 * On entry all state but the pc is in the context. The function loads the registers it needs, runs, and leaves
 * with everything it wrote stored: by a tail call to what the jump cache knows of the next address (function 0,
 * `miss`, if nothing, which finds it as pc in the context), or by returning the complement of a trap as fuel,
 * with the pc in the context. Fuel is spent on entry and at every loop header.
 *
 * A guest call is a WebAssembly call, and a guest return a WebAssembly return of the fuel left and where the guest
 * returns to. That is only a prediction: the caller compares that with what it expects, and otherwise goes where it says.
 */
import { BANK_FUEL, BANK_JUMP, CTX_F, CTX_FPSLOW, CTX_PC, CTX_X } from "../../layout.ts";
import { TRAP_FUEL } from "../../traps.ts";
import { I32, I64, type Label, V128, type ValType } from "../../wasm/asm.ts";
import { type Helper, serve } from "../helper.ts";
import {
  doubted,
  emitJumpOffset,
  interpret,
  jumpOffset,
  missed,
  NOWHERE,
  proceed,
} from "../interp.ts";
import { type Exit, Exits } from "./exits.ts";
import { type Graph, isDoubtful, isReturn, type Op, rdOf } from "./graph.ts";
import { type Access, groupsOf, mayLeave } from "./groups.ts";
import { type Control, DEPTH, FUEL, JitEmit } from "./jitemit.ts";
import { Parking } from "./parking.ts";
import {
  both,
  dirtyAtEntry,
  emptySet,
  join,
  neededAtEntry,
  type RegSet,
  writesOf,
} from "./regs.ts";
import { type Plan, type Segment, segmentsOf } from "./segments.ts";
import { type Node, type Structure, structure } from "./structure.ts";
import type { Known } from "./trust.ts";
import { follow, unknownWidths, type Widths, widthsAtEntry } from "./widths.ts";

/** Entries that a jump table may have: one for every two bytes between its targets. */
const MAX_TABLE = 2048;

/** What a region is compiled to hope for; where that fails, it leaves to the interpreter. */
export interface Hope {
  /** Native floating-point results are right. */
  readonly arithmetic: boolean;
  /** Accesses hit the TLB. */
  readonly hits: boolean;
}

/** A segment whose code is being emitted. */
interface Open {
  readonly segment: Segment;
  /** Registers that were dirty at its start, and locals that are kept in others meanwhile. */
  readonly dirty: RegSet;
  readonly widths: Widths;
  readonly saved: readonly [from: number, to: number][];
  /** Where control goes behind what is done in doubt, and that itself. */
  readonly done: Label;
  readonly doubts: Label;
}

export class RegionCompiler implements Control {
  readonly #e: JitEmit;
  readonly #regionType: number;
  #self = 0;
  readonly #maxDepth: number;
  readonly #shape: Structure;
  readonly #parking: Parking;
  readonly #dirtyIn: RegSet[];
  readonly #neededIn: RegSet[];
  readonly #widthsIn: readonly Widths[];
  readonly #accesses: readonly ReadonlyMap<Op, Access>[];
  readonly #exits = new Exits();
  /** Registers that are narrow wherever the region is left to the interpreter and they are dirty: there, others are not. */
  #narrowAtExits = ~0;
  readonly #labels: Label[] = [];
  readonly #headerLabels: Label[] = [];
  /** Of headers that two loops have. */
  readonly #outerLabels: Label[] = [];
  #at = 0;
  #node!: Node;
  /** Registers that may differ from the context when the current instruction is done. */
  #dirty: RegSet = emptySet();
  /** What a block inherits that is emitted next. */
  #known: Known | undefined;
  /** The same if it traps. */
  #trapDirty: RegSet = emptySet();
  /** Address of the region, if it is optimistic about floating point: see segments.ts. */
  readonly #optimist: number | undefined;
  /** The segments of each node; undefined where code is careful. */
  readonly #plans: readonly Plan[] | undefined;
  /** The segment that code is in. */
  #open: Open | undefined;
  readonly #segmentLocals = new Map<ValType, number[]>();

  constructor(
    graph: Graph,
    regionType: number,
    maxDepth: number,
    indexOf: (h: Helper) => number,
    hope: Hope,
  ) {
    this.#optimist = hope.arithmetic && isDoubtful(graph) ? graph.entry : undefined;
    this.#regionType = regionType;
    this.#maxDepth = maxDepth;
    this.#e = new JitEmit(graph.entry, indexOf);
    this.#e.control = this;
    this.#e.hopesForHits = hope.hits;
    this.#shape = structure(graph);
    this.#plans = this.#optimist === undefined ? undefined : segmentsOf(this.#shape.nodes);
    this.#parking = new Parking(this.#shape.nodes);
    this.#dirtyIn = dirtyAtEntry(this.#shape.nodes, this.#parking);
    const { accesses, windows } = groupsOf(this.#shape.nodes);
    this.#accesses = accesses;
    this.#neededIn = neededAtEntry(this.#shape.nodes, this.#dirtyIn, accesses, this.#parking);
    this.#widthsIn = widthsAtEntry(this.#shape.nodes);
    this.#e.openWindows(windows);
  }

  /** The function's body, which is to be the `self`-th of its module; its locals are `localTypes`. */
  compile(self: number): JitEmit {
    this.#self = self;
    const e = this.#e;
    const { nodes } = this.#shape;
    const here = () => this.#setPc(e.entry);
    this.#leaveIfSlow(here);
    if (!nodes[0]!.isHeader) {
      this.#burnFuel(() => {
        here();
        this.#leave(TRAP_FUEL);
      });
    }
    this.#load(this.#neededIn[0]!);
    const exits = this.#openExits();
    this.#tree(0);
    e.widths = { ...unknownWidths(), narrow: this.#narrowAtExits };
    for (const { stores, next } of exits.reverse()) {
      e.unreachable().end();
      this.#store(stores);
      if (next) e.br(next.label);
      else this.#interpretFromExit();
    }
    return e.unreachable();
  }

  /** Opens a block for every set of registers that is dirty at some instruction that may be left. */
  #openExits(): Exit[] {
    this.#shape.nodes.forEach((n, i) => {
      const dirty = { ...this.#dirtyIn[i]! };
      const widths = { ...this.#widthsIn[i]! };
      for (const op of n.block.ops) {
        if (mayLeave(op, this.#accesses[i]!)) this.#addExit(dirty, widths);
        join(dirty, writesOf(op));
        follow(widths, op);
      }
      if (n.block.unseen !== undefined) this.#addExit(dirty, widths);
    });
    const exits = this.#exits.inOrder();
    for (const exit of exits) exit.label = this.#e.block();
    return exits;
  }

  #addExit(dirty: RegSet, { narrow }: Widths): void {
    this.#exits.add(dirty);
    this.#narrowAtExits &= ~dirty.x | narrow;
  }

  exit(): Label {
    return this.#exitWith(this.#trapDirty);
  }

  #exitWith(dirty: RegSet): Label {
    this.#e.widen(dirty.x & ~this.#narrowAtExits);
    return this.#exits.of(dirty).label;
  }

  /** All registers are in the context: the interpreter's turn, at the instruction that was left. */
  #interpretFromExit(): void {
    const e = this.#e;
    this.#storePc(() => {
      e.i64_const(e.entry).local_get(e.exitOffset).i64_extend_i32_s().i64_add();
    });
    if (e.hopesForHits) {
      e.bank().f64_const(e.entry).local_get(e.exitOffset).callHelper(missed);
    }
    e.ctx().bank().local_get(FUEL).local_get(DEPTH).tailCallHelper(interpret);
  }

  /** Block `i` and all that it dominates. */
  #tree(i: number): void {
    const e = this.#e;
    const node = this.#shape.nodes[i]!;
    if (!node.isHeader) {
      this.#within(i, 0);
      return;
    }
    const isNest = node.preds.some((p) => p >= i && !node.core!.has(p));
    if (isNest) this.#outerLabels[i] = e.loop();
    this.#headerLabels[i] = e.loop();
    this.#atHeader(i);
    this.#within(i, 0);
    e.end().unreachable();
    if (isNest) e.end().unreachable();
  }

  /** The code of block `i` inside the wasm blocks whose ends are its merge children from the k-th. */
  #within(i: number, k: number): void {
    const merge = this.#shape.nodes[i]!.merges[k];
    if (merge === undefined) {
      this.#block(i);
      return;
    }
    this.#labels[merge] = this.#e.block();
    this.#within(i, k + 1);
    this.#e.end();
    this.#tree(merge);
  }

  /** The label of the loop at header `to` that the current node is a latch of. */
  #backTo(to: number): Label {
    const { core } = this.#shape.nodes[to]!;
    return core!.has(this.#at) ? this.#headerLabels[to]! : this.#outerLabels[to]!;
  }

  #atHeader(i: number): void {
    const pc = this.#shape.nodes[i]!.block.pc;
    this.#dirty = { ...this.#dirtyIn[i]! };
    this.#e.widths = { ...this.#widthsIn[i]! };
    this.#burnFuel(() => {
      this.#spill();
      this.#setPc(pc);
      this.#leave(TRAP_FUEL);
    });
  }

  #block(i: number): void {
    const e = this.#e;
    const node = this.#shape.nodes[i]!;
    this.#at = i;
    this.#node = node;
    this.#dirty = { ...this.#dirtyIn[i]! };
    e.widths = { ...this.#widthsIn[i]! };
    e.startBlock(this.#accesses[i]!, node.isHeader ? undefined : this.#known);
    this.#known = undefined;
    const plan = this.#plans?.[i];
    this.#goOn(plan?.incoming ? this.#open : undefined);
    /** The segment that was opened here: what it does in doubt is still to be emitted. */
    let own: Open | undefined;
    const endAt = (k: number): void => {
      if (!plan?.ends.has(k)) return;
      this.#look();
      if (own) this.#close(own, true);
      own = undefined;
    };
    const { ops } = node.block;
    ops.forEach((op, k) => {
      endAt(k);
      e.op = op;
      e.releaseTemps();
      const segment = plan?.starts.get(k);
      if (segment) {
        own = this.#begin(segment);
        this.#goOn(own);
      }
      this.#trapDirty = { ...this.#dirty };
      join(this.#dirty, writesOf(op));
      if (!plan?.idle.has(k)) op.insn.body(e);
    });
    endAt(ops.length);
    if (ops.at(-1)!.traits.flow === "next") this.#go(node.block.end, e.trust.known());
    if (own) this.#close(own, false);
  }

  /** From here on code is in this segment, or in none. */
  #goOn(open: Open | undefined): void {
    this.#open = open;
    this.#e.doubts = open?.doubts;
  }

  /** Control leaves the segment that it is in. */
  #look(): void {
    const e = this.#e;
    e.trust.check(e, () => e.doubtIf());
    this.#goOn(undefined);
  }

  #begin(segment: Segment): Open {
    const { writes } = segment;
    const e = this.#e;
    const dirty = { ...this.#dirty };
    const widths = { ...e.widths };
    const done = e.block();
    const doubts = e.block();
    // What the segment overwrites of what would have to be stored where it starts.
    const saved: [from: number, to: number][] = [];
    const taken = new Map<ValType, number>();
    const save = (type: ValType, from: number): void => {
      const n = taken.get(type) ?? 0;
      taken.set(type, n + 1);
      saved.push([from, this.#segmentLocal(type, n)]);
    };
    for (let r = 0; r < 32; r++) {
      if (dirty.x & writes.x & (1 << r)) {
        if (e.isNarrow(r)) save(I32, e.wordLocal(r));
        else save(I64, e.xLocal(r));
      }
      if (dirty.f & writes.f & (1 << r)) save(V128, e.fLocal(r));
    }
    for (const [from, to] of saved) e.local_get(from).local_set(to);
    return { segment, dirty, widths, saved, done, doubts };
  }

  /** Emits what a segment does in doubt, behind it; `goesOn` if control comes here and goes on behind that. */
  #close({ segment, dirty, widths, saved, done }: Open, goesOn: boolean): void {
    const e = this.#e;
    if (goesOn) e.br(done);
    else e.unreachable();
    e.end();
    for (const [to, from] of saved) e.local_get(from).local_set(to);
    const after = e.widths;
    e.widths = widths;
    this.#store(dirty);
    e.widths = after;
    this.#setPc(segment.pc);
    this.#leaveWithDoubt();
    e.end();
    if (!goesOn) e.unreachable();
  }

  #segmentLocal(type: ValType, n: number): number {
    let locals = this.#segmentLocals.get(type);
    if (!locals) {
      locals = [];
      this.#segmentLocals.set(type, locals);
    }
    locals[n] ??= this.#e.newLocal(type);
    return locals[n];
  }

  /** Everything is in the context: the interpreter's turn, and the translator should know. */
  #leaveWithDoubt(): void {
    const e = this.#e;
    e.bank().f64_const(this.#optimist!).callHelper(doubted);
    e.ctx().bank().local_get(FUEL).local_get(DEPTH).tailCallHelper(interpret);
  }

  /** The same if the native path of floating point is not open. */
  #leaveIfSlow(before: () => void): void {
    if (this.#optimist === undefined) return;
    const e = this.#e;
    e.ctx().i32_load(CTX_FPSLOW).unlikely().if_();
    before();
    this.#leaveWithDoubt();
    e.end();
  }

  get isOptimist(): boolean {
    return this.#optimist !== undefined;
  }

  fcsrWritten(): void {
    const { op } = this.#e;
    this.#leaveIfSlow(() => {
      this.#spill();
      this.#setPc(op.pc + op.len);
    });
  }

  branch(condition: () => void): void {
    const e = this.#e;
    const { op } = e;
    const [i, node, dirty, open] = [this.#at, this.#node, { ...this.#dirty }, this.#open];
    const widths = { ...e.widths };
    const known = e.trust.known();
    condition();
    const taken = op.pc + op.imm;
    const { unseen } = node.block;
    if (unseen !== undefined) {
      if (unseen !== taken) e.i32_eqz();
      e.leaveIf(() => {
        if (open) this.#look();
        return this.#exitWith(dirty);
      });
      e.trust.startBlock(known);
      this.#goOn(open);
      this.#go(unseen === taken ? op.pc + op.len : taken, known);
      return;
    }
    e.if_();
    this.#go(taken, known);
    e.end();
    [this.#at, this.#node, this.#dirty] = [i, node, dirty];
    e.widths = widths;
    e.trust.startBlock(known);
    this.#goOn(open);
    this.#go(op.pc + op.len, known);
  }

  jump(): void {
    const { op } = this.#e;
    const target = op.pc + op.imm;
    const { back, isInlined } = this.#node.block;
    if (isInlined) this.#go(target);
    else if (back !== undefined) this.#callKnown(target, back);
    else if (rdOf(op) === 0) this.#go(target, this.#e.trust.known());
    else this.#chain(target);
  }

  jumpTo(target: number): void {
    const e = this.#e;
    const { op } = e;
    const pc = () => e.local_get(target);
    const { back, target: known, isInlined } = this.#node.block;
    if (isInlined) {
      this.#go(known!);
      return;
    }
    if (back !== undefined) {
      if (known !== undefined) this.#callKnown(known, back);
      else this.#callIndirect(() => this.#functionAt(pc), pc, back);
      return;
    }
    if (known !== undefined) {
      this.#chain(known);
      return;
    }
    this.#stayInside(target);
    this.#spill();
    if (isReturn(op)) {
      e.local_get(FUEL);
      pc();
      e.return_();
    } else this.#tailCall(() => this.#functionAt(pc));
  }

  #callKnown(target: number, back: number): void {
    const e = this.#e;
    const pc = () => e.i64_const(target);
    // What calls itself is as valid as it is, and needs no look at the jump cache.
    if (target === e.entry) this.#call(() => e.call(this.#self), pc, back);
    else this.#callIndirect(() => this.#knownFunction(target), pc, back);
  }

  /** Branches to the block at the address in a local, if the graph has an edge to it. */
  #stayInside(target: number): void {
    const e = this.#e;
    const { nodes } = this.#shape;
    const labels = new Map<number, Label>();
    for (const s of nodes[this.#at]!.succ) {
      const label = s <= this.#at ? this.#backTo(s) : this.#labels[s]!;
      labels.set(nodes[s]!.block.pc, label);
    }
    if (labels.size === 0) return;
    // The ways of a table have no room for it.
    e.convert(~0, 0);
    const low = Math.min(...labels.keys());
    const entries = (Math.max(...labels.keys()) - low) / 2 + 1;
    if (labels.size <= 2 || entries > MAX_TABLE) {
      for (const [pc, label] of labels) e.local_get(target).i64_const(pc).i64_eq().br_if(label);
      return;
    }
    const outside = e.block();
    const offset = e.temp(I64);
    e.local_get(target).i64_const(low).i64_sub().local_tee(offset);
    e.i64_const(entries * 2)
      .i64_ge_u()
      .unlikely()
      .br_if(outside);
    const table = Array.from({ length: entries }, (_, i) => labels.get(low + i * 2) ?? outside);
    e.local_get(offset).i32_wrap_i64().i32_const(1).i32_shr_u().br_table(table, outside);
    e.end();
  }

  /** Calls the guest function that `func` pushes. */
  #callIndirect(func: () => void, target: () => void, back: number): void {
    const call = (): void => {
      func();
      this.#e.call_indirect(this.#regionType);
    };
    this.#call(call, target, back);
  }

  /**
   * Calls a guest function and goes on where it should return to, if control does come back
   * there. Too deep, it is a tail call.
   */
  #call(call: () => void, target: () => void, back: number): void {
    const e = this.#e;
    this.#spill();
    const to = this.#shape.edge(this.#at, back);
    e.local_get(DEPTH).i32_const(this.#maxDepth).i32_ge_u().unlikely().if_();
    this.#proceed(target);
    e.end();
    e.ctx().bank().local_get(FUEL).local_get(DEPTH).i32_const(1).i32_add();
    call();
    const pc = e.temp(I64);
    e.local_set(pc).local_set(FUEL);
    if (to === undefined) {
      this.#proceed(() => e.local_get(pc));
      return;
    }
    // A trap comes from nowhere, so this tells that too.
    e.local_get(pc).i64_const(back).i64_ne().unlikely().if_();
    this.#proceed(() => e.local_get(pc));
    e.end();
    this.#leaveIfSlow(() => this.#setPc(back));
    e.closeWindows();
    e.widths = unknownWidths();
    this.#load(this.#neededIn[to]!);
    this.#dirty = emptySet();
    this.#go(back);
  }

  /** The same as a tail call to where the jump cache leads, but small instead of fast; a trap is passed on. */
  #proceed(pc: () => void): void {
    const e = this.#e;
    e.ctx().bank().local_get(FUEL).local_get(DEPTH);
    pc();
    e.tailCallHelper(proceed);
  }

  /** Has the kernel serve a call. Where that answers with fuel, it is behind the ecall that things go on. */
  ecall(): void {
    const e = this.#e;
    const { op } = e;
    const back = op.pc + op.len;
    this.#spill();
    this.#setPc(op.pc);
    e.ctx().bank().local_get(FUEL).callHelper(serve);
    e.local_tee(FUEL).i32_const(0).i32_lt_s().unlikely().if_();
    e.local_get(FUEL).i64_const(NOWHERE).return_().end();
    const to = this.#shape.edge(this.#at, back);
    if (to === undefined) {
      this.#tailCall(() => this.#knownFunction(back));
      return;
    }
    this.#leaveIfSlow(() => this.#setPc(back));
    e.closeWindows();
    e.widths = unknownWidths();
    this.#load(this.#neededIn[to]!);
    this.#dirty = emptySet();
    this.#go(back);
  }

  trap(code: number): void {
    this.#spill();
    this.#setPc(this.#e.op.pc);
    this.#leave(code);
  }

  /** Control goes to `pc`: a block of this region, or out of it. */
  #go(pc: number, known?: Known): void {
    const to = this.#shape.edge(this.#at, pc);
    const open = this.#open;
    if (open && (to === undefined || this.#plans![to]!.incoming !== open.segment)) {
      this.#look();
      this.#goTo(to, pc, this.#e.trust.known());
    } else {
      this.#goTo(to, pc, known);
    }
  }

  #goTo(to: number | undefined, pc: number, known: Known | undefined): void {
    if (to === undefined) {
      this.#chain(pc);
      return;
    }
    const e = this.#e;
    this.#store(both(this.#dirty, this.#parking.parkedOn(this.#at, to)));
    const fetched = both(this.#neededIn[to]!, this.#parking.fetchedOn(this.#at, to));
    this.#load(fetched);
    e.widths.narrow &= ~fetched.x;
    e.convert(this.#neededIn[to]!.x, this.#widthsIn[to]!.narrow);
    if (to <= this.#at) e.br(this.#backTo(to));
    else if (this.#shape.nodes[to]!.isMerge) e.br(this.#labels[to]!);
    else {
      this.#known = known;
      this.#tree(to);
    }
  }

  /** Leaves for the region at a known address. */
  #chain(pc: number): void {
    this.#spill();
    this.#tailCall(() => this.#knownFunction(pc));
  }

  #tailCall(func: () => void): void {
    const e = this.#e;
    e.ctx().bank().local_get(FUEL).local_get(DEPTH);
    func();
    e.return_call_indirect(this.#regionType);
  }

  /** Pushes the function that the jump cache has for an address; or 0, with the address in the context. */
  #knownFunction(pc: number): void {
    const e = this.#e;
    const slot = BANK_JUMP + jumpOffset(pc | 0);
    // V8 would merge the load into a comparison, and make it twice.
    e.bank().i64_load(slot).i64_const(pc).i64_sub().i64_eqz();
    e.likely().if_(I32);
    e.bank().i32_load(slot + 8);
    e.else_();
    this.#setPc(pc);
    e.i32_const(0).end();
  }

  #functionAt(pc: () => void): void {
    const e = this.#e;
    const slot = e.temp(I32);
    e.bank();
    pc();
    e.i32_wrap_i64();
    emitJumpOffset(e, slot).i32_add().local_tee(slot);
    e.i64_load(BANK_JUMP);
    pc();
    e.i64_sub().i64_eqz().likely().if_(I32);
    e.local_get(slot).i32_load(BANK_JUMP + 8);
    e.else_();
    this.#storePc(pc);
    e.i32_const(0).end();
  }

  #burnFuel(out: () => void): void {
    const e = this.#e;
    e.local_get(FUEL).i32_const(1).i32_sub().local_tee(FUEL);
    e.i32_const(0).i32_lt_s().unlikely().if_();
    out();
    e.end();
  }

  #spill(): void {
    this.#store(this.#dirty);
  }

  #store({ x, f }: RegSet): void {
    const e = this.#e;
    for (let r = 1; r < 32; r++) {
      if (x & (1 << r))
        e.ctx()
          .x(r)
          .i64_store(CTX_X + r * 8);
    }
    for (let r = 0; r < 32; r++) {
      if (f & (1 << r))
        e.ctx()
          .local_get(e.fLocal(r))
          .v128_store64_lane(CTX_F + r * 8);
    }
  }

  #setPc(pc: number): void {
    this.#storePc(() => this.#e.i64_const(pc));
  }

  #storePc(pc: () => void): void {
    this.#e.ctx();
    pc();
    this.#e.i64_store(CTX_PC);
  }

  #load(set: RegSet): void {
    const e = this.#e;
    for (let r = 1; r < 32; r++) {
      if (set.x & (1 << r))
        e.ctx()
          .i64_load(CTX_X + r * 8)
          .local_set(e.xLocal(r));
    }
    for (let r = 0; r < 32; r++) {
      if (set.f & (1 << r))
        e.ctx()
          .v128_load64_zero(CTX_F + r * 8)
          .local_set(e.fLocal(r));
    }
  }

  #leave(trap: number): void {
    const e = this.#e;
    e.bank().local_get(FUEL).i32_store(BANK_FUEL);
    e.i32_const(~trap).i64_const(NOWHERE).return_();
  }
}
