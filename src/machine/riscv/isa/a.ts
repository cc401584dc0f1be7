/**
 * A: atomics, as plain loads and stores.
 *
 * All harts of a machine run on one thread, and none stops within an instruction: so nobody comes between the load
 * and the store, and the bus need not be locked for it, which is most of what an atomic costs. Harts on threads of
 * their own would need WebAssembly's atomics here, and its fence for `fence`.
 *
 * Load-reserved remembers address and value; store-conditional stores if memory still has that
 * value. One that changed and changed back goes unnoticed, as it does in
 * qemu; a context switch in between is harmless for the same reason.
 * Source: The RISC-V Instruction Set Manual, Volume I, chapter "A" Extension.
 */
import { CTX_RES_ADDR, CTX_RES_VALUE } from "../../layout.ts";
import { storeOf } from "../../mmu/access.ts";
import { I32, I64 } from "../../wasm/asm.ts";
import type { Emit } from "../emit.ts";
import { AMO, AMO1, type Insn, insn } from "./insn.ts";

/** What a read-modify-write of one width is made of. */
interface Width {
  readonly bytes: number;
  readonly f3: number;
  readonly suffix: string;
}
const W: Width = { bytes: 4, f3: 2, suffix: ".w" };
const D: Width = { bytes: 8, f3: 3, suffix: ".d" };

const SYNTAX = "rd, rs2, (rs1)";

export const A_INSNS: readonly Insn[] = [W, D].flatMap((w) => [
  insn(`lr${w.suffix}`, AMO1(w.f3, 2), "rd, (rs1)", (e) => loadReserved(e, w)),
  insn(`sc${w.suffix}`, AMO(w.f3, 3), SYNTAX, (e) => storeConditional(e, w)),
  insn(`amoswap${w.suffix}`, AMO(w.f3, 1), SYNTAX, (e) => rmw(e, w)),
  insn(`amoadd${w.suffix}`, AMO(w.f3, 0), SYNTAX, (e) => rmw(e, w, () => e.i64_add())),
  insn(`amoxor${w.suffix}`, AMO(w.f3, 4), SYNTAX, (e) => rmw(e, w, () => e.i64_xor())),
  insn(`amoand${w.suffix}`, AMO(w.f3, 12), SYNTAX, (e) => rmw(e, w, () => e.i64_and())),
  insn(`amoor${w.suffix}`, AMO(w.f3, 8), SYNTAX, (e) => rmw(e, w, () => e.i64_or())),
  insn(`amomin${w.suffix}`, AMO(w.f3, 16), SYNTAX, (e) => minMax(e, w, () => e.i64_lt_s())),
  insn(`amomax${w.suffix}`, AMO(w.f3, 20), SYNTAX, (e) => minMax(e, w, () => e.i64_gt_s())),
  insn(`amominu${w.suffix}`, AMO(w.f3, 24), SYNTAX, (e) => minMax(e, w, () => e.i64_lt_u())),
  insn(`amomaxu${w.suffix}`, AMO(w.f3, 28), SYNTAX, (e) => minMax(e, w, () => e.i64_gt_u())),
]);

function loadReserved(e: Emit, w: Width): void {
  const value = e.temp(I64);
  e.atomicAddr(w.bytes, true);
  load(e, w).local_set(value);
  e.ctx().rs1().i64_store(CTX_RES_ADDR);
  e.ctx().local_get(value).i64_store(CTX_RES_VALUE);
  e.setRd(() => e.local_get(value));
}

function storeConditional(e: Emit, w: Width): void {
  const [pa, failed] = [e.temp(I32), e.temp(I64)];
  e.atomicAddr(w.bytes).local_set(pa);
  e.i64_const(1).local_set(failed);
  e.ctx().i64_load(CTX_RES_ADDR).rs1().i64_eq();
  e.local_get(pa);
  load(e, w).ctx();
  load(e, w, CTX_RES_VALUE).i64_eq().i32_and().if_();
  store(e, w, pa, () => e.rs2());
  e.i64_const(0).local_set(failed);
  e.end();
  e.ctx().i64_const(-1).i64_store(CTX_RES_ADDR);
  e.setRd(() => e.local_get(failed));
}

/** rd := memory, memory := `combine` of that and rs2; or rs2. */
function rmw(e: Emit, w: Width, combine?: () => void): void {
  const [pa, old] = [e.temp(I32), e.temp(I64)];
  e.atomicAddr(w.bytes).local_tee(pa);
  load(e, w).local_set(old);
  store(e, w, pa, () => {
    if (combine) e.local_get(old);
    e.rs2();
    combine?.();
  });
  e.setRd(() => e.local_get(old));
}

/** `better` compares (rs2, old). */
function minMax(e: Emit, w: Width, better: () => void): void {
  const [pa, old, mine] = [e.temp(I32), e.temp(I64), e.temp(I64)];
  e.atomicAddr(w.bytes).local_tee(pa);
  load(e, w).local_set(old);
  e.rs2();
  if (w.bytes === 4) e.i64_extend32_s();
  e.local_set(mine);
  store(e, w, pa, () => {
    e.local_get(mine).local_get(old).local_get(mine).local_get(old);
    better();
    e.select();
  });
  e.setRd(() => e.local_get(old));
}

/** The value at the address on the stack, sign-extended. */
function load(e: Emit, w: Width, offset = 0): Emit {
  return w.bytes === 4 ? e.i64_load32_s(offset) : e.i64_load(offset);
}

function store(e: Emit, w: Width, pa: number, value: () => void): void {
  e.local_get(pa);
  value();
  storeOf(e, w.bytes, 0);
}
