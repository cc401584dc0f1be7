/** strace's lines, to standard error or, where that is the terminal, to the console. */
import { bytesOf } from "../lib/bytes.ts";
import type { Host } from "../platform/host.ts";
import type { Lwp } from "../proc/lwp.ts";
import type { TraceSink } from "../proc/proctable.ts";

export class ConsoleTrace implements TraceSink {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  line(td: Lwp, text: string): void {
    const { stderr, console } = this.#host;
    const line = `[pid ${td.tid}] ${text}`;
    if (stderr) stderr.write(bytesOf(`${line}\n`));
    else console.write(bytesOf(`${line}\r\n`));
  }
}
