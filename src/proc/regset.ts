/**
 * The register sets of a thread, as ptrace(2) and core(5) have them.
 * Source: Linux arch/riscv/kernel/ptrace.c.
 */
import { FPR_SET_SIZE, GPR_SET_SIZE, NT_PRFPREG, NT_PRSTATUS } from "../abi/ptrace.ts";
import type { Lwp } from "./lwp.ts";

const F_BYTES = 32 * 8;
const A0 = 10;
const A7 = 17;

/** The set of this note type, or null if there is none. */
export function getRegset(td: Lwp, type: number): Uint8Array | null {
  if (type === NT_PRSTATUS) return generalRegisters(td);
  return type === NT_PRFPREG ? floatRegisters(td) : null;
}

/** Replaces the beginning of a set by `bytes`, whose size is a multiple of 8 and fits. */
export function setRegset(td: Lwp, type: number, bytes: Uint8Array): void {
  const all = getRegset(td, type)!;
  const before = all.slice();
  all.set(bytes);
  const v = new DataView(all.buffer);
  const { context } = td;
  if (type === NT_PRFPREG) {
    context.fBytes.set(all.subarray(0, F_BYTES));
    context.fcsr = v.getUint32(F_BYTES, true) & 0xff;
    return;
  }
  for (let i = 1; i < 32; i++) {
    context.setXParts(i, v.getInt32(i * 8, true), v.getInt32(i * 8 + 4, true));
  }
  context.pc = v.getUint32(4, true) * TWO32 + v.getUint32(0, true);
  if (td.callInProgress >= 0 && td.trace?.view === null && isOtherCall(before, all)) {
    // What it was interrupted in is not what it will go on with.
    td.endCall();
    td.trace.callStage = "none";
  }
}

const TWO32 = 0x1_0000_0000;

/** pc, a0 … a5 or a7 differ. */
function isOtherCall(before: Uint8Array, after: Uint8Array): boolean {
  const differs = (reg: number): boolean => {
    for (let at = reg * 8; at < reg * 8 + 8; at++) if (before[at] !== after[at]) return true;
    return false;
  };
  if (differs(0) || differs(A7)) return true;
  for (let reg = A0; reg < A0 + 6; reg++) if (differs(reg)) return true;
  return false;
}

/** pc in the place of x0. */
function generalRegisters(td: Lwp): Uint8Array {
  const out = new Uint8Array(GPR_SET_SIZE);
  out.set(td.context.xBytes);
  const v = new DataView(out.buffer);
  const { pc } = td.context;
  v.setUint32(0, pc % TWO32, true);
  v.setUint32(4, Math.floor(pc / TWO32), true);
  return out;
}

function floatRegisters(td: Lwp): Uint8Array {
  const out = new Uint8Array(FPR_SET_SIZE);
  out.set(td.context.fBytes);
  new DataView(out.buffer).setUint32(F_BYTES, td.context.fcsr, true);
  return out;
}
