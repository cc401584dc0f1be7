/**
 * The interpreter: one WebAssembly function generated from the instruction definitions.
 *
 * It decodes directly from memory, so code that changes needs nothing, and cold code costs
 * nothing before it runs. Each instruction has a handler, 16-bit ones too, which a small table
 * takes the word to (decode.ts): cold code waits for memory, so what is looked at must be little.
 * Within a page the next instruction is at `ip`, a physical address; leaving the page goes through the fetch TLB.
 *
 * Backward branches, calls, returns and indirect jumps are visits of where they go: entrance.ts.
 */
import {
  AWAY_MARKS,
  BANK_FETCH,
  BANK_FUEL,
  BANK_HOME,
  BANK_SWITCH,
  BRANCH_BYTES,
  BRANCH_MARKS,
  CTX_PC,
  DECODE_TABLE,
} from "../layout.ts";
import { fetchHigh, fetchSlot, fetchSlow } from "../mmu/access.ts";
import { TRAP_ECALL, TRAP_FAULT_FETCH, TRAP_FUEL, TRAP_ILLEGAL } from "../traps.ts";
import { I32, I64, type Label } from "../wasm/asm.ts";
import { type Decoder, FIELDS, FIRST_BITS, TABLE_BYTES, tableAt } from "./decode.ts";
import { BANK, DEPTH, EntranceEmit, FUEL } from "./entrance.ts";
import { type Helper, serve } from "./helper.ts";
import { NOWHERE } from "./hostcalls.ts";
import type { HalfInsn } from "./isa/c.ts";
import type { Insn } from "./isa/insn.ts";
import { longOperands } from "./isa/operandbits.ts";
import { ERRATIC } from "./jit/ways.ts";

/** Set in the depth given to the interpreter: it must not ask for a region at the first pc. */
export const NO_VISIT = 1 << 30;

// jal and jalr with ra or t0 for rd are calls, jalr with x0 for rd and one of those for rs1 is a return.
const LINK = 1;
const LINK_MASK = 0x1b;

/** Bytes that a processor fetches from memory at once. */
const CACHE_LINE = 64;

/** Emits the interpreter as a function (ctx, bank, fuel, depth) → result, as regions are (jit/region.ts). */
export class InterpEmit extends EntranceEmit {
  readonly #ip = this.newLocal(I32);
  readonly #base = this.newLocal(I32);
  readonly #cause = this.newLocal(I32);
  readonly #pageVa = this.newLocal(I64);
  #refetch: Label = 0;
  #jumped: Label = 0;
  #advance: Label = 0;
  #trapped: Label = 0;

  generate(decoder: Decoder): void {
    const { single } = this.options;
    this.ctx().i64_load(CTX_PC).local_set(this.target);
    const isFirst = this.newLocal(I32);
    this.local_get(DEPTH).i32_const(NO_VISIT).i32_and().local_set(isFirst);
    this.local_get(DEPTH).local_get(isFirst).i32_xor().local_set(DEPTH);
    const jump = this.loop();
    if (!single) {
      this.local_get(isFirst).i32_eqz().if_();
      this.visitJumpCache();
      this.end().i32_const(0).local_set(isFirst);
    }
    this.#refetch = this.loop();
    const fetchFault = this.block();
    this.#enterPage(fetchFault);
    this.#fetchFirst(fetchFault);
    const next = this.loop();
    this.#jumped = this.block();
    this.#advance = this.block();
    this.#trapped = this.block();
    const illegal = this.block();
    this.#dispatch(decoder, illegal);
    this.end();
    this.i32_const(TRAP_ILLEGAL).local_set(this.#cause);
    this.end(); // trapped
    this.#currentPc().local_set(this.target);
    this.leave(() => this.local_get(this.#cause));
    this.end(); // advance
    if (single) {
      this.#currentPc().local_set(this.target);
      this.leave(() => this.i32_const(TRAP_FUEL));
    } else {
      // At the page's last half may begin what ends in the next: `fetchFirst` sees to that.
      this.local_get(this.#ip).local_get(this.#base).i32_sub().i32_const(4094).i32_lt_u();
      this.likely().if_();
      this.#fetchNext().br(next);
      this.end();
      this.#currentPc().local_set(this.target);
      this.br(this.#refetch);
    }
    this.end(); // jumped
    if (single) this.leave(() => this.i32_const(TRAP_FUEL));
    else this.br(jump);
    this.end(); // next
    this.end(); // fetchFault
    this.leave(() => this.i32_const(TRAP_FAULT_FETCH));
    this.end(); // refetch
    this.end(); // jump
    this.unreachable();
  }

  /** Sets base, pageVa and ip for the instruction at `target`. */
  #enterPage(fetchFault: Label): void {
    fetchSlot(this, BANK, this.target).local_tee(this.slot).i64_load(BANK_FETCH);
    this.local_get(this.target).i64_const(-4096).i64_and().i64_const(1).i64_or().i64_eq();
    this.likely().if_(I32);
    this.local_get(this.slot).i32_load(BANK_FETCH + 8);
    this.else_();
    this.bank().local_get(this.target).callHelper(fetchSlow);
    this.end();
    this.local_tee(this.#base).i32_eqz().unlikely().br_if(fetchFault);
    this.local_get(this.target).i64_const(-4096).i64_and().local_set(this.#pageVa);
    this.local_get(this.target).i32_wrap_i64().i32_const(4095).i32_and();
    this.local_get(this.#base).i32_or().local_set(this.#ip);
    // What follows in the page is waited for too, soon: it comes meanwhile.
    this.local_get(this.#ip).i32_const(CACHE_LINE).i32_add().i32_const(4095).i32_and();
    this.local_get(this.#base).i32_or().i32_load8_u().drop();
  }

  /** Sets word from what is at ip, before the page's last half. */
  #fetchNext(): this {
    return this.local_get(this.#ip).i32_load().local_set(this.word);
  }

  /** The same anywhere: what begins in the last half may go on in the next page. */
  #fetchFirst(fetchFault: Label): void {
    const high = this.handler;
    this.#fetchNext();
    this.local_get(this.#ip).i32_const(4095).i32_and().i32_const(4094).i32_eq();
    this.local_get(this.word).i32_const(3).i32_and().i32_const(3).i32_eq();
    this.i32_and().unlikely().if_();
    this.#currentPc().local_set(this.target);
    this.bank().local_get(this.#pageVa).i64_const(4096).i64_add().callHelper(fetchHigh);
    this.local_tee(high).i32_const(-1).i32_eq().br_if(fetchFault);
    this.local_get(this.word).i32_const(0xffff).i32_and();
    this.local_get(high).i32_const(16).i32_shl().i32_or().local_set(this.word);
    this.end();
  }

  /** The table jump, and the handlers behind it. Each ends in a branch; those of further tables, which come first, in one to another. */
  #dispatch(decoder: Decoder, illegal: Label): void {
    const { forms, tables } = decoder;
    const handlers = forms.map(() => this.block()).reverse();
    const looks = FIELDS.map(() => this.block()).reverse();
    const labels = [illegal, ...handlers];
    const jump = (asked: number) => {
      // A field is asked for once, and in order.
      const further = tables.map(({ field }) =>
        FIELDS.indexOf(field) < asked ? illegal : looks[FIELDS.indexOf(field)]!,
      );
      this.local_get(this.handler).br_table([...labels, ...further], illegal);
    };
    this.local_get(this.word).i32_const(FIRST_BITS).i32_and();
    this.i32_load8_u(DECODE_TABLE).local_set(this.handler);
    jump(0);
    FIELDS.forEach(({ at, width }, i) => {
      this.end();
      this.local_get(this.handler).i32_const(TABLE_BYTES).i32_mul();
      this.field(at, 2 ** width - 1).i32_add();
      this.i32_load8_u(tableAt(-decoder.firstTable)).local_set(this.handler);
      jump(i + 1);
    });
    for (const form of forms) {
      this.end();
      this.releaseTemps();
      this.#refuse(form.match, decoder.unproven(form), illegal);
      if ("full" in form) this.#short(form, illegal);
      else this.#long(form);
    }
  }

  /** To `illegal` if the word is not `match` in these bits. */
  #refuse(match: number, bits: number, illegal: Label): void {
    if (bits === 0) return;
    this.local_get(this.word).i32_const(bits).i32_and();
    this.i32_const(match & bits)
      .i32_ne()
      .unlikely()
      .br_if(illegal);
  }

  #long(insn: Insn): void {
    this.form = { operands: longOperands(insn.imm), len: 4, mayBeX0: true };
    insn.body(this);
    this.#step();
  }

  #short({ full, operands, nonzero }: HalfInsn, illegal: Label): void {
    if (nonzero !== 0) {
      this.local_get(this.word).i32_const(nonzero).i32_and().i32_eqz();
      this.unlikely().br_if(illegal);
    }
    const { rd } = operands;
    const mayBeX0 = typeof rd !== "number" && rd.width === 5 && nonzero !== 31 << rd.at;
    this.form = { operands, len: 2, mayBeX0 };
    full.body(this);
    this.#step();
  }

  /** On to the next instruction. */
  #step(): void {
    this.local_get(this.#ip).i32_const(this.form.len).i32_add().local_set(this.#ip);
    this.br(this.#advance);
  }

  /** Saves pc (from `target`) and fuel, and returns. */
  protected leave(trap: () => void): void {
    this.ctx().local_get(this.target).i64_store(CTX_PC);
    this.bank().local_get(FUEL).i32_store(BANK_FUEL);
    trap();
    this.i32_const(-1).i32_xor().i64_const(NOWHERE).return_();
  }

  #currentPc(): this {
    this.local_get(this.#ip).local_get(this.#base).i32_sub().i64_extend_i32_u();
    return this.local_get(this.#pageVa).i64_add();
  }

  callHelper(helper: Helper): this {
    return this.call(this.options.indexOf(helper));
  }

  /** The code behind has not changed, or the call comes out. */
  ecall(): this {
    if (this.options.single) return this.trap(TRAP_ECALL);
    this.ctx().#currentPc().i64_store(CTX_PC);
    this.ctx().bank().local_get(FUEL).callHelper(serve);
    this.local_tee(FUEL).i32_const(0).i32_lt_s().unlikely().if_();
    return this.local_get(FUEL).i64_const(NOWHERE).return_().end();
  }
  trap(code: number): this {
    return this.i32_const(code).local_set(this.#cause).br(this.#trapped);
  }
  trapIf(code: number): this {
    this.unlikely().if_();
    return this.trap(code).end();
  }
  trapIfFault(code: number): this {
    return this.trapIf(code);
  }

  pc(): this {
    return this.#currentPc();
  }
  nextPc(): this {
    return this.#currentPc().i64_const(this.form.len).i64_add();
  }
  branch(condition: () => void): this {
    condition();
    this.if_();
    this.#markWay(1).#relativeJump(false);
    return this.end().#markWay(0);
  }
  /** A bit more in the mark for each time, until it has eight: pages are often away only until they are first written. */
  protected override noteHome(delta: number): void {
    const at = this.temp(I32);
    this.local_get(delta).bank().i64_load32_u(BANK_HOME).i64_ne().unlikely().if_();
    this.local_get(this.#ip)
      .i32_const(BRANCH_BYTES - 2)
      .i32_and()
      .local_tee(at);
    this.local_get(at).i32_load8_u(AWAY_MARKS).i32_const(1).i32_shl().i32_const(1).i32_or();
    this.i32_store8(AWAY_MARKS).end();
  }
  /** The mark becomes one more than that of the other way, but for its highest bit, which stays: see jit/ways.ts. */
  #markWay(taken: 0 | 1): this {
    const [at, mark] = [this.temp(I32), this.temp(I32)];
    this.local_get(this.#ip)
      .i32_const(BRANCH_BYTES - 2)
      .i32_and()
      .local_tee(at);
    this.local_get(at)
      .i32_load8_u(BRANCH_MARKS + 1 - taken)
      .local_tee(mark);
    this.i32_const(1).i32_add().local_get(mark).i32_const(ERRATIC).i32_and().i32_or();
    return this.i32_store8(BRANCH_MARKS + taken);
  }
  jump(): this {
    return this.#relativeJump(true);
  }
  /** A forward jump that does not link is a long step; others go by the jump cache. */
  #relativeJump(mayLink: boolean): this {
    const offset = this.heat;
    const { rd } = this.form.operands;
    const links = mayLink && typeof rd !== "number";
    // A jump to itself is a loop too: it must burn fuel.
    this.immw().local_tee(offset).i32_const(1).i32_lt_s();
    if (links) this.field(rd.at, 31).i32_or();
    this.if_();
    this.#currentPc().local_get(offset).i64_extend_i32_s().i64_add().local_set(this.target);
    if (links) this.#countCall();
    this.br(this.#jumped);
    this.end();
    this.local_get(this.#ip).local_get(offset).i32_add().local_set(this.#ip);
    return this.br(this.#advance);
  }
  jumpTo(target: () => void, link: boolean): this {
    const { rd, rs1 } = this.form.operands;
    target();
    this.local_set(this.target);
    if (link) this.setRd(() => this.nextPc());
    if ((rd === 0 || typeof rd !== "number") && typeof rs1 !== "number") {
      this.#isLink(rs1.at);
      if (rd !== 0)
        this.local_get(this.word)
          .i32_const(31 << rd.at)
          .i32_and()
          .i32_eqz()
          .i32_and();
      this.if_();
      this.#return();
      this.end();
    }
    this.#countCall();
    this.bank().#currentPc().i64_store(BANK_SWITCH);
    this.bank()
      .local_get(this.target)
      .i64_store(BANK_SWITCH + 8);
    return this.br(this.#jumped);
  }
  /** One more call if the jump at hand is one; nothing is lost if it never returns. */
  #countCall(): void {
    const { rd } = this.form.operands;
    if (rd === 0) return;
    if (typeof rd === "number") this.i32_const(1);
    else this.#isLink(rd.at);
    this.local_get(this.calls).i32_add().local_set(this.calls);
  }
  /** Pushes whether the register at this bit is one that links: ra or t0, x1 and x5. Source: unprivileged spec, "jal". */
  #isLink(at: number): this {
    this.local_get(this.word)
      .i32_const(LINK_MASK << at)
      .i32_and();
    return this.i32_const(LINK << at).i32_eq();
  }

  /** Back to code that was being interpreted, or to the compiled caller; with neither it is a jump. */
  #return(): void {
    this.local_get(this.calls).if_();
    this.local_get(this.calls).i32_const(1).i32_sub().local_set(this.calls);
    this.br(this.#refetch);
    this.end();
    this.local_get(DEPTH).if_();
    this.local_get(FUEL).local_get(this.target).return_();
    this.end();
  }

  fenceI(): this {
    // Compiled callers that wait may be of the code that was written: none is returned to.
    this.nextPc()
      .local_set(this.target)
      .leave(() => this.i32_const(TRAP_FUEL));
    return this;
  }
}
