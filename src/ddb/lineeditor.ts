/**
 * Reading a line while the kernel stands still: straight from the host's
 * console, with echo and erase, for the debugger has no tty to rely on.
 */
import { bytesOf } from "../lib/bytes.ts";
import type { ConsolePort, Doorbell } from "../platform/host.ts";

const BACKSPACE = 0x08;
const DELETE = 0x7f;
const CTRL_C = 0x03;
const CTRL_D = 0x04;
const CTRL_U = 0x15;
const CR = 0x0d;
const LF = 0x0a;

export class LineEditor {
  readonly #console: ConsolePort;
  readonly #doorbell: Doorbell;
  readonly #byte = new Uint8Array(1);

  constructor(console: ConsolePort, doorbell: Doorbell) {
    this.#console = console;
    this.#doorbell = doorbell;
  }

  print(text: string): void {
    this.#console.write(bytesOf(text.replaceAll("\n", "\r\n")));
  }

  /** One line without its end; null at end of file. */
  read(prompt: string): string | null {
    this.print(prompt);
    let line = "";
    for (;;) {
      const c = this.#next();
      if (c === null || (c === CTRL_D && line === "")) return null;
      if (c === CR || c === LF) {
        this.print("\n");
        return line;
      }
      if (c === BACKSPACE || c === DELETE) {
        if (line !== "") this.print("\b \b");
        line = line.slice(0, -1);
      } else if (c === CTRL_U || c === CTRL_C) {
        this.print("\b \b".repeat(line.length));
        line = "";
      } else if (c >= 0x20) {
        line += String.fromCharCode(c);
        this.print(String.fromCharCode(c));
      }
    }
  }

  /** One byte at a time: what is typed after the last line is for the machine. */
  #next(): number | null {
    for (;;) {
      this.#doorbell.answer();
      const n = this.#console.read(this.#byte);
      if (n < 0) return null;
      if (n > 0) return this.#byte[0]!;
      this.#doorbell.wait(Number.POSITIVE_INFINITY);
    }
  }
}
