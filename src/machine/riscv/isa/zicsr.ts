/**
 * Zicsr: the control and status registers a user program may touch: fcsr and its parts, and
 * the counters. `time` counts nanoseconds; `cycle` and `instret` tell the same.
 *
 * Source: The RISC-V Instruction Set Manual, Volume I, chapters "Zicsr", "Zicntr" and "F".
 */
import { CTX_FFLAGS, CTX_FPSLOW, CTX_FRM } from "../../layout.ts";
import { TRAP_ILLEGAL } from "../../traps.ts";
import { F64, I32, I64 } from "../../wasm/asm.ts";
import type { Emit } from "../emit.ts";
import type { Helper } from "../helper.ts";
import { FLAG_NX } from "../softfloat/format.ts";
import { refreshFpSlow } from "../softfloat/slowframe.ts";
import { BARE, type Insn, insn } from "./insn.ts";

const CSR_FFLAGS = 1;
const CSR_FRM = 2;
const CSR_FCSR = 3;
const CSR_CYCLE = 0xc00;

/** Nanoseconds since the machine started. Provided by the host. */
const clockNs: Helper = { name: "clockNs", params: [], results: [F64] };

/** 1 if (csr, writes) is refused: unknown, or a counter and written. */
const csrRefused: Helper = {
  name: "csrRefused",
  params: [I32, I32],
  results: [I32],
  body: (a) => {
    a.local_get(0).i32_const(CSR_FFLAGS).i32_sub().i32_const(3).i32_ge_u();
    a.local_get(0).i32_const(CSR_CYCLE).i32_sub().i32_const(3).i32_ge_u();
    a.local_get(1).i32_or().i32_and();
  },
};

/** Value of an accepted csr. */
const csrRead: Helper = {
  name: "csrRead",
  params: [I32, I32],
  results: [I64],
  uses: [clockNs],
  body: (a, call) => {
    a.local_get(1).i32_const(CSR_CYCLE).i32_ge_u().if_();
    call(clockNs);
    a.i64_trunc_sat_f64_s().return_().end();
    a.local_get(1).i32_const(CSR_FFLAGS).i32_eq().if_();
    a.local_get(0).i64_load32_u(CTX_FFLAGS).return_().end();
    a.local_get(1).i32_const(CSR_FRM).i32_eq().if_();
    a.local_get(0).i64_load32_u(CTX_FRM).return_().end();
    a.local_get(0).i64_load32_u(CTX_FRM).i64_const(5).i64_shl();
    a.local_get(0).i64_load32_u(CTX_FFLAGS).i64_or();
  },
};

/** Writes fflags, frm or fcsr, and what follows from them. */
const csrWrite: Helper = {
  name: "csrWrite",
  params: [I32, I32, I64],
  results: [],
  body: (a) => {
    const [ctx, csr, value] = [0, 1, 2];
    const low = () => a.local_get(value).i32_wrap_i64();
    a.local_get(csr).i32_const(CSR_FRM).i32_ne().if_();
    a.local_get(ctx);
    low().i32_const(31).i32_and().i32_store(CTX_FFLAGS).end();
    a.local_get(csr).i32_const(CSR_FFLAGS).i32_ne().if_();
    a.local_get(ctx);
    low().local_get(csr).i32_const(CSR_FCSR).i32_eq().i32_const(5).i32_mul().i32_shr_u();
    a.i32_const(7).i32_and().i32_store(CTX_FRM).end();
    refreshFpSlow(a, () => a.local_get(ctx));
  },
};

type Combine = "write" | "set" | "clear";

/** The 5-bit field at rs1: a register, or in the `i` forms the operand itself. */
const rs1Field = (e: Emit): Emit => e.field(15, 31);

export const ZICSR_INSNS: readonly Insn[] = [
  insn("csrrw", BARE(0x73, 1), "rd, csr, rs1", (e) => access(e, "write", () => e.rs1())),
  insn("csrrs", BARE(0x73, 2), "rd, csr, rs1", (e) => access(e, "set", () => e.rs1())),
  insn("csrrc", BARE(0x73, 3), "rd, csr, rs1", (e) => access(e, "clear", () => e.rs1())),
  insn("csrrwi", BARE(0x73, 5), "rd, csr, uimm", (e) => access(e, "write", () => uimm(e))),
  insn("csrrsi", BARE(0x73, 6), "rd, csr, uimm", (e) => access(e, "set", () => uimm(e))),
  insn("csrrci", BARE(0x73, 7), "rd, csr, uimm", (e) => access(e, "clear", () => uimm(e))),
];

function uimm(e: Emit): void {
  rs1Field(e).i64_extend_i32_u();
}

/** Reads, then writes what `combine` makes of old value and operand; setting nothing writes nothing. */
function access(e: Emit, combine: Combine, operand: () => void): void {
  const csr = () => e.field(20, 0xfff);
  const [old, given] = [e.temp(I64), e.temp(I64)];
  const known = e.staticField(20, 0xfff);
  const isKnown = known !== undefined && known >= CSR_FFLAGS && known <= CSR_FCSR;
  if (!isKnown) {
    csr();
    if (combine === "write") e.i32_const(1);
    else rs1Field(e).i32_const(0).i32_ne();
    e.callHelper(csrRefused).trapIf(TRAP_ILLEGAL);
  }
  operand();
  e.local_set(given);
  e.ctx();
  if (known === CSR_FFLAGS) e.i64_load32_u(CTX_FFLAGS);
  else csr().callHelper(csrRead);
  e.local_set(old);
  const writes = combine === "write" || e.staticField(15, 31);
  if (writes !== 0) {
    if (writes === undefined) rs1Field(e).if_();
    if (combine === "set") e.local_get(old).local_get(given).i64_or();
    else if (combine === "clear")
      e.local_get(given).i64_const(-1).i64_xor().local_get(old).i64_and();
    else e.local_get(given);
    e.local_set(given);
    if (known === CSR_FFLAGS) {
      setFlags(e, given);
    } else {
      e.ctx();
      csr().local_get(given).callHelper(csrWrite);
    }
    if (writes === undefined) e.end();
  }
  e.setRd(() => e.local_get(old));
  if (writes !== 0) e.fcsrWritten();
}

/** True for an access that may write: csrrs and csrrc of x0 or of no bits do not. */
export function writesCsr(word: number): boolean {
  const isAccess = (word & 0x7f) === 0x73 && ((word >>> 12) & 3) !== 0;
  return isAccess && (((word >>> 12) & 3) === 1 || ((word >>> 15) & 31) !== 0);
}

/**
 * fflags := the local. Worth having inline: C compilers put a read and a write of it around each
 * comparison that must not raise a flag.
 */
function setFlags(e: Emit, value: number): void {
  e.ctx().local_get(value).i32_wrap_i64().i32_const(31).i32_and().i32_store(CTX_FFLAGS);
  if (!e.isFpOpen()) {
    refreshFpSlow(e, () => e.ctx());
    return;
  }
  e.local_get(value).i32_wrap_i64().i32_const(FLAG_NX).i32_and().i32_eqz().unlikely().if_();
  e.ctx().i64_const(-1).i64_store(CTX_FPSLOW).end();
}
