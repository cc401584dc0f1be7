/**
 * What the user sees of a build: a bar on a terminal, plain lines elsewhere.
 *
 * Goes to stderr only, so that stdout stays the command's answer.
 */
export interface Progress {
  /** Begins a step of `total` units (bytes or packages), of which none is done. */
  start(label: string, total: number, unit: "bytes" | "packages"): void;
  advance(amount: number): void;
  /** Ends the step. */
  finish(): void;
  /** A line of its own: something the user should know. */
  note(line: string): void;
}

const REDRAW_MS = 80;
const BAR_WIDTH = 24;

export const silent: Progress = { start() {}, advance() {}, finish() {}, note() {} };

export class StreamProgress implements Progress {
  readonly #out: NodeJS.WriteStream;
  readonly #isTerminal: boolean;
  #label = "";
  #unit: "bytes" | "packages" = "bytes";
  #total = 0;
  #done = 0;
  #startedMs = 0;
  #drawnMs = 0;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
    this.#isTerminal = out.isTTY === true && process.env["TERM"] !== "dumb";
    // A build goes on when nobody can see how far it is.
    out.on("error", () => {});
  }

  start(label: string, total: number, unit: "bytes" | "packages"): void {
    this.#label = label;
    this.#total = total;
    this.#unit = unit;
    this.#done = 0;
    this.#drawnMs = 0;
    this.#startedMs = Date.now();
    if (!this.#isTerminal) this.#out.write(`${label} (${this.#amount(total)})\n`);
  }

  advance(amount: number): void {
    this.#done = Math.max(0, Math.min(this.#total, this.#done + amount));
    const now = Date.now();
    if (!this.#isTerminal || now - this.#drawnMs < REDRAW_MS) return;
    this.#drawnMs = now;
    this.#out.write(`\r\x1b[K${this.#line().slice(0, this.#columns - 1)}`);
  }

  finish(): void {
    if (!this.#isTerminal) return;
    const seconds = ((Date.now() - this.#startedMs) / 1000).toFixed(1);
    this.#out.write(`\r\x1b[K${this.#label}: ${this.#amount(this.#total)} in ${seconds} s\n`);
  }

  note(line: string): void {
    this.#out.write(`${this.#isTerminal ? "\r\x1b[K" : ""}${line}\n`);
  }

  /** What stays on one line; a terminal that does not know its width is taken to be an old one. */
  get #columns(): number {
    return this.#out.columns || 80;
  }

  #line(): string {
    const part = this.#total === 0 ? 1 : this.#done / this.#total;
    const full = Math.round(part * BAR_WIDTH);
    const bar = "#".repeat(full) + "-".repeat(BAR_WIDTH - full);
    return `${this.#label} [${bar}] ${Math.floor(part * 100)}% of ${this.#amount(this.#total)}`;
  }

  #amount(n: number): string {
    if (this.#unit === "packages") return `${n} package${n === 1 ? "" : "s"}`;
    return n >= 1048576 ? `${(n / 1048576).toFixed(1)} MB` : `${Math.ceil(n / 1024)} kB`;
  }
}
