/** The host's ends of the console and of byte streams, for tests. */
import type { ByteStream, ConsolePort } from "../../src/platform/host.ts";

const EPIPE = -32;

export class FakeStream implements ByteStream {
  #input = Buffer.alloc(0);
  #output = Buffer.alloc(0);
  #isEnded = false;
  isBroken = false;
  /** The far end takes no more than this. */
  limit = 1 << 30;

  type(text: string): void {
    this.#input = Buffer.concat([this.#input, Buffer.from(text, "latin1")]);
  }

  end(): void {
    this.#isEnded = true;
  }

  /** What was written since the last call. */
  shown(): string {
    const s = this.#output.toString("latin1");
    this.#output = Buffer.alloc(0);
    return s;
  }

  read(into: Uint8Array): number {
    if (this.#input.length === 0) return this.#isEnded ? -1 : 0;
    const n = Math.min(into.length, this.#input.length);
    into.set(this.#input.subarray(0, n));
    this.#input = this.#input.subarray(n);
    return n;
  }

  write(from: Uint8Array): number {
    if (this.isBroken) return EPIPE;
    this.#output = Buffer.concat([this.#output, from]);
    return from.length;
  }

  room(): number {
    return this.isBroken ? this.limit : Math.max(0, this.limit - this.#output.length);
  }
}

export class FakeConsole extends FakeStream implements ConsolePort {
  rows = 24;
  cols = 80;

  size(): { rows: number; cols: number } {
    return { rows: this.rows, cols: this.cols };
  }
}
