/**
 * The way back to user mode: signals are taken here. See userret(9).
 *
 * Afterwards the thread either runs on (with a handler's frame, if one is due),
 * or it is stopped, asleep again, or gone.
 */
import { defaultAction, signalName } from "../abi/signal.ts";
import { endBySignal } from "../proc/coredump.ts";
import { logFatalSignal } from "../proc/fatalsignal.ts";
import type { Lwp } from "../proc/lwp.ts";
import { interruptSequence } from "../proc/rseq.ts";
import { enterHandler } from "../proc/sigframe.ts";
import { hasDeliverableSignal, nextSignal, restoreMask } from "../proc/signal.ts";
import { settleRestart } from "./dispatch.ts";
import { traceSignal } from "./strace.ts";
import { reportTraps } from "./tracedcall.ts";

export function takeSignals(td: Lwp): void {
  while (td.state === "running" && hasDeliverableSignal(td)) {
    if ((td.callWork !== 0 || td.signalWork !== 0) && reportTraps(td)) break;
    const delivery = nextSignal(td);
    if (!delivery) continue;
    const { info, action } = delivery;
    if (td.proc.table.strace) traceSignal(td, describe(info.signo, action !== null));
    if (action === null) {
      logFatalSignal(td, info);
      endBySignal(td, info);
      return;
    }
    if (td.callInProgress >= 0) settleRestart(td, action);
    if (td.rseq !== null) interruptSequence(td, td.rseq, info.signo);
    enterHandler(td, info, action);
    if (td.trace?.isStepping) td.trace.stopAtHandler();
  }
  if (td.state === "running" && td.savedSigmask !== null && td.callInProgress < 0) restoreMask(td);
}

function describe(sig: number, isHandled: boolean): string {
  return `${signalName(sig)} ${isHandled ? "handled" : defaultAction(sig)}`;
}
