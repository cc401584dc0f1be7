/** The machine's counters as one piece of data, for the host. */
import type { CountsPort, MachineCounts } from "../platform/counts.ts";
import { counters } from "../proc/counters.ts";
import type { ProcTable } from "../proc/proctable.ts";
import type { Syscall } from "../syscall/declare.ts";

export class CountsReporter {
  readonly #port: CountsPort;
  readonly #table: ProcTable;
  readonly #calls: readonly (Syscall | undefined)[];

  constructor(port: CountsPort, table: ProcTable, calls: readonly (Syscall | undefined)[]) {
    this.#port = port;
    this.#table = table;
    this.#calls = calls;
  }

  report(): void {
    this.#port.take(countsOf(this.#table, this.#calls));
  }
}

export function countsOf(table: ProcTable, calls: readonly (Syscall | undefined)[]): MachineCounts {
  const byName: Record<string, number> = {};
  for (const [nr, n] of table.cpu.meter.calls.entries()) {
    if (n > 0) byName[calls[nr]?.name ?? String(nr)] = n;
  }
  return {
    counters: Object.fromEntries(counters.map((c) => [c.name, c.read(table)])),
    calls: byName,
  };
}
