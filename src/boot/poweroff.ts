/**
 * Shutting down by request from outside: init is asked to, and given time.
 *
 * A signal for which init has no handler yet would be lost, so it is asked
 * once it listens; an init that never does has nothing to say to the end.
 */
import { SIG_DFL, SIGPWR, SIGUSR2 } from "../abi/signal.ts";
import { Callout } from "../kern/callout.ts";
import { type KernelLog, LOG_CRIT } from "../kern/log.ts";
import type { Proc } from "../proc/proc.ts";
import type { ProcTable } from "../proc/proctable.ts";
import { kernelSignal } from "../proc/siginfo.ts";
import { psignal } from "../proc/signal.ts";

/** SIGRTMIN+4 of glibc. */
const SYSTEMD_POWEROFF = 38;
/** How long init may take to shut the machine down before that is done without it. */
const GRACE_NS = 15e9;
/** How long it may take until it listens. */
const DEAF_NS = 3e9;
const RETRY_NS = 50e6;

export class Poweroff extends Callout {
  readonly #table: ProcTable;
  readonly #log: KernelLog;
  #requestedNs = -1;
  #isAsked = false;

  constructor(table: ProcTable, log: KernelLog) {
    super();
    this.#table = table;
    this.#log = log;
  }

  request(): void {
    if (this.#requestedNs >= 0) return;
    this.#log.log(LOG_CRIT, "shutdown requested");
    this.#requestedNs = this.#table.cpu.clock.monotonicNs();
    this.fire(this.#requestedNs);
  }

  fire(nowNs: number): void {
    const { init, cpu } = this.#table;
    const signal = init ? shutdownSignal(init) : 0;
    if (!this.#isAsked && init && isListening(init, signal)) {
      psignal(init, signal, kernelSignal(signal));
      this.#isAsked = true;
    }
    const endNs = this.#requestedNs + (this.#isAsked ? GRACE_NS : DEAF_NS);
    if (nowNs < endNs) {
      cpu.callouts.arm(this, this.#isAsked ? endNs : nowNs + RETRY_NS);
    } else {
      this.#log.log(LOG_CRIT, "init did not shut down in time; halting");
      this.#table.powerRequest = "halt";
    }
  }
}

/** What makes an init shut the machine down: systemd, sysvinit (by its powerwait entry), busybox. */
function shutdownSignal(init: Proc): number {
  if (init.comm === "systemd") return SYSTEMD_POWEROFF;
  return isListening(init, SIGPWR) ? SIGPWR : SIGUSR2;
}

/** It has a handler, or waits for the signal with sigwait(3). */
function isListening(init: Proc, signal: number): boolean {
  const isBlocked = init.leader?.sigmask.has(signal) ?? false;
  return isBlocked || init.sigactions.get(signal).handler !== SIG_DFL;
}
