/**
 * Compiles one region to a WebAssembly function (ctx, bank, fuel) → trap.
 *
 * On entry all state is in the context and its pc is the region's. The function loads the
 * registers it uses, runs, and leaves by a tail call to what the jump cache knows of
 * the next address (function 0, `miss`, if nothing), or by returning a trap; either way
 * with everything it may have written stored, and pc set. Fuel is spent on entry and at
 * every loop header.
 */
import { BANK_FUEL, BANK_JUMP, CTX_F, CTX_PC, CTX_X } from "../../layout.ts";
import { TRAP_FUEL } from "../../traps.ts";
import { I32, type Label } from "../../wasm/asm.ts";
import type { Helper } from "../helper.ts";
import { JUMP_INDEX_MASK } from "../interp.ts";
import { type Graph, rdOf } from "./graph.ts";
import { BANK, type Control, CTX, FUEL, JitEmit } from "./jitemit.ts";
import { addReads, addWrites, dirtyAtEntry, emptySet, type RegSet } from "./regs.ts";
import { type Node, type Structure, structure } from "./structure.ts";

export class RegionCompiler implements Control {
  readonly #e: JitEmit;
  readonly #regionType: number;
  readonly #shape: Structure;
  readonly #dirtyIn: RegSet[];
  readonly #written = emptySet();
  readonly #labels: Label[] = [];
  readonly #headerLabels: Label[] = [];
  /** Where the dispatch loop of an irreducible region starts, and its variable. */
  #dispatch: Label = 0;
  #nextBlock = -1;
  #at = 0;
  #node!: Node;
  /** Registers that may differ from the context at this point. */
  #dirty: RegSet = emptySet();

  constructor(graph: Graph, regionType: number, indexOf: (h: Helper) => number) {
    this.#regionType = regionType;
    this.#e = new JitEmit(indexOf);
    this.#e.control = this;
    this.#shape = structure(graph);
    this.#dirtyIn = dirtyAtEntry(this.#shape.nodes);
  }

  /** The function's body; its locals are `localTypes`. */
  compile(): JitEmit {
    const e = this.#e;
    const { nodes, isReducible } = this.#shape;
    if (!nodes[0]!.isHeader) {
      this.#burnFuel(() => this.#leave(TRAP_FUEL));
    }
    this.#loadRegisters();
    e.trapExit = e.block();
    if (isReducible) this.#tree(0);
    else this.#dispatchLoop();
    e.unreachable().end();
    if (!e.mayTrap) return e.unreachable();
    this.#dirty = this.#written;
    this.#spill();
    e.local_get(CTX).local_get(e.trapPc).i64_store(CTX_PC);
    e.local_get(BANK).local_get(FUEL).i32_store(BANK_FUEL);
    return e.local_get(e.cause);
  }

  /** Everything read or written: then each local is valid everywhere. */
  #loadRegisters(): void {
    const used = emptySet();
    for (const n of this.#shape.nodes) {
      for (const op of n.block.ops) {
        addReads(used, op);
        addWrites(used, op);
        addWrites(this.#written, op);
      }
    }
    const e = this.#e;
    for (let r = 1; r < 32; r++) {
      if (used.x & (1 << r))
        e.ctx()
          .i64_load(CTX_X + r * 8)
          .local_set(e.xLocal(r));
    }
    for (let r = 0; r < 32; r++) {
      if (used.f & (1 << r))
        e.ctx()
          .f64_load(CTX_F + r * 8)
          .local_set(e.fLocal(r));
    }
  }

  /** Block `i` and all that it dominates. */
  #tree(i: number): void {
    const e = this.#e;
    const node = this.#shape.nodes[i]!;
    if (!node.isHeader) {
      this.#within(i, 0);
      return;
    }
    this.#headerLabels[i] = e.loop();
    this.#atHeader(i);
    this.#within(i, 0);
    e.end().unreachable();
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

  /** For loops with several entries: a variable says which block is next. */
  #dispatchLoop(): void {
    const e = this.#e;
    const n = this.#shape.nodes.length;
    this.#nextBlock = e.newLocal(I32);
    this.#dispatch = e.loop();
    const labels: Label[] = [];
    for (let i = 0; i < n; i++) labels.push(e.block());
    labels.reverse();
    e.local_get(this.#nextBlock).br_table(labels, labels[0]!);
    for (let i = 0; i < n; i++) {
      e.end();
      if (this.#shape.nodes[i]!.isHeader) this.#atHeader(i);
      this.#block(i);
    }
    e.end();
  }

  #atHeader(i: number): void {
    const pc = this.#shape.nodes[i]!.block.pc;
    this.#dirty = { ...this.#dirtyIn[i]! };
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
    for (const op of node.block.ops) {
      e.op = op;
      e.releaseTemps();
      if (op.traits.flow !== "next") addWrites(this.#dirty, op);
      op.insn.body(e);
      addWrites(this.#dirty, op);
    }
    if (node.block.ops.at(-1)!.traits.flow === "next") this.#go(node.block.end);
  }

  branch(condition: () => void): void {
    const e = this.#e;
    const { op } = e;
    const [i, node, dirty] = [this.#at, this.#node, { ...this.#dirty }];
    condition();
    e.if_();
    this.#go(op.pc + op.imm);
    e.end();
    [this.#at, this.#node, this.#dirty] = [i, node, dirty];
    this.#go(op.pc + op.len);
  }

  jump(): void {
    const { op } = this.#e;
    if (rdOf(op) === 0) this.#go(op.pc + op.imm);
    else this.#chain(op.pc + op.imm);
  }

  jumpTo(target: number): void {
    const e = this.#e;
    this.#spill();
    const slot = e.temp(I32);
    e.ctx().local_get(target).i64_store(CTX_PC);
    e.bank().local_get(target).i32_wrap_i64().i32_const(3).i32_shl();
    e.i32_const(JUMP_INDEX_MASK).i32_and().i32_add().local_set(slot);
    e.ctx().bank().local_get(FUEL);
    e.local_get(slot)
      .i32_load(BANK_JUMP + 8)
      .i32_const(0);
    e.local_get(slot).i64_load(BANK_JUMP).local_get(target).i64_eq().select();
    e.return_call_indirect(this.#regionType);
  }

  trap(code: number): void {
    this.#spill();
    this.#setPc(this.#e.op.pc);
    this.#leave(code);
  }

  /** Control goes to `pc`: a block of this region, or out of it. */
  #go(pc: number): void {
    const to = this.#shape.at.get(pc);
    if (to === undefined) {
      this.#chain(pc);
      return;
    }
    const e = this.#e;
    if (!this.#shape.isReducible) e.i32_const(to).local_set(this.#nextBlock).br(this.#dispatch);
    else if (to <= this.#at) e.br(this.#headerLabels[to]!);
    else if (this.#shape.nodes[to]!.isMerge) e.br(this.#labels[to]!);
    else this.#tree(to);
  }

  /** Leaves for the region at a known address. */
  #chain(pc: number): void {
    const e = this.#e;
    const slot = BANK_JUMP + (((pc % 0x1000_0000) << 3) & JUMP_INDEX_MASK);
    this.#spill();
    this.#setPc(pc);
    e.ctx().bank().local_get(FUEL);
    e.bank()
      .i32_load(slot + 8)
      .i32_const(0);
    e.bank().i64_load(slot).i64_const(pc).i64_eq().select();
    e.return_call_indirect(this.#regionType);
  }

  #burnFuel(out: () => void): void {
    const e = this.#e;
    e.local_get(FUEL).i32_const(1).i32_sub().local_tee(FUEL);
    e.i32_const(0).i32_lt_s().unlikely().if_();
    out();
    e.end();
  }

  #spill(): void {
    const e = this.#e;
    const { x, f } = this.#dirty;
    for (let r = 1; r < 32; r++) {
      if (x & (1 << r))
        e.ctx()
          .local_get(e.xLocal(r))
          .i64_store(CTX_X + r * 8);
    }
    for (let r = 0; r < 32; r++) {
      if (f & (1 << r))
        e.ctx()
          .local_get(e.fLocal(r))
          .f64_store(CTX_F + r * 8);
    }
  }

  #setPc(pc: number): void {
    this.#e.ctx().i64_const(pc).i64_store(CTX_PC);
  }

  #leave(trap: number): void {
    const e = this.#e;
    e.bank().local_get(FUEL).i32_store(BANK_FUEL);
    e.i32_const(trap).return_();
  }
}
