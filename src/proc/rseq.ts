/**
 * Restartable sequences: code that is begun again if its thread was interrupted in it.
 *
 * A thread that gives up the CPU is marked (`isDue`), and before it goes on in user
 * mode, or enters a handler, its pc is moved to the abort handler of the sequence
 * that it is in, if it is in one. With one CPU the numbers that the kernel keeps in the area are
 * always 0; they are looked at all the same, since the program may write there.
 * See rseq(2), Linux's kernel/rseq.c.
 */

import { failed } from "../abi/errno.ts";
import {
  RSEQ_CPU_ID,
  RSEQ_CPU_ID_START,
  RSEQ_CPU_ID_UNINITIALIZED,
  RSEQ_CS,
  RSEQ_FLAGS,
  RSEQ_MM_CID,
  RSEQ_NODE_ID,
  RseqCs,
} from "../abi/rseq.ts";
import { SI_KERNEL, SIG_DFL, SIGSEGV } from "../abi/signal.ts";
import { USER_END } from "../vm/param.ts";
import type { UserMemory } from "../vm/usermem.ts";
import type { Lwp } from "./lwp.ts";
import { forceSignal } from "./signal.ts";

const SIGNATURE_BYTES = 4;

/** A thread's registration. */
export class Rseq {
  /** Of its struct rseq, and how long that is. */
  readonly addr: number;
  readonly length: number;
  /** What stands before every abort handler. */
  readonly signature: number;
  /** It was interrupted since it was in user mode. */
  isDue = true;

  constructor(addr: number, length: number, signature: number) {
    this.addr = addr;
    this.length = length;
    this.signature = signature;
  }

  /** The numbers in the area become these: false if they cannot be written. */
  store(mem: UserMemory, cpuId: number, cpuIdStart: number): boolean {
    const { addr } = this;
    return (
      mem.storeU32(addr + RSEQ_CPU_ID_START, cpuIdStart) >= 0 &&
      mem.storeU32(addr + RSEQ_CPU_ID, cpuId) >= 0 &&
      mem.storeU32(addr + RSEQ_NODE_ID, 0) >= 0 &&
      mem.storeU32(addr + RSEQ_MM_CID, 0) >= 0
    );
  }
}

/** The thread is to go on in user mode: true, or false with a SIGSEGV for what it registered. */
export function resumeSequence(td: Lwp, rseq: Rseq): boolean {
  rseq.isDue = false;
  const mem = td.proc.vmspace;
  const cpu = td.cpu.id;
  const isGood =
    leaveSequence(td, rseq) && (hasNumbers(mem, rseq, cpu) || rseq.store(mem, cpu, cpu));
  if (isGood) return true;
  if (mem.ranOut) {
    // Nothing wrong but that there is no memory: the next one who misses it will see to that.
    mem.ranOut = false;
    return true;
  }
  forceSignal(td, { signo: SIGSEGV, code: SI_KERNEL });
  return false;
}

/** The thread is to enter the handler of `signo`: the frame shall hold the abort handler's address. */
export function interruptSequence(td: Lwp, rseq: Rseq, signo: number): void {
  if (leaveSequence(td, rseq)) return;
  td.proc.vmspace.ranOut = false;
  // As Linux's force_sigsegv: a handler of SIGSEGV is not asked about itself.
  if (signo === SIGSEGV) td.proc.sigactions.edit(SIGSEGV).handler = SIG_DFL;
  forceSignal(td, { signo: SIGSEGV, code: SI_KERNEL });
}

/** unregisters: false if the area cannot be written. */
export function endSequences(td: Lwp, rseq: Rseq): boolean {
  if (!rseq.store(td.proc.vmspace, RSEQ_CPU_ID_UNINITIALIZED, 0)) return false;
  td.rseq = null;
  return true;
}

function hasNumbers(mem: UserMemory, { addr }: Rseq, cpu: number): boolean {
  return (
    mem.loadU32(addr + RSEQ_CPU_ID_START) === cpu &&
    mem.loadU32(addr + RSEQ_CPU_ID) === cpu &&
    mem.loadU32(addr + RSEQ_NODE_ID) === 0 &&
    mem.loadU32(addr + RSEQ_MM_CID) === 0
  );
}

/** Moves the pc out of the sequence that it is in, if any; none is left registered. False if something is wrong with it. */
function leaveSequence(td: Lwp, rseq: Rseq): boolean {
  const { vmspace: mem } = td.proc;
  const at = mem.loadU64(rseq.addr + RSEQ_CS);
  if (at <= 0) return at === 0;
  const bytes = td.cpu.scratchPrefix(RseqCs.sizeof);
  if (failed(mem.copyin(at, bytes))) return false;
  const view = td.cpu.scratchView;
  const start = RseqCs.start_ip.get(view, 0);
  const length = RseqCs.post_commit_offset.get(view, 0);
  const abort = RseqCs.abort_ip.get(view, 0);
  const flags = RseqCs.flags.get(view, 0);
  const isSound = RseqCs.version.get(view, 0) === 0 && start + length < USER_END;
  if (!isSound || abort >= USER_END || (abort >= start && abort < start + length)) return false;
  if (mem.loadU32(abort - SIGNATURE_BYTES) !== rseq.signature) return false;
  const { context } = td;
  const isInside = context.pc >= start && context.pc < start + length;
  // Flags that say when not to restart are no more: Linux 6.1 and later refuse them.
  if (isInside && (flags !== 0 || mem.loadU32(rseq.addr + RSEQ_FLAGS) !== 0)) return false;
  if (failed(mem.storeU64(rseq.addr + RSEQ_CS, 0))) return false;
  if (isInside) {
    context.pc = abort;
    context.dropReservation();
  }
  return true;
}
