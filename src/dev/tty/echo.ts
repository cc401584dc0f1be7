/**
 * Echo: what typing makes appear, kept until the terminal can take it.
 *
 * Some echoes depend on the column at the time they are sent (erasing a tab),
 * and echo must not mix into a half-written line of output; so it is a queue
 * of operations, `commit`ted as input comes in and sent when a batch of input
 * ends or output begins. Bounded: when the terminal is stopped for long, the
 * oldest echoes are forgotten.
 */
import { ECHOCTL, OPOST } from "../../abi/termios.ts";
import { isControl } from "./chartype.ts";
import type { OutputProcessor } from "./output.ts";
import type { Termios } from "./termios.ts";

const QUEUE_ENTRIES = 4096;
const MASK = QUEUE_ENTRIES - 1;
/** Echo is sent in the middle of a batch of input once this many entries wait. */
const BLOCK = 256;
/** Beyond this the oldest are forgotten. */
const DISCARD_AT = QUEUE_ENTRIES - (BLOCK + 32);

/** Entries below 256 are bytes; these are operations, some with a byte of their own. */
const CONTROL = 0x100;
const LITERAL = 0x200;
const ERASE_TAB = 0x300;
const SET_CANON_COLUMN = 0x400;
const MOVE_BACK = 0x500;
const OPERATION = 0xf00;

const BS = 8;
const TAB = 9;
const CARET = 0x5e;

export class EchoQueue {
  readonly #out: OutputProcessor;
  readonly #termios: Termios;
  readonly #entries = new Uint16Array(QUEUE_ENTRIES);
  #tail = 0;
  /** Entries before this may be sent. */
  #committed = 0;
  /** Where a call to `commit` left the head: the end of whole echoes. */
  #mark = 0;
  #head = 0;

  constructor(out: OutputProcessor, termios: Termios) {
    this.#out = out;
    this.#termios = termios;
  }

  /** A byte that goes through output processing. */
  byte(c: number): void {
    this.#add(c === 0xff ? LITERAL | c : c);
  }

  /** A typed byte: control characters show as ^X where ECHOCTL says so. */
  typed(c: number): void {
    if (isControl(c) && c !== TAB && this.#termios.lflag & ECHOCTL) this.#add(CONTROL | c);
    else this.byte(c);
  }

  /** Here begins the line being typed. */
  setCanonColumn(): void {
    this.#add(SET_CANON_COLUMN);
  }

  /** The last byte belonged to a character whose column was counted already. */
  moveBack(): void {
    this.#add(MOVE_BACK);
  }

  /** Goes back over a tab; `columns` were used before it, since another tab or since the start. */
  eraseTab(columns: number, isAfterTab: boolean): void {
    this.#add(ERASE_TAB | (columns & 7) | (isAfterTab ? 0x80 : 0));
  }

  clear(): void {
    this.#tail = this.#committed = this.#mark = this.#head = 0;
  }

  commit(): void {
    const waiting = this.#head - this.#tail;
    const before = this.#committed - this.#tail;
    this.#mark = this.#head;
    if (waiting < BLOCK || waiting % BLOCK > before % BLOCK) return;
    this.#committed = this.#head;
    this.#send();
  }

  /** Sends what whole echoes wait, before output of another kind. */
  sendMarked(): void {
    if (this.#mark === this.#tail) return;
    this.#committed = this.#mark;
    this.#send();
  }

  /** Sends all: a batch of input has ended. */
  sendAll(): void {
    if (this.#committed === this.#head) return;
    this.#committed = this.#head;
    this.#send();
  }

  #add(entry: number): void {
    this.#entries[this.#head++ & MASK] = entry;
  }

  #send(): void {
    this.#out.begin();
    let tail = this.#tail;
    while (tail < this.#committed && this.#sendOne(this.#entries[tail & MASK]!)) tail++;
    this.#out.end();
    this.#tail = Math.max(tail, this.#committed - DISCARD_AT);
  }

  /** False, and nothing sent, if there is no room for the whole of it. */
  #sendOne(entry: number): boolean {
    const out = this.#out;
    const c = entry & 0xff;
    switch (entry & OPERATION) {
      case CONTROL:
        if (out.space < 2) return false;
        out.emit(CARET);
        out.emit(c ^ 0x40);
        out.column += 2;
        return true;
      case LITERAL:
        if (out.space === 0) return false;
        out.emit(c);
        out.column++;
        return true;
      case SET_CANON_COLUMN:
        out.canonColumn = out.column;
        return true;
      case MOVE_BACK:
        if (out.column > 0) out.column--;
        return true;
      case ERASE_TAB:
        return this.#sendTabErasure(c);
    }
    if (this.#termios.oflag & OPOST) return out.process(c);
    if (out.space === 0) return false;
    out.emit(c);
    return true;
  }

  #sendTabErasure(used: number): boolean {
    const out = this.#out;
    const columns = used & 0x80 ? used : used + out.canonColumn;
    const back = 8 - (columns & 7);
    if (out.space < back) return false;
    for (let i = 0; i < back; i++) {
      out.emit(BS);
      if (out.column > 0) out.column--;
    }
    return true;
  }
}
