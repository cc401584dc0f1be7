/**
 * Output processing: from what programs write to what the terminal is sent,
 * and the column the cursor is thought to be in.
 *
 * Work happens between `begin` and `end`: `space` is what the far side takes
 * at this moment, and nothing is produced beyond it. See termios(3), c_oflag.
 */
import { OCRNL, OLCUC, ONLCR, ONLRET, ONOCR, OPOST, TABDLY, XTABS } from "../../abi/termios.ts";
import { isContinuation, isControl, toUpper } from "./chartype.ts";
import type { Termios } from "./termios.ts";

/** Where a terminal's output goes. */
export interface TtySink {
  /** Bytes it takes now; 0 while the terminal is stopped. */
  room(): number;
  /** Takes all of `bytes`, which are the caller's again afterwards. */
  put(bytes: Uint8Array): void;
}

const BS = 8;
const TAB = 9;
const NL = 10;
const CR = 13;
const SPACE = 32;
const CHUNK_BYTES = 4096;

export class OutputProcessor {
  column = 0;
  /** The column where the line being typed began. */
  canonColumn = 0;
  space = 0;
  readonly #sink: TtySink;
  readonly #termios: Termios;
  readonly #chunk = new Uint8Array(CHUNK_BYTES);
  #used = 0;

  constructor(sink: TtySink, termios: Termios) {
    this.#sink = sink;
    this.#termios = termios;
  }

  begin(): void {
    this.space = this.#sink.room();
  }

  end(): void {
    if (this.#used === 0) return;
    const n = this.#used;
    this.#used = 0;
    this.#sink.put(this.#chunk.subarray(0, n));
  }

  /** Sends what `bytes` become; answers how many of them were taken. */
  write(bytes: Uint8Array): number {
    this.begin();
    let n = 0;
    if (this.#termios.oflag & OPOST) {
      while (n < bytes.length && this.process(bytes[n]!)) n++;
    } else {
      n = Math.min(bytes.length, this.space);
      this.#sink.put(n === bytes.length ? bytes : bytes.subarray(0, n));
    }
    this.end();
    return n;
  }

  /** One byte through c_oflag; false, and nothing done, if there is no room for all of it. */
  process(c: number): boolean {
    if (this.space === 0) return false;
    if (c >= SPACE && c < 0x7f && (this.#termios.oflag & OLCUC) === 0) {
      this.column++;
      this.emit(c);
      return true;
    }
    return this.#special(c, this.#termios.oflag);
  }

  emit(c: number): void {
    if (this.#used === CHUNK_BYTES) this.end();
    this.#chunk[this.#used++] = c;
    this.space--;
  }

  #special(c: number, oflag: number): boolean {
    switch (c) {
      case NL:
        return this.#newline(oflag);
      case CR:
        return this.#carriageReturn(oflag);
      case TAB:
        return this.#tab(oflag);
      case BS:
        if (this.column > 0) this.column--;
        this.emit(c);
        return true;
    }
    if (isControl(c)) {
      this.emit(c);
      return true;
    }
    const out = oflag & OLCUC ? toUpper(c) : c;
    if (!isContinuation(out, this.#termios.iflag)) this.column++;
    this.emit(out);
    return true;
  }

  #newline(oflag: number): boolean {
    if (oflag & ONLRET) this.column = 0;
    if (oflag & ONLCR) {
      if (this.space < 2) return false;
      this.canonColumn = this.column = 0;
      this.emit(CR);
    }
    this.canonColumn = this.column;
    this.emit(NL);
    return true;
  }

  #carriageReturn(oflag: number): boolean {
    if (oflag & ONOCR && this.column === 0) return true;
    if (oflag & OCRNL) {
      if (oflag & ONLRET) this.canonColumn = this.column = 0;
      this.emit(NL);
      return true;
    }
    this.canonColumn = this.column = 0;
    this.emit(CR);
    return true;
  }

  #tab(oflag: number): boolean {
    const width = 8 - (this.column & 7);
    if ((oflag & TABDLY) !== XTABS) {
      this.column += width;
      this.emit(TAB);
      return true;
    }
    if (this.space < width) return false;
    this.column += width;
    for (let i = 0; i < width; i++) this.emit(SPACE);
    return true;
  }
}
