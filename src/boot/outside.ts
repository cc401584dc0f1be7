/**
 * What arrives from outside, brought to whom it is for: typed bytes to the
 * console, a new window size, a request to shut down, the debugger's key.
 */
import type { Ddb } from "../ddb/ddb.ts";
import type { Terminals } from "../dev/terminals.ts";
import { Callout } from "../kern/callout.ts";
import { type KernelLog, LOG_CRIT } from "../kern/log.ts";
import { panic } from "../kern/panic.ts";
import type { Doorbell, Host } from "../platform/host.ts";
import type { ProcTable } from "../proc/proctable.ts";
import { kernelSignal } from "../proc/siginfo.ts";
import { psignal } from "../proc/signal.ts";
import type { Outside } from "../trap/userloop.ts";

/** How long init may take to shut the machine down before that is done without it. */
const SHUTDOWN_GRACE_NS = 15e9;

export class HostOutside implements Outside {
  readonly doorbell: Doorbell;
  readonly #host: Host;
  readonly #table: ProcTable;
  readonly #terminals: Terminals;
  readonly #ddb: Ddb;
  readonly #log: KernelLog;
  /** What asks init to end the machine; null where process 1 is a command. */
  readonly #shutdownSignal: number | null;
  readonly #impatience: Impatience;

  constructor(
    host: Host,
    table: ProcTable,
    terminals: Terminals,
    ddb: Ddb,
    log: KernelLog,
    shutdownSignal: number | null,
  ) {
    this.doorbell = host.doorbell;
    this.#host = host;
    this.#table = table;
    this.#terminals = terminals;
    this.#ddb = ddb;
    this.#log = log;
    this.#shutdownSignal = shutdownSignal;
    this.#impatience = new Impatience(table, log);
  }

  attend(): void {
    for (let e = this.#host.nextEvent(); e; e = this.#host.nextEvent()) {
      if (e.kind === "resize") this.#terminals.console.resized();
      else if (e.kind === "shutdown") this.#shutdown(e.signal);
      else this.#debug();
    }
    this.#terminals.console.consoleInput();
    this.#terminals.console.outputTaken();
    this.#terminals.streams.attend();
  }

  /** An init gets the signal that makes it shut down, and some time; a command gets `signal`. */
  #shutdown(signal: number): void {
    const { init, cpu } = this.#table;
    if (!init) return;
    if (this.#shutdownSignal === null) {
      psignal(init, signal, kernelSignal(signal));
      return;
    }
    if (this.#impatience.index >= 0) return;
    this.#log.log(LOG_CRIT, "shutdown requested");
    psignal(init, this.#shutdownSignal, kernelSignal(this.#shutdownSignal));
    cpu.callouts.arm(this.#impatience, cpu.clock.monotonicNs() + SHUTDOWN_GRACE_NS);
  }

  #debug(): void {
    const verdict = this.#ddb.enter("debugger key").kind;
    if (verdict === "panic") panic("from debugger");
    if (verdict === "reset") this.#table.powerRequest = "reboot";
    if (verdict === "halt") this.#table.powerRequest = "halt";
  }
}

/** Stops a machine whose init did not. */
class Impatience extends Callout {
  readonly #table: ProcTable;
  readonly #log: KernelLog;

  constructor(table: ProcTable, log: KernelLog) {
    super();
    this.#table = table;
    this.#log = log;
  }

  fire(): void {
    this.#log.log(LOG_CRIT, "init did not shut down in time; halting");
    this.#table.powerRequest = "halt";
  }
}
