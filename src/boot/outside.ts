/**
 * What arrives from outside, brought to whom it is for: typed bytes to the
 * console, a new window size, a request to shut down, the debugger's key.
 */
import type { Ddb } from "../ddb/ddb.ts";
import type { Terminals } from "../dev/terminals.ts";
import type { KernelLog } from "../kern/log.ts";
import { panic } from "../kern/panic.ts";
import type { Doorbell, Host } from "../platform/host.ts";
import type { ProcTable } from "../proc/proctable.ts";
import { kernelSignal } from "../proc/siginfo.ts";
import { psignal } from "../proc/signal.ts";
import type { Outside } from "../trap/userloop.ts";
import type { CountsReporter } from "./counts.ts";
import { Poweroff } from "./poweroff.ts";

export class HostOutside implements Outside {
  readonly doorbell: Doorbell;
  readonly #host: Host;
  readonly #table: ProcTable;
  readonly #terminals: Terminals;
  readonly #ddb: Ddb;
  /** Null where process 1 is a command, which gets the signals of the host program itself. */
  readonly #poweroff: Poweroff | null;
  readonly #counts: CountsReporter | null;

  constructor(
    host: Host,
    table: ProcTable,
    terminals: Terminals,
    ddb: Ddb,
    log: KernelLog,
    isInit: boolean,
    counts: CountsReporter | null,
  ) {
    this.doorbell = host.doorbell;
    this.#host = host;
    this.#table = table;
    this.#terminals = terminals;
    this.#ddb = ddb;
    this.#poweroff = isInit ? new Poweroff(table, log) : null;
    this.#counts = counts;
  }

  attend(): void {
    for (let e = this.#host.nextEvent(); e; e = this.#host.nextEvent()) {
      if (e.kind === "resize") this.#terminals.console.resized();
      else if (e.kind === "shutdown") this.#shutdown(e.signal);
      else if (e.kind === "counts") this.#counts?.report();
      else this.#debug();
    }
    this.#terminals.console.consoleInput();
    this.#terminals.console.outputTaken();
    this.#terminals.streams.attend();
  }

  #shutdown(signal: number): void {
    const { init } = this.#table;
    if (this.#poweroff) this.#poweroff.request();
    else if (init) psignal(init, signal, kernelSignal(signal));
  }

  #debug(): void {
    const verdict = this.#ddb.enter("debugger key").kind;
    if (verdict === "panic") panic("from debugger");
    if (verdict === "reset") this.#table.powerRequest = "reboot";
    if (verdict === "halt") this.#table.powerRequest = "halt";
  }
}
