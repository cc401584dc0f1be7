/**
 * Traps other than ecall: page faults, illegal instructions, breakpoints.
 *
 * What the address space can resolve it resolves, and the instruction runs
 * again; the rest becomes a signal with si_addr. See sigaction(2).
 */
import { PROT_EXEC, PROT_READ, PROT_WRITE } from "../abi/mman.ts";
import {
  BUS_ADRALN,
  BUS_ADRERR,
  ILL_ILLOPC,
  SEGV_ACCERR,
  SEGV_MAPERR,
  SIGBUS,
  SIGILL,
  SIGSEGV,
  SIGTRAP,
  TRAP_BRKPT,
} from "../abi/signal.ts";
import type { Hart } from "../machine/hart.ts";
import {
  TRAP_BREAK,
  TRAP_FAULT_FETCH,
  TRAP_FAULT_READ,
  TRAP_FAULT_WRITE,
  TRAP_ILLEGAL,
  TRAP_MISALIGNED,
  type Trap,
} from "../machine/traps.ts";
import type { Lwp } from "../proc/lwp.ts";
import { relieveMemory } from "../proc/oom.ts";
import { faultSignal, type SigInfo } from "../proc/siginfo.ts";
import { forceSignal } from "../proc/signal.ts";
import { FAULT_ACCERR, FAULT_BUS, FAULT_OK, FAULT_OOM } from "../vm/faultcode.ts";

/** `known` is what the address space made of a page fault already (FAULT_*), or -1. */
export function userFault(td: Lwp, hart: Hart, trap: Trap, known: number): void {
  const signal = signalFor(td, hart, trap, known);
  if (signal) forceSignal(td, signal);
}

/** Null once the instruction may run again. */
function signalFor(td: Lwp, hart: Hart, trap: Trap, known: number): SigInfo | null {
  switch (trap) {
    case TRAP_FAULT_READ:
      return pageFault(td, hart.faultAddr, PROT_READ, known);
    case TRAP_FAULT_WRITE:
      return pageFault(td, hart.faultAddr, PROT_WRITE, known);
    case TRAP_FAULT_FETCH:
      return pageFault(td, hart.faultAddr, PROT_EXEC, -1);
    case TRAP_MISALIGNED:
      return faultSignal(SIGBUS, BUS_ADRALN, hart.faultAddr);
    case TRAP_BREAK:
      return faultSignal(SIGTRAP, TRAP_BRKPT, td.context.pc);
    case TRAP_ILLEGAL:
      return faultSignal(SIGILL, ILL_ILLOPC, td.context.pc);
    default:
      return null;
  }
}

function pageFault(td: Lwp, addr: number, access: number, known: number): SigInfo | null {
  switch (known >= 0 ? known : td.proc.vmspace.fault(addr, access)) {
    case FAULT_OK:
      return null;
    case FAULT_ACCERR:
      return faultSignal(SIGSEGV, SEGV_ACCERR, addr);
    case FAULT_BUS:
      return faultSignal(SIGBUS, BUS_ADRERR, addr);
    case FAULT_OOM:
      // Either a victim makes room and the access is tried again, or this is the victim.
      relieveMemory(td);
      return null;
    default:
      return faultSignal(SIGSEGV, SEGV_MAPERR, addr);
  }
}
