/**
 * What the log says of programs that a signal ends: debug.exception-trace of those that went wrong
 * themselves, kernel.print-fatal-signals of all that would leave a core. See proc_sys(5).
 */
import { defaultAction } from "../abi/signal.ts";
import { LOG_INFO } from "../kern/log.ts";
import type { Lwp } from "./lwp.ts";
import type { SigInfo } from "./siginfo.ts";

const NS_PER_SEC = 1e9;

export function logFatalSignal(td: Lwp, info: SigInfo): void {
  const { settings, msgbuf } = td.proc.table;
  if (defaultAction(info.signo) !== "core") return;
  const isFault = info.code > 0 && info.addr !== undefined;
  const lines: string[] = [];
  if (settings.showUnhandledSignals && isFault) {
    const { signo, code, addr } = info;
    const pc = td.context.pc.toString(16).padStart(16, "0");
    lines.push(
      `${td.comm}[${td.tid}]: unhandled signal ${signo} code 0x${code.toString(16)} at ` +
        `0x${addr!.toString(16).padStart(16, "0")}, epc : ${pc}`,
    );
  }
  if (settings.printFatalSignals) lines.push(`potentially unexpected fatal signal ${info.signo}.`);
  if (lines.length === 0) return;
  const now = td.cpu.clock.monotonicNs();
  const { printkLimit, printkIntervalSec, printkBurst } = settings;
  if (!printkLimit.allows(now, printkIntervalSec * NS_PER_SEC, printkBurst)) return;
  for (const line of lines) msgbuf.add(now, LOG_INFO, line);
}
