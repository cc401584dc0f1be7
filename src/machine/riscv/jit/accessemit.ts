/**
 * How compiled code reaches memory: from a virtual address to a physical one, inline.
 *
 * What is likely to be at home looks in the home map (mmu/home.ts), the rest in the TLB, in loops by way of a window that they carry in
 * locals; a group of accesses (groups.ts) looks once. All hope to hit: a miss leaves the region. Careful code calls
 * what goes on after misses (mmu/lookup.ts). The interpreter has memops.ts.
 */
import { BANK_READ, BANK_WRITE, HOME_PAGES } from "../../layout.ts";
import {
  HOME_READ,
  HOME_READ_BOTH,
  HOME_WRITE,
  HOME_WRITE_BOTH,
  homeByte,
  homeDistance,
  homePhysical,
} from "../../mmu/home.ts";
import {
  distance,
  lengthOf,
  physical,
  readAt,
  readSpan,
  tlbEntry,
  writeAt,
  writeSpan,
} from "../../mmu/lookup.ts";
import { I32, I64 } from "../../wasm/asm.ts";
import type { Helper } from "../helper.ts";
import { type Op, rs1Of } from "./graph.ts";
import type { Access, Base, Eager, Window } from "./groups.ts";
import { WordEmit } from "./wordemit.ts";

/** The bank is the second parameter. */
const BANK = 1;

export abstract class AccessEmit extends WordEmit {
  /** The instruction being emitted. */
  op!: Op;
  /** Where the interpreter goes on if the current instruction leaves, if not there. */
  protected leavesAt: number | undefined;
  /** What misses the TLB leaves the region; else it is looked for, and things go on. */
  hopesForHits = false;
  #accesses: ReadonlyMap<Op, Access> = new Map();
  /** The distance home. */
  readonly #home = this.newLocal(I32);
  readonly #windows: Window[] = [];
  readonly #groupLocals: number[] = [];
  #groupsUsed = 0;

  /** Leaves the instruction to the interpreter if the i32 on the stack is nonzero. */
  protected abstract exitIf(): this;
  /** The same in any case. */
  protected abstract exit(): this;
  /** Pushes x[r], i64. */
  abstract x(r: number): this;

  /** Pushes a physical address; how far from it the access of the current instruction is. */
  protected address(bytes: number, at: Helper): number {
    const access = this.#accesses.get(this.op);
    if (!access) {
      this.#virtual(this.op.imm).translate(at, bytes);
      return 0;
    }
    const { group, window } = access;
    if (access.isHead && group.members === 1) {
      this.#virtual(this.op.imm);
      if (window) this.#throughWindow(window, group.hasStore, at, bytes);
      else this.translate(at, bytes);
      return 0;
    }
    if (access.isHead) {
      const own = { register: rs1Of(this.op), distance: access.at - this.op.imm };
      this.#lookUp(access, access.base ?? own);
    }
    if (access.spread > 0) {
      this.local_get(group.delta).rs1().i32_wrap_i64().i32_add();
      if (this.op.imm !== 0) this.i32_const(this.op.imm).i32_add();
      return 0;
    }
    this.local_get(group.local);
    return access.at - group.min;
  }

  /** Looks up the group of an access by way of a register. */
  #lookUp({ group, window }: Access, { register, distance }: Base): void {
    const length = group.max - group.min;
    const [at, span] = group.hasStore ? [writeAt, writeSpan] : [readAt, readSpan];
    const [lookup, size] = length < 8 ? [at, length] : [span, length];
    const from = (): this =>
      this.x(register)
        .i64_const(group.min - distance)
        .i64_add();
    from();
    if (window) this.#throughWindow(window, group.hasStore, lookup, size);
    else this.translate(lookup, size);
    group.local = group.isLocal ? this.#groupLocal() : this.newLocal(I32);
    this.local_set(group.local);
    if (!group.hasIndex) return;
    group.delta = group.isLocal ? this.#groupLocal() : this.newLocal(I32);
    this.local_get(group.local);
    from().i32_wrap_i64().i32_sub().local_set(group.delta);
  }

  /** Looks up what a block looks up where it begins, at `pc`; the interpreter would go on from there. */
  protected lookUpFirst(list: readonly Eager[], pc: number): void {
    this.leavesAt = pc;
    for (const { op, access, base } of list) {
      this.op = op;
      this.releaseTemps();
      this.#lookUp(access, base);
    }
    this.leavesAt = undefined;
  }

  /** Pushes rs1 + offset. */
  #virtual(offset: number): this {
    this.rs1();
    return offset === 0 ? this : this.i64_const(offset).i64_add();
  }

  /** Takes a virtual address to a physical one by the lookup, or leaves. */
  protected translate(lookup: Helper, size: number): this {
    const va = this.temp(I64);
    this.local_set(va);
    if (this.hopesForHits) {
      return this.op.isAway ? this.#hit(va, lookup, size) : this.#atHome(va, lookup, size);
    }
    const pa = this.temp(I32);
    this.bank().local_get(va).i32_const(size);
    this.callHelper(lookup).local_tee(pa).i32_eqz();
    return this.exitIf().local_get(pa);
  }

  /** The same inline for what is likely to be at home: all other pages leave. */
  #atHome(va: number, lookup: Helper, size: number): this {
    const isRead = lookup === readAt || lookup === readSpan;
    const [alone, both] = isRead ? [HOME_READ, HOME_READ_BOTH] : [HOME_WRITE, HOME_WRITE_BOTH];
    const [page, state] = [this.temp(I64), this.temp(I32)];
    const found = this.block();
    const away = this.block();
    this.local_get(va);
    if (size > 1) this.i64_const(size - 1).i64_add();
    this.i64_const(12).i64_shr_u().local_tee(page).i64_const(HOME_PAGES).i64_ge_u();
    this.unlikely().br_if(away);
    homeByte(this, BANK, page);
    if (size === 1) {
      // In 64 bits: V8 merges a load into a test of 32, and makes it once more.
      this.i64_extend_i32_u().i64_const(alone).i64_and().i64_const(0).i64_ne();
      this.likely().br_if(found);
    } else {
      this.local_tee(state).i32_const(both).i32_and().likely().br_if(found);
      // The first of a run of pages: it must begin there too.
      this.local_get(va).i64_const(12).i64_shr_u().local_get(page).i64_eq();
      this.i32_const(alone).i32_mul().local_get(state).i32_and().br_if(found);
    }
    this.end();
    this.exit().end();
    homePhysical(this, this.#home, va);
    return this;
  }

  /** The same inline, as if nothing ever missed the TLB: no call means no registers to save for one. */
  #hit(va: number, lookup: Helper, size: number): this {
    const part = lookup === readAt || lookup === readSpan ? BANK_READ : BANK_WRITE;
    const [left, entry] = [this.temp(I64), this.temp(I32)];
    this.local_get(va);
    tlbEntry(this, BANK).local_set(entry);
    distance(this, va, entry, part).local_tee(left);
    lengthOf(this, entry, part).i64_ge_u();
    this.exitIf();
    if (size > 8) {
      this.local_get(left)
        .i64_const(size - 8)
        .i64_lt_u();
      this.exitIf();
    }
    physical(this, va, entry, part);
    return this;
  }

  /**
   * Takes a virtual address to a physical one by way of `window`, which is moved there if it is elsewhere;
   * asks `lookup` if no TLB entry has all of the window's span there.
   */
  #throughWindow(window: Window, isStore: boolean, lookup: Helper, size: number): void {
    const part = isStore ? BANK_WRITE : BANK_READ;
    const [va, left, entry, len] = [this.temp(I64), this.temp(I64), this.temp(I32), this.temp(I64)];
    this.local_set(va);
    const done = this.block(I32);
    const slow = this.block();
    this.local_get(window.last).local_get(va).i64_sub();
    this.local_get(window.len).i64_ge_u().unlikely().if_();
    this.local_get(va);
    tlbEntry(this, BANK).local_set(entry);
    // The last address for the span is as much before that for 8 bytes.
    const behind = Math.max(window.span - 8, 0);
    this.local_get(entry).i64_load(part).i64_const(behind).i64_sub().local_tee(window.last);
    this.local_get(va).i64_sub().local_set(left);
    lengthOf(this, entry, part);
    if (behind > 0) {
      this.local_tee(len).i64_const(behind).i64_sub().i64_const(0);
      this.local_get(len).i64_const(behind).i64_gt_u().select();
    }
    this.local_set(window.len);
    this.local_get(entry)
      .i32_load(part + 8)
      .local_set(window.delta);
    this.local_get(left).local_get(window.len).i64_ge_u().unlikely().br_if(slow);
    this.end();
    this.local_get(window.delta).br(done).end();
    if (this.hopesForHits) {
      this.i32_const(1).exitIf().unreachable();
    } else {
      this.local_get(va).translate(lookup, size).local_get(va).i32_wrap_i64().i32_sub();
    }
    // Added where the ways meet, so that V8 knows the sum to have no upper half.
    this.end().local_get(va).i32_wrap_i64().i32_add();
  }

  /**
   * Where the function begins, as hardly any does without. It holds to the end: a bank gets another address space only when its own has left
   * all compiled code.
   */
  openHome(): void {
    if (this.hopesForHits) homeDistance(this, BANK).local_set(this.#home);
  }

  /** Gives the windows that the accesses will use their locals, which are zero when the function begins. */
  openWindows(windows: Iterable<Window>): void {
    for (const window of windows) {
      window.last = this.newLocal(I64);
      window.len = this.newLocal(I64);
      window.delta = this.newLocal(I32);
      this.#windows.push(window);
    }
  }

  /** After a call: what windows show may be gone. */
  closeWindows(): void {
    for (const { len } of this.#windows) this.i64_const(0).local_set(len);
  }

  /** A local for a group's address. Groups of one block are alive together, blocks take turns. */
  #groupLocal(): number {
    if (this.#groupsUsed === this.#groupLocals.length) this.#groupLocals.push(this.newLocal(I32));
    return this.#groupLocals[this.#groupsUsed++]!;
  }

  /** Begins a block with these accesses. */
  protected startAccesses(accesses: ReadonlyMap<Op, Access>): void {
    this.#accesses = accesses;
    this.#groupsUsed = 0;
  }
}
