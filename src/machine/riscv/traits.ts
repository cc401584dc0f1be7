/**
 * What an instruction touches, found by running its body against a probe that emits nothing of use.
 *
 * Register allocation, block boundaries and the helpers to import all come from here, so
 * that no instruction says anything twice.
 */
import type { ValType } from "../wasm/asm.ts";
import { Emit } from "./emit.ts";
import { type Helper, serve } from "./helper.ts";
import type { Insn } from "./isa/insn.ts";
import { FP_SLOW } from "./softfloat/slowpath.ts";

export interface Traits {
  readonly rs1: boolean;
  readonly rs2: boolean;
  readonly rd: boolean;
  /** Of rs1 and rs2 more than the low half is read; rd is set to a sign-extended low half. */
  readonly rs1Whole: boolean;
  readonly rs2Whole: boolean;
  readonly rdWord: boolean;
  readonly frs1: boolean;
  readonly frs2: boolean;
  readonly frs3: boolean;
  readonly frd: boolean;
  /** May leave the run in the middle: memory access, or a conditional trap. */
  readonly mayTrap: boolean;
  /** How control leaves: to the next instruction, or as named. */
  readonly flow: "next" | "branch" | "jump" | "jumpTo" | "ecall" | "trap" | "fenceI";
  readonly loads: boolean;
  readonly stores: boolean;
  /** Size of the access at rs1 + imm; 0 for none or an atomic. */
  readonly accessBytes: number;
  readonly helpers: readonly Helper[];
  /** Does arithmetic whose native result may need a second look: may leave optimistic code. */
  readonly doubtful: boolean;
}

const known = new WeakMap<Insn, Traits>();

/** Traits of `insn`, computed once. */
export function traitsOf(insn: Insn): Traits {
  let t = known.get(insn);
  if (!t) {
    const probe = new Probe();
    insn.body(probe);
    t = probe.traits();
    known.set(insn, t);
  }
  return t;
}

class Probe extends Emit {
  readonly #seen = new Set<string>();
  readonly #helpers = new Set<Helper>();
  #flow: Traits["flow"] = "next";
  #accessBytes = 0;

  /** Nobody looks at the bytes. */
  override byte(_v: number): this {
    return this;
  }
  override bytes(_src: Uint8Array): this {
    return this;
  }

  traits(): Traits {
    const s = this.#seen;
    return {
      rs1: s.has("rs1"),
      rs2: s.has("rs2"),
      rd: s.has("rd"),
      rs1Whole: s.has("rs1Whole"),
      rs2Whole: s.has("rs2Whole"),
      rdWord: s.has("rdWord"),
      frs1: s.has("frs1"),
      frs2: s.has("frs2"),
      frs3: s.has("frs3"),
      frd: s.has("frd"),
      mayTrap: s.has("trap"),
      loads: s.has("load"),
      stores: s.has("store"),
      flow: this.#flow,
      accessBytes: this.#accessBytes,
      helpers: [...this.#helpers],
      doubtful: this.#helpers.has(FP_SLOW),
    };
  }

  #note(what: string): this {
    this.#seen.add(what);
    return this;
  }
  #noteSet(what: string, value: () => void): this {
    value();
    return this.#note(what);
  }

  rs1(): this {
    return this.#note("rs1").#note("rs1Whole");
  }
  rs2(): this {
    return this.#note("rs2").#note("rs2Whole");
  }
  override rs1w(): this {
    return this.#note("rs1");
  }
  override rs2w(): this {
    return this.#note("rs2");
  }
  imm(): this {
    return this;
  }
  setRd(value: () => void): this {
    return this.#noteSet("rd", value);
  }
  override setRdW(value: () => void): this {
    return this.#noteSet("rd", value).#note("rdWord");
  }
  frs1(): this {
    return this.#note("frs1");
  }
  frs2(): this {
    return this.#note("frs2");
  }
  frs3(): this {
    return this.#note("frs3");
  }
  frs1s(): this {
    return this.#note("frs1");
  }
  frs2s(): this {
    return this.#note("frs2");
  }
  frs3s(): this {
    return this.#note("frs3");
  }
  frs1bits(): this {
    return this.#note("frs1");
  }
  frs2bits(): this {
    return this.#note("frs2");
  }
  frs3bits(): this {
    return this.#note("frs3");
  }
  setFrd(value: () => void): this {
    return this.#noteSet("frd", value);
  }
  setFrdS(value: () => void): this {
    return this.#noteSet("frd", value);
  }
  setFrdBits(value: () => void): this {
    return this.#noteSet("frd", value);
  }
  rm(): this {
    return this;
  }
  staticRm(): number | undefined {
    return undefined;
  }
  ctx(): this {
    return this;
  }
  temp(_type: ValType): number {
    return 0;
  }
  callHelper(helper: Helper): this {
    this.#helpers.add(helper);
    return this;
  }
  field(_shift: number, _mask: number): this {
    return this;
  }
  ecall(): this {
    this.#flow = "ecall";
    return this.callHelper(serve);
  }
  trap(_code: number): this {
    this.#flow = "trap";
    return this.#note("trap");
  }
  trapIf(_code: number): this {
    return this.#note("trap");
  }
  load(bytes: number, op: (offset: number) => void): this {
    op(0);
    this.#accessBytes = bytes;
    return this.rs1().#note("load").#note("trap");
  }
  store(bytes: number, value: () => void): this {
    value();
    this.#accessBytes = bytes;
    return this.rs1().#note("store").#note("trap");
  }
  atomicAddr(_bytes: number, _readOnly?: boolean): this {
    return this.rs1().#note("load").#note("store").#note("trap");
  }
  pc(): this {
    return this;
  }
  nextPc(): this {
    return this;
  }
  branch(condition: () => void): this {
    condition();
    this.#flow = "branch";
    return this;
  }
  jump(): this {
    this.#flow = "jump";
    return this;
  }
  jumpTo(target: () => void, link: boolean): this {
    target();
    this.#flow = "jumpTo";
    return link ? this.#note("rd") : this;
  }
  fenceI(): this {
    this.#flow = "fenceI";
    return this;
  }
}
