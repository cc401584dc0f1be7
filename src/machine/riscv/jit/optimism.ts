/**
 * What a region does that is optimistic about floating point: it runs segments (segments.ts) with native instructions,
 * looks at their ends whether that was right, and otherwise goes back to where they began and leaves to the interpreter.
 */
import { CTX_FPSLOW } from "../../layout.ts";
import { I32, I64, type Label, V128, type ValType } from "../../wasm/asm.ts";
import { doubted, interpret } from "../hostcalls.ts";
import { DEPTH, FUEL, type JitEmit } from "./jitemit.ts";
import type { RegSet } from "./regs.ts";
import type { Segment } from "./segments.ts";
import { setPc, storeRegs } from "./transfer.ts";
import type { Widths } from "./widths.ts";

/** A segment whose code is being emitted. */
export interface Open {
  readonly segment: Segment;
  /** Registers that were dirty at its start, and locals that are kept in others meanwhile. */
  readonly dirty: RegSet;
  readonly widths: Widths;
  readonly saved: readonly [from: number, to: number][];
  /** Where control goes behind what is done in doubt, and that itself. */
  readonly done: Label;
  readonly doubts: Label;
}

export class Optimism {
  readonly isOn: boolean;
  /** The segment that code is in. */
  open: Open | undefined;
  readonly #e: JitEmit;
  readonly #locals = new Map<ValType, number[]>();

  constructor(e: JitEmit, isOn: boolean) {
    this.#e = e;
    this.isOn = isOn;
  }

  /** From here on code is in this segment, or in none. */
  goOn(open: Open | undefined): void {
    this.open = open;
    this.#e.doubts = open?.doubts;
  }

  /** Control leaves the segment that it is in. */
  look(): void {
    const e = this.#e;
    e.trust.check(e, () => e.doubtIf());
    this.goOn(undefined);
  }

  /** Begins a segment where these registers are dirty. */
  begin(segment: Segment, { x, f }: RegSet): Open {
    const { writes } = segment;
    const e = this.#e;
    const dirty = { x, f };
    const widths = { ...e.widths };
    const done = e.block();
    const doubts = e.block();
    // What the segment overwrites of what would have to be stored where it starts.
    const saved: [from: number, to: number][] = [];
    const taken = new Map<ValType, number>();
    const save = (type: ValType, from: number): void => {
      const n = taken.get(type) ?? 0;
      taken.set(type, n + 1);
      saved.push([from, this.#local(type, n)]);
    };
    for (let r = 0; r < 32; r++) {
      if (x & writes.x & (1 << r)) {
        if (e.isNarrow(r)) save(I32, e.wordLocal(r));
        else save(I64, e.xLocal(r));
      }
      if (f & writes.f & (1 << r)) save(V128, e.fLocal(r));
    }
    for (const [from, to] of saved) e.local_get(from).local_set(to);
    return { segment, dirty, widths, saved, done, doubts };
  }

  /** Emits what a segment does in doubt, behind it; `goesOn` if control comes here and goes on behind that. */
  close({ segment, dirty, widths, saved, done }: Open, goesOn: boolean): void {
    const e = this.#e;
    if (goesOn) e.br(done);
    else e.unreachable();
    e.end();
    for (const [to, from] of saved) e.local_get(from).local_set(to);
    const after = e.widths;
    e.widths = widths;
    storeRegs(e, dirty);
    e.widths = after;
    setPc(e, segment.pc);
    this.#leaveWithDoubt();
    e.end();
    if (!goesOn) e.unreachable();
  }

  /** Leaves if the native path of floating point is not open; `before` puts into the context what is not there. */
  leaveIfSlow(before: () => void): void {
    if (!this.isOn) return;
    const e = this.#e;
    e.ctx().i32_load(CTX_FPSLOW).unlikely().if_();
    before();
    this.#leaveWithDoubt();
    e.end();
  }

  /** Everything is in the context: the interpreter's turn, and the translator should know. */
  #leaveWithDoubt(): void {
    const e = this.#e;
    e.bank().f64_const(e.entry).callHelper(doubted);
    e.ctx().bank().local_get(FUEL).local_get(DEPTH).tailCallHelper(interpret);
  }

  #local(type: ValType, n: number): number {
    let locals = this.#locals.get(type);
    if (!locals) {
      locals = [];
      this.#locals.set(type, locals);
    }
    locals[n] ??= this.#e.newLocal(type);
    return locals[n];
  }
}
