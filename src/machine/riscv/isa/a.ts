/**
 * A: atomics, as WebAssembly's own (sequentially consistent) ones.
 *
 * Load-reserved remembers address and value; store-conditional is a compare-and-swap
 * against them. A value that changed and changed back goes unnoticed, as it does in
 * qemu; a context switch in between is harmless for the same reason.
 * Source: The RISC-V Instruction Set Manual, Volume I, chapter "A" Extension.
 */
import { CTX_RES_ADDR, CTX_RES_VALUE } from "../../layout.ts";
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

type Rmw = "add" | "and" | "or" | "xor" | "xchg";
const SYNTAX = "rd, rs2, (rs1)";

export const A_INSNS: readonly Insn[] = [W, D].flatMap((w) => [
  insn(`lr${w.suffix}`, AMO1(w.f3, 2), "rd, (rs1)", (e) => loadReserved(e, w)),
  insn(`sc${w.suffix}`, AMO(w.f3, 3), SYNTAX, (e) => storeConditional(e, w)),
  insn(`amoswap${w.suffix}`, AMO(w.f3, 1), SYNTAX, (e) => rmw(e, w, "xchg")),
  insn(`amoadd${w.suffix}`, AMO(w.f3, 0), SYNTAX, (e) => rmw(e, w, "add")),
  insn(`amoxor${w.suffix}`, AMO(w.f3, 4), SYNTAX, (e) => rmw(e, w, "xor")),
  insn(`amoand${w.suffix}`, AMO(w.f3, 12), SYNTAX, (e) => rmw(e, w, "and")),
  insn(`amoor${w.suffix}`, AMO(w.f3, 8), SYNTAX, (e) => rmw(e, w, "or")),
  insn(`amomin${w.suffix}`, AMO(w.f3, 16), SYNTAX, (e) => minMax(e, w, () => e.i64_lt_s())),
  insn(`amomax${w.suffix}`, AMO(w.f3, 20), SYNTAX, (e) => minMax(e, w, () => e.i64_gt_s())),
  insn(`amominu${w.suffix}`, AMO(w.f3, 24), SYNTAX, (e) => minMax(e, w, () => e.i64_lt_u())),
  insn(`amomaxu${w.suffix}`, AMO(w.f3, 28), SYNTAX, (e) => minMax(e, w, () => e.i64_gt_u())),
]);

function loadReserved(e: Emit, w: Width): void {
  const [pa, value] = [e.temp(I32), e.temp(I64)];
  e.atomicAddr(w.bytes, true).local_set(pa);
  e.local_get(pa);
  atomicLoad(e, w);
  e.local_set(value);
  e.ctx().rs1().i64_store(CTX_RES_ADDR);
  e.ctx().local_get(value).i64_store(CTX_RES_VALUE);
  e.setRd(() => e.local_get(value));
}

function storeConditional(e: Emit, w: Width): void {
  const [pa, failed] = [e.temp(I32), e.temp(I64)];
  e.atomicAddr(w.bytes).local_set(pa);
  e.i64_const(1).local_set(failed);
  e.ctx().i64_load(CTX_RES_ADDR).rs1().i64_eq().if_();
  if (w.bytes === 4) {
    e.local_get(pa).ctx().i32_load(CTX_RES_VALUE).rs2w().i32_atomic_rmw_cmpxchg();
    e.ctx().i32_load(CTX_RES_VALUE).i32_ne();
  } else {
    e.local_get(pa).ctx().i64_load(CTX_RES_VALUE).rs2().i64_atomic_rmw_cmpxchg();
    e.ctx().i64_load(CTX_RES_VALUE).i64_ne();
  }
  e.i64_extend_i32_u().local_set(failed);
  e.end();
  e.ctx().i64_const(-1).i64_store(CTX_RES_ADDR);
  e.setRd(() => e.local_get(failed));
}

function rmw(e: Emit, w: Width, op: Rmw): void {
  const pa = e.temp(I32);
  e.atomicAddr(w.bytes).local_set(pa);
  e.setRd(() => {
    e.local_get(pa);
    if (w.bytes === 4) e.rs2w()[`i32_atomic_rmw_${op}`]().i64_extend_i32_s();
    else e.rs2()[`i64_atomic_rmw_${op}`]();
  });
}

/** Repeats compare-and-swap until nobody came between. `better` compares (rs2, old). */
function minMax(e: Emit, w: Width, better: () => void): void {
  const [pa, old, mine, seen] = [e.temp(I32), e.temp(I64), e.temp(I64), e.temp(I64)];
  e.atomicAddr(w.bytes).local_set(pa);
  e.rs2();
  if (w.bytes === 4) e.i64_extend32_s();
  e.local_set(mine);
  e.local_get(pa);
  atomicLoad(e, w);
  e.local_set(seen);
  const again = e.loop();
  e.local_get(seen).local_set(old);
  e.local_get(pa);
  if (w.bytes === 4) {
    e.local_get(old).i32_wrap_i64();
    choose();
    e.i32_wrap_i64().i32_atomic_rmw_cmpxchg().i64_extend_i32_s();
  } else {
    e.local_get(old);
    choose();
    e.i64_atomic_rmw_cmpxchg();
  }
  e.local_tee(seen).local_get(old).i64_ne().br_if(again);
  e.end();
  e.setRd(() => e.local_get(old));

  function choose(): void {
    e.local_get(mine).local_get(old).local_get(mine).local_get(old);
    better();
    e.select();
  }
}

/** The value at the address on the stack, sign-extended. */
function atomicLoad(e: Emit, w: Width): void {
  if (w.bytes === 4) e.i32_atomic_load().i64_extend_i32_s();
  else e.i64_atomic_load();
}
