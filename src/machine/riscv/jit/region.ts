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
import { TRAP_FUEL } from "../../traps.ts";
import type { Label } from "../../wasm/asm.ts";
import { type Exit, Exits } from "./exits.ts";
import { type Graph, isDoubtful, isReturn, type Op, rdOf } from "./graph.ts";
import { type Access, type Eager, groupsOf, mayLeave } from "./groups.ts";
import { type Control, JitEmit } from "./jitemit.ts";
import type { JumpTable } from "./jumptable.ts";
import { functionAt, knownFunction } from "./jumptarget.ts";
import {
  burnFuel,
  callGuest,
  callKernel,
  chain,
  endWith,
  interpretFromExit,
  proceedAt,
  REGION_TYPE,
  returnTo,
  tailCall,
} from "./leave.ts";
import { type Open, Optimism } from "./optimism.ts";
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
import { type Plan, segmentsOf } from "./segments.ts";
import { type Node, type Structure, structure } from "./structure.ts";
import { goByIndex, stayInside } from "./switchemit.ts";
import { loadRegs, setPc, storeRegs } from "./transfer.ts";
import type { Known } from "./trust.ts";
import { follow, unknownWidths, type Widths, widthsAtEntry } from "./widths.ts";

/** What a region is compiled to hope for; where that fails, it leaves to the interpreter. */
export interface Hope {
  /** Native floating-point results are right. */
  readonly arithmetic: boolean;
  /** Accesses hit the TLB. */
  readonly hits: boolean;
}

export class RegionCompiler implements Control {
  readonly #e: JitEmit;
  readonly #maxDepth: number;
  readonly #shape: Structure;
  readonly #parking: Parking;
  readonly #dirtyIn: RegSet[];
  readonly #neededIn: RegSet[];
  readonly #widthsIn: readonly Widths[];
  readonly #accesses: readonly ReadonlyMap<Op, Access>[];
  readonly #eager: readonly (readonly Eager[])[];
  readonly #exits = new Exits();
  /** Registers that are narrow wherever the region is left to the interpreter and they are dirty: there, others are not. */
  #narrowAtExits = ~0;
  readonly #labels: Label[] = [];
  /** For each header, those of its loops, outermost first. */
  readonly #loopLabels: Label[][] = [];
  #at = 0;
  #node!: Node;
  /** Registers that may differ from the context when the current instruction is done. */
  #dirty: RegSet = emptySet();
  /** What a block inherits that is emitted next. */
  #known: Known | undefined;
  /** The same if it traps. */
  #trapDirty: RegSet = emptySet();
  readonly #optimism: Optimism;
  /** The segments of each node; undefined where code is careful. */
  readonly #plans: readonly Plan[] | undefined;

  constructor(graph: Graph, maxDepth: number, hope: Hope) {
    this.#maxDepth = maxDepth;
    this.#e = new JitEmit(graph.entry);
    this.#e.control = this;
    this.#e.hopesForHits = hope.hits;
    this.#shape = structure(graph);
    this.#optimism = new Optimism(this.#e, hope.arithmetic && isDoubtful(graph));
    this.#plans = this.#optimism.isOn ? segmentsOf(this.#shape.nodes) : undefined;
    this.#parking = new Parking(this.#shape.nodes);
    this.#dirtyIn = dirtyAtEntry(this.#shape.nodes, this.#parking);
    const { accesses, windows, eager } = groupsOf(this.#shape.nodes, !this.#optimism.isOn);
    this.#accesses = accesses;
    this.#eager = eager;
    this.#neededIn = neededAtEntry(
      this.#shape.nodes,
      this.#dirtyIn,
      accesses,
      eager,
      this.#parking,
    );
    this.#widthsIn = widthsAtEntry(this.#shape.nodes);
    this.#e.openWindows(windows);
  }

  /** Where its loops begin that lie in others. */
  get innerLoops(): readonly number[] {
    return this.#shape.innerLoops;
  }

  /** The function's body; its locals are `localTypes`. */
  compile(): JitEmit {
    const e = this.#e;
    const { nodes } = this.#shape;
    const here = () => setPc(e, e.entry);
    this.#optimism.leaveIfSlow(here);
    if (nodes[0]!.loops.length === 0) {
      burnFuel(e, () => {
        here();
        endWith(e, TRAP_FUEL);
      });
    }
    e.openHome();
    loadRegs(e, this.#neededIn[0]!);
    const exits = this.#openExits();
    this.#tree(0);
    e.widths = { ...unknownWidths(), narrow: this.#narrowAtExits };
    for (const { stores, next } of exits.reverse()) {
      e.unreachable().end();
      storeRegs(e, stores);
      if (next) e.br(next.label);
      else interpretFromExit(e);
    }
    return e.unreachable();
  }

  /** Opens a block for every set of registers that is dirty at some instruction that may be left. */
  #openExits(): Exit[] {
    this.#shape.nodes.forEach((n, i) => {
      const dirty = { ...this.#dirtyIn[i]! };
      const widths = { ...this.#widthsIn[i]! };
      if (this.#eager[i]!.length > 0) this.#addExit(dirty, widths);
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

  /** Block `i` and all that it dominates. */
  #tree(i: number): void {
    this.#loopLabels[i] = [];
    this.#loop(i, 0);
  }

  /**
   * Block `i` from its k-th loop on inwards, and all that it dominates. What is behind a loop comes behind its end: V8 takes
   * each local that is set inside for one that the loop carries, and it costs time to find out that most are not.
   */
  #loop(i: number, k: number): void {
    const loop = this.#shape.nodes[i]!.loops[k];
    if (loop) this.#around(i, k, 0);
    else {
      if (k > 0) this.#atHeader(i);
      this.#within(i, 0);
    }
  }

  /** The k-th loop of block `i` inside the wasm blocks whose ends are its exits from the j-th. */
  #around(i: number, k: number, j: number): void {
    const e = this.#e;
    const exit = this.#shape.nodes[i]!.loops[k]!.exits[j];
    if (exit === undefined) {
      this.#loopLabels[i]![k] = e.loop();
      this.#loop(i, k + 1);
      e.end().unreachable();
      return;
    }
    this.#labels[exit] = e.block();
    this.#around(i, k, j + 1);
    e.end();
    this.#tree(exit);
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
    const k = this.#shape.nodes[to]!.loops.findLastIndex(({ body }) => body.has(this.#at));
    return this.#loopLabels[to]![k]!;
  }

  #atHeader(i: number): void {
    const e = this.#e;
    const { pc } = this.#shape.nodes[i]!.block;
    this.#dirty = { ...this.#dirtyIn[i]! };
    e.widths = { ...this.#widthsIn[i]! };
    burnFuel(e, () => {
      this.#spill();
      setPc(e, pc);
      endWith(e, TRAP_FUEL);
    });
  }

  #block(i: number): void {
    const e = this.#e;
    const node = this.#shape.nodes[i]!;
    this.#at = i;
    this.#node = node;
    this.#dirty = { ...this.#dirtyIn[i]! };
    e.widths = { ...this.#widthsIn[i]! };
    this.#trapDirty = { ...this.#dirty };
    const known = node.loops.length > 0 ? undefined : this.#known;
    e.startBlock(node.block.pc, this.#accesses[i]!, this.#eager[i]!, known);
    this.#known = undefined;
    const plan = this.#plans?.[i];
    this.#optimism.goOn(plan?.incoming ? this.#optimism.open : undefined);
    /** The segment that was opened here: what it does in doubt is still to be emitted. */
    let own: Open | undefined;
    const endAt = (k: number): void => {
      if (!plan?.ends.has(k)) return;
      this.#optimism.look();
      if (own) this.#optimism.close(own, true);
      own = undefined;
    };
    const { ops } = node.block;
    ops.forEach((op, k) => {
      endAt(k);
      if (k === node.block.table?.first) this.#goByTable(node.block.table, op);
      e.op = op;
      e.releaseTemps();
      const segment = plan?.starts.get(k);
      if (segment) {
        own = this.#optimism.begin(segment, this.#dirty);
        this.#optimism.goOn(own);
      }
      this.#trapDirty = { ...this.#dirty };
      join(this.#dirty, writesOf(op));
      if (!plan?.idle.has(k)) op.insn.body(e);
    });
    endAt(ops.length);
    if (ops.at(-1)!.traits.flow === "next") this.#go(node.block.end, e.trust.known());
    if (own) this.#optimism.close(own, false);
  }

  get isOptimist(): boolean {
    return this.#optimism.isOn;
  }

  fcsrWritten(): void {
    const { op } = this.#e;
    this.#optimism.leaveIfSlow(() => {
      this.#spill();
      setPc(this.#e, op.pc + op.len);
    });
  }

  branch(condition: () => void): void {
    const e = this.#e;
    const { op } = e;
    const [i, node, dirty, open] = [this.#at, this.#node, { ...this.#dirty }, this.#optimism.open];
    const widths = { ...e.widths };
    const known = e.trust.known();
    condition();
    const taken = op.pc + op.imm;
    const { unseen } = node.block;
    if (unseen !== undefined) {
      if (unseen !== taken) e.i32_eqz();
      e.leaveIf(() => {
        if (open) this.#optimism.look();
        return this.#exitWith(dirty);
      });
      e.trust.startBlock(known);
      this.#optimism.goOn(open);
      this.#go(unseen === taken ? op.pc + op.len : taken, known);
      return;
    }
    e.if_();
    this.#go(taken, known);
    e.end();
    [this.#at, this.#node, this.#dirty] = [i, node, dirty];
    e.widths = widths;
    e.trust.startBlock(known);
    this.#optimism.goOn(open);
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
      else this.#callIndirect(() => functionAt(e, pc), pc, back);
      return;
    }
    if (known !== undefined) {
      this.#chain(known);
      return;
    }
    stayInside(e, this.#ways(), target);
    this.#spill();
    if (isReturn(op)) returnTo(e, pc);
    else tailCall(e, () => functionAt(e, pc));
  }

  #callKnown(target: number, back: number): void {
    const e = this.#e;
    const pc = () => e.i64_const(target);
    // What calls itself is as valid as it is, and needs no look at the jump cache.
    if (target === e.entry) this.#call(() => e.callTo(null), pc, back);
    else this.#callIndirect(() => knownFunction(e, target), pc, back);
  }

  /** Where the jump at the end of this block may go inside of the region: labels by address. */
  #ways(): Map<number, Label> {
    const { nodes } = this.#shape;
    const labels = new Map<number, Label>();
    for (const s of nodes[this.#at]!.succ) {
      labels.set(nodes[s]!.block.pc, s <= this.#at ? this.#backTo(s) : this.#labels[s]!);
    }
    return labels;
  }

  /** Goes where a jump table leads that is read by what comes next, from `shift` on. */
  #goByTable(table: JumpTable, shift: Op): void {
    const e = this.#e;
    const [at, dirty, widths] = [this.#at, this.#dirty, e.widths];
    const r = rdOf(shift);
    goByIndex(e, table, shift, new Set(this.#ways().keys()), (pc) => {
      this.#dirty = { ...dirty, x: dirty.x | (1 << r) };
      e.widths = { ...widths, narrow: widths.narrow & ~(1 << r) };
      e.i64_const(pc).local_set(e.xLocal(r));
      this.#go(pc);
      [this.#at, this.#dirty, e.widths] = [at, dirty, widths];
    });
  }

  /** Calls the guest function that `func` pushes. */
  #callIndirect(func: () => void, target: () => void, back: number): void {
    const call = (): void => {
      func();
      this.#e.call_indirect(REGION_TYPE);
    };
    this.#call(call, target, back);
  }

  /** Calls a guest function and goes on where it should return to, if control does come back there. */
  #call(call: () => void, target: () => void, back: number): void {
    const e = this.#e;
    this.#spill();
    const pc = callGuest(e, this.#maxDepth, call, target);
    const elsewhere = () => proceedAt(e, () => e.local_get(pc));
    const to = this.#shape.edge(this.#at, back);
    if (to === undefined) {
      elsewhere();
      return;
    }
    // A trap comes from nowhere, so this tells that too.
    e.local_get(pc).i64_const(back).i64_ne().unlikely().if_();
    elsewhere();
    e.end();
    this.#goOnBehind(back, to);
  }

  ecall(): void {
    const e = this.#e;
    const { op } = e;
    const back = op.pc + op.len;
    this.#spill();
    callKernel(e, op.pc);
    const to = this.#shape.edge(this.#at, back);
    if (to === undefined) chain(e, back);
    else this.#goOnBehind(back, to);
  }

  /** Goes on at `back`, in block `to`, after a call that may have changed anything. */
  #goOnBehind(back: number, to: number): void {
    const e = this.#e;
    this.#optimism.leaveIfSlow(() => setPc(e, back));
    e.closeWindows();
    e.widths = unknownWidths();
    loadRegs(e, this.#neededIn[to]!);
    this.#dirty = emptySet();
    this.#go(back);
  }

  trap(code: number): void {
    const e = this.#e;
    this.#spill();
    setPc(e, e.op.pc);
    endWith(e, code);
  }

  /** Control goes to `pc`: a block of this region, or out of it. */
  #go(pc: number, known?: Known): void {
    const to = this.#shape.edge(this.#at, pc);
    const open = this.#optimism.open;
    if (open && (to === undefined || this.#plans![to]!.incoming !== open.segment)) {
      this.#optimism.look();
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
    storeRegs(e, both(this.#dirty, this.#parking.parkedOn(this.#at, to)));
    const fetched = both(this.#neededIn[to]!, this.#parking.fetchedOn(this.#at, to));
    loadRegs(e, fetched);
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
    chain(this.#e, pc);
  }

  #spill(): void {
    storeRegs(this.#e, this.#dirty);
  }
}
