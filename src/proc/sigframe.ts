/**
 * Entering a signal handler and coming back: rt_sigframe on the user stack.
 *
 * The handler runs with ra at the vDSO's __vdso_rt_sigreturn; that call finds
 * the frame at sp again. Nothing a program puts into a frame can do more than
 * ruin the program. See sigreturn(2), sigaltstack(2).
 */
import { failed } from "../abi/errno.ts";
import { RtSigframe, UCONTEXT_OFFSET } from "../abi/sigframe.ts";
import {
  MINSIGSTKSZ,
  SA_NODEFER,
  SA_ONSTACK,
  SI_KERNEL,
  SIG_DFL,
  SIGSEGV,
  SS_AUTODISARM,
  SS_DISABLE,
  SS_ONSTACK,
} from "../abi/signal.ts";
import type { Lwp } from "./lwp.ts";
import type { SigAction } from "./sigaction.ts";
import { type SigInfo, writeSiginfo } from "./siginfo.ts";
import { forceSignal, restoreMask, setMask } from "./signal.ts";
import { SigSet } from "./sigset.ts";

const REGS_WORD = RtSigframe.regs.offset >> 2;
const FREGS_WORD = RtSigframe.fregs.offset >> 2;
const RA = 1;
const SP = 2;
const A0 = 10;
const A1 = 11;
const A2 = 12;

/** Makes `td` run the handler of `action`; if its frame cannot be written, SIGSEGV follows. */
export function enterHandler(td: Lwp, info: SigInfo, action: SigAction): void {
  const { context } = td;
  const at = frameAddress(td, action);
  if (at <= 0 || failed(td.proc.vmspace.copyout(at, frameOf(td, info)))) {
    handlerFailed(td, info.signo);
    return;
  }
  if (td.altStackFlags & SS_AUTODISARM) {
    td.altStackBase = td.altStackSize = 0;
    td.altStackFlags = SS_DISABLE;
  }
  td.savedSigmask = null;
  const blocked = td.sigmask.clone();
  blocked.addAll(action.mask);
  if ((action.flags & SA_NODEFER) === 0) blocked.add(info.signo);
  setMask(td, blocked);
  context.setX(RA, td.proc.sigreturnAddr);
  context.setX(SP, at);
  context.setX(A0, info.signo);
  context.setX(A1, at);
  context.setX(A2, at + UCONTEXT_OFFSET);
  context.pc = action.handler;
  context.dropReservation();
}

/** rt_sigreturn(2): all registers come from the frame; a frame that cannot be read kills. */
export function leaveHandler(td: Lwp): void {
  const { scratch } = td.proc.table;
  const bytes = scratch.window(RtSigframe.sizeof);
  td.savedSigmask = null;
  if (failed(td.proc.vmspace.copyin(td.context.getXu(SP), bytes))) {
    forceSignal(td, { signo: SIGSEGV, code: SI_KERNEL });
    return;
  }
  const v = scratch.view;
  const mask = new SigSet();
  mask.setWords(RtSigframe.sigmask_lo.get(v, 0), RtSigframe.sigmask_hi.get(v, 0));
  setMask(td, mask);
  const { context } = td;
  for (let i = 1, at = REGS_WORD; i < 32; i++, at += 2) {
    context.setXParts(i, scratch.words[at]! | 0, scratch.words[at + 1]! | 0);
  }
  context.pc = RtSigframe.pc.get(v, 0);
  context.setFFrom(scratch.words, FREGS_WORD);
  context.fcsr = RtSigframe.fcsr.get(v, 0) & 0xff;
  context.dropReservation();
  setAltStack(
    td,
    RtSigframe.ss_sp.get(v, 0),
    RtSigframe.ss_flags.get(v, 0),
    RtSigframe.ss_size.get(v, 0),
  );
}

/** True if the thread's stack pointer lies on its alternate stack. */
export function isOnAltStack(td: Lwp, sp = td.context.getXu(SP)): boolean {
  if (td.altStackFlags & SS_AUTODISARM) return false;
  return sp > td.altStackBase && sp - td.altStackBase <= td.altStackSize;
}

/** The flags as sigaltstack(2) reports them. */
export function altStackFlags(td: Lwp): number {
  const state = td.altStackSize === 0 ? SS_DISABLE : isOnAltStack(td) ? SS_ONSTACK : 0;
  return state | (td.altStackFlags & SS_AUTODISARM);
}

/** Sets the alternate stack, unless the thread is running on the present one. */
export function setAltStack(
  td: Lwp,
  base: number,
  flags: number,
  size: number,
): "ok" | "invalid" | "small" | "busy" {
  if (isOnAltStack(td)) return "busy";
  const mode = flags & ~SS_AUTODISARM;
  if (mode !== SS_DISABLE && mode !== SS_ONSTACK && mode !== 0) return "invalid";
  if (mode === SS_DISABLE) {
    td.altStackBase = td.altStackSize = 0;
  } else {
    if (size < MINSIGSTKSZ) return "small";
    td.altStackBase = base;
    td.altStackSize = size;
  }
  td.altStackFlags = flags;
  return "ok";
}

/** Where the frame goes; 0 when the alternate stack would overflow. */
function frameAddress(td: Lwp, action: SigAction): number {
  const sp = td.context.getXu(SP);
  const isOn = isOnAltStack(td, sp);
  if (isOn && !isOnAltStack(td, sp - RtSigframe.sizeof)) return 0;
  const wantsAlt = (action.flags & SA_ONSTACK) !== 0 && td.altStackSize > 0 && !isOn;
  const top = wantsAlt ? td.altStackBase + td.altStackSize : sp;
  const at = top - RtSigframe.sizeof;
  return at - (at % 16);
}

function frameOf(td: Lwp, info: SigInfo): Uint8Array {
  const { scratch } = td.proc.table;
  const bytes = scratch.cleared(RtSigframe.sizeof);
  const v = scratch.view;
  const { context } = td;
  const mask = td.savedSigmask ?? td.sigmask;
  writeSiginfo(info, bytes, v);
  RtSigframe.ss_sp.set(v, 0, td.altStackBase);
  RtSigframe.ss_flags.set(v, 0, altStackFlags(td));
  RtSigframe.ss_size.set(v, 0, td.altStackSize);
  RtSigframe.sigmask_lo.set(v, 0, mask.lo);
  RtSigframe.sigmask_hi.set(v, 0, mask.hi);
  RtSigframe.pc.set(v, 0, context.pc);
  for (let i = 1, at = REGS_WORD; i < 32; i++, at += 2) {
    scratch.words[at] = context.xlo(i);
    scratch.words[at + 1] = context.xhi(i);
  }
  context.copyFTo(scratch.words, FREGS_WORD);
  RtSigframe.fcsr.set(v, 0, context.fcsr);
  return bytes;
}

/** As Linux's force_sigsegv: a SIGSEGV handler that cannot be entered is not asked again. */
function handlerFailed(td: Lwp, signo: number): void {
  restoreMask(td);
  if (signo === SIGSEGV) td.proc.sigactions.edit(SIGSEGV).handler = SIG_DFL;
  forceSignal(td, { signo: SIGSEGV, code: SI_KERNEL });
}
