/**
 * Erasing in the line being typed: the last character, the last word, the line;
 * and making the screen show it. See termios(3): VERASE, VWERASE, VKILL.
 */
import {
  ECHO,
  ECHOCTL,
  ECHOE,
  ECHOK,
  ECHOKE,
  ECHOPRT,
  VERASE,
  VKILL,
  VWERASE,
} from "../../abi/termios.ts";
import { isAlphanumeric, isContinuation, isControl } from "./chartype.ts";
import type { EchoQueue } from "./echo.ts";
import type { InputQueue } from "./inputqueue.ts";
import type { Termios } from "./termios.ts";

type Extent = "char" | "word" | "line";

const TAB = 9;
const NL = 10;
const UNDERSCORE = 0x5f;

export class Eraser {
  /** Between the "\" and the "/" of ECHOPRT. */
  isErasing = false;
  readonly #queue: InputQueue;
  readonly #echo: EchoQueue;
  readonly #termios: Termios;

  constructor(queue: InputQueue, echo: EchoQueue, termios: Termios) {
    this.#queue = queue;
    this.#echo = echo;
    this.#termios = termios;
  }

  /** Something else than an erasure follows: closes the bracket of ECHOPRT. */
  finish(): void {
    if (!this.isErasing) return;
    this.#echo.byte(0x2f);
    this.isErasing = false;
  }

  /** `c` is the VERASE, VWERASE or VKILL that was typed. */
  erase(c: number): void {
    const { cc, lflag } = this.#termios;
    const queue = this.#queue;
    if (queue.head === queue.canonHead) return;
    const showsAll = ECHOK | ECHOKE | ECHOE;
    if (c === cc[VERASE]) this.#eraseBack("char");
    else if (c === cc[VWERASE]) this.#eraseBack("word");
    else if (!(lflag & ECHO)) queue.head = queue.canonHead;
    else if ((lflag & showsAll) !== showsAll) this.#abandonLine();
    else this.#eraseBack("line");
  }

  /** VKILL where the screen cannot be cleaned: shows the key, and may begin a new line. */
  #abandonLine(): void {
    this.#queue.head = this.#queue.canonHead;
    this.finish();
    this.#echo.typed(this.#termios.cc[VKILL]!);
    if (this.#termios.lflag & ECHOK) this.#echo.byte(NL);
  }

  #eraseBack(extent: Extent): void {
    const { iflag, lflag } = this.#termios;
    const queue = this.#queue;
    let hasSeenWord = false;
    while (queue.head > queue.canonHead) {
      const head = this.#characterStart();
      const c = queue.at(head);
      if (isContinuation(c, iflag)) break;
      if (extent === "word") {
        if (isAlphanumeric(c) || c === UNDERSCORE) hasSeenWord = true;
        else if (hasSeenWord) break;
      }
      const end = queue.head;
      queue.head = head;
      if (lflag & ECHO) this.#show(c, head, end, extent);
      if (extent === "char") break;
    }
    if (queue.head === queue.canonHead && lflag & ECHO) this.finish();
  }

  /** Where the last, possibly multibyte, character of the line begins. */
  #characterStart(): number {
    const { iflag } = this.#termios;
    const queue = this.#queue;
    let head = queue.head - 1;
    while (isContinuation(queue.at(head), iflag) && head > queue.canonHead) head--;
    return head;
  }

  /** Makes the screen show that the character at [head, end), which begins with `c`, is gone. */
  #show(c: number, head: number, end: number, extent: Extent): void {
    const { lflag, cc } = this.#termios;
    if (lflag & ECHOPRT) this.#print(c, head, end);
    else if (extent === "char" && !(lflag & ECHOE)) this.#echo.typed(cc[VERASE]!);
    else if (c === TAB) this.#backOverTab();
    else {
      if (isControl(c) && lflag & ECHOCTL) this.#rubOut();
      if (!isControl(c) || lflag & ECHOCTL) this.#rubOut();
    }
  }

  #print(c: number, head: number, end: number): void {
    if (!this.isErasing) {
      this.#echo.byte(0x5c);
      this.isErasing = true;
    }
    this.#echo.typed(c);
    for (let p = head + 1; p < end; p++) {
      this.#echo.byte(this.#queue.at(p));
      this.#echo.moveBack();
    }
  }

  /** Counts the columns from the last tab, or from the start of the line, to the one erased. */
  #backOverTab(): void {
    const { iflag, lflag } = this.#termios;
    const queue = this.#queue;
    let columns = 0;
    for (let p = queue.head - 1; p >= queue.canonHead; p--) {
      const c = queue.at(p);
      if (c === TAB) {
        this.#echo.eraseTab(columns, true);
        return;
      }
      if (isControl(c)) columns += lflag & ECHOCTL ? 2 : 0;
      else if (!isContinuation(c, iflag)) columns++;
    }
    this.#echo.eraseTab(columns, false);
  }

  #rubOut(): void {
    this.#echo.byte(8);
    this.#echo.byte(32);
    this.#echo.byte(8);
  }
}
