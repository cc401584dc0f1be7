/**
 * The line discipline: what becomes of each byte that a terminal receives.
 *
 * Behaves as Linux's N_TTY, byte for byte (test/dev/ntty.test.ts compares the
 * two). Editing touches only what is behind `queue.canonHead`; a finished line
 * is out of reach. Source: termios(3).
 */
import { SIGINT, SIGQUIT, SIGTSTP } from "../../abi/signal.ts";
import {
  ECHO,
  ECHOCTL,
  ECHONL,
  EXTPROC,
  ICANON,
  ICRNL,
  IEXTEN,
  IGNCR,
  INLCR,
  ISIG,
  ISTRIP,
  IUCLC,
  IXANY,
  IXON,
  NOFLSH,
  PARMRK,
  POSIX_VDISABLE,
  VEOF,
  VEOL,
  VEOL2,
  VERASE,
  VINTR,
  VKILL,
  VLNEXT,
  VQUIT,
  VREPRINT,
  VSTART,
  VSTOP,
  VSUSP,
  VWERASE,
} from "../../abi/termios.ts";
import { toLower } from "./chartype.ts";
import { EchoQueue } from "./echo.ts";
import { Eraser } from "./erase.ts";
import { InputQueue, QUEUE_BYTES } from "./inputqueue.ts";
import type { OutputProcessor } from "./output.ts";
import type { Termios } from "./termios.ts";

/** What the discipline asks of the terminal it works for. */
export interface LineHost {
  readonly termios: Termios;
  /** Output is held, by VSTOP or by tcflow(3). */
  readonly isStopped: boolean;
  /** Held by tcflow(3), which typing does not undo. */
  readonly isHeldByProgram: boolean;
  stop(): void;
  start(): void;
  /** To the foreground process group. */
  signalForeground(sig: number): void;
  /** Drops output that the far side has not taken. */
  discardOutput(): void;
  /** Unread input was dropped. */
  inputDiscarded(): void;
  /** Input can be read that could not before. */
  wakeReaders(): void;
}

const NL = 10;
const CR = 13;
const BS = 8;
const CARET = 0x5e;
const MARK = 0xff;

export class NTty {
  readonly queue = new InputQueue();
  readonly echo: EchoQueue;
  readonly #host: LineHost;
  readonly #eraser: Eraser;
  /** Bytes that are not plain text under the present attributes. */
  readonly #isSpecial = new Uint8Array(256);
  /** No attribute asks for anything: bytes go straight to the queue. */
  #isRaw = false;
  /** The next byte is literal, whatever it is (VLNEXT). */
  #isQuoted = false;

  constructor(host: LineHost, out: OutputProcessor) {
    this.#host = host;
    this.echo = new EchoQueue(out, host.termios);
    this.#eraser = new Eraser(this.queue, this.echo, host.termios);
    this.attributesChanged(null);
  }

  /** The terminal's attributes are no longer `old` (null: they are new altogether). */
  attributesChanged(old: Termios | null): void {
    const t = this.#host.termios;
    if (!old || (old.lflag ^ t.lflag) & (ICANON | EXTPROC)) {
      this.queue.relabel((t.lflag & ICANON) !== 0);
      this.#eraser.isErasing = false;
      this.#isQuoted = false;
    }
    this.#classify(t);
    if (old && old.iflag & IXON && !(t.iflag & IXON) && !this.#host.isHeldByProgram) {
      this.#resume();
    }
  }

  get isCanonical(): boolean {
    return (this.#host.termios.lflag & (ICANON | EXTPROC)) === ICANON;
  }

  /** Drops what was typed and not read; its echoes may still be to come. */
  discardInput(): void {
    this.queue.clear();
    this.#eraser.isErasing = false;
  }

  /**
   * Takes input, as much as there is room for; answers how many bytes it took.
   *
   * A line being typed always has room: what is too long for the queue is
   * lost, so that the line can still be ended or erased. `isOld` bytes were
   * refused before, and their flow control was obeyed then.
   */
  receive(bytes: Uint8Array, isOld: boolean): number {
    let done = 0;
    while (done < bytes.length) {
      let room = this.#room();
      if (room <= 0) {
        if (!this.#isLineEndless()) break;
        if (room < 0) this.queue.head--;
        room = 1;
      }
      const n = Math.min(bytes.length - done, room);
      this.#receiveBatch(bytes.subarray(done, done + n), isOld);
      done += n;
    }
    return done;
  }

  /** Obeys flow control in input that cannot be taken yet. */
  lookAhead(bytes: Uint8Array): void {
    if (!(this.#host.termios.iflag & IXON)) return;
    for (const c of bytes) this.#flowControl(c, false);
  }

  /** Room in the queue; a byte can need three places when errors are marked. */
  #room(): number {
    const free = QUEUE_BYTES - this.queue.count;
    return (this.#host.termios.iflag & PARMRK ? Math.ceil(free / 3) : free) - 1;
  }

  #isLineEndless(): boolean {
    return (this.#host.termios.lflag & ICANON) !== 0 && !this.queue.hasLine;
  }

  #receiveBatch(bytes: Uint8Array, isOld: boolean): void {
    const { iflag, lflag } = this.#host.termios;
    const translates = (iflag & ISTRIP) !== 0 || (iflag & IUCLC && lflag & IEXTEN) !== 0;
    if (this.#isRaw || (lflag & EXTPROC && !translates)) {
      this.queue.putAll(bytes);
    } else {
      for (let i = 0; i < bytes.length; i++) this.#receiveByte(bytes[i]!, isOld);
      if (lflag & (ECHO | ECHONL)) this.echo.sendAll();
    }
    if (!this.isCanonical && this.queue.count > 0) this.#host.wakeReaders();
  }

  #receiveByte(byte: number, isOld: boolean): void {
    const { iflag, lflag } = this.#host.termios;
    let c = byte;
    if (iflag & ISTRIP) c &= 0x7f;
    if (iflag & IUCLC && lflag & IEXTEN) c = toLower(c);
    if (this.#isQuoted) {
      this.#isQuoted = false;
      this.#text(c);
    } else if (lflag & EXTPROC) {
      this.queue.put(c);
    } else if (this.#isSpecial[c]) {
      this.#special(c, isOld);
    } else {
      this.#text(c);
    }
  }

  #text(c: number): void {
    this.#resumeOnAny();
    if (this.#host.termios.lflag & ECHO) {
      this.#eraser.finish();
      this.#echoTyped(c);
      this.echo.commit();
    }
    this.#store(c);
  }

  #special(byte: number, isOld: boolean): void {
    const { iflag, lflag, cc } = this.#host.termios;
    let c = byte;
    if (iflag & IXON && this.#flowControl(c, isOld)) return;
    if (lflag & ISIG) {
      const sig = signalOf(c, cc);
      if (sig !== 0) {
        this.#signal(sig, c);
        return;
      }
    }
    this.#resumeOnAny();
    if (c === CR) {
      if (iflag & IGNCR) return;
      if (iflag & ICRNL) c = NL;
    } else if (c === NL && iflag & INLCR) {
      c = CR;
    }
    if (lflag & ICANON && this.#canonical(c)) return;
    if (lflag & ECHO) {
      this.#eraser.finish();
      if (c === NL) this.echo.byte(NL);
      else this.#echoTyped(c);
      this.echo.commit();
    }
    this.#store(c);
  }

  /** True if `c` edits or ends the line. */
  #canonical(c: number): boolean {
    const { lflag, cc } = this.#host.termios;
    const isExtended = (lflag & IEXTEN) !== 0;
    if (c === cc[VERASE] || c === cc[VKILL] || (c === cc[VWERASE] && isExtended)) {
      this.#eraser.erase(c);
      this.echo.commit();
      return true;
    }
    if (c === cc[VLNEXT] && isExtended) {
      this.#quoteNext(lflag);
      return true;
    }
    if (c === cc[VREPRINT] && lflag & ECHO && isExtended) {
      this.#reprint(c);
      return true;
    }
    if (c === NL) {
      if (lflag & (ECHO | ECHONL)) {
        this.echo.byte(NL);
        this.echo.commit();
      }
      this.#endLine(NL);
      return true;
    }
    if (c === cc[VEOF]) {
      this.#endLine(POSIX_VDISABLE);
      return true;
    }
    if (c === cc[VEOL] || (c === cc[VEOL2] && isExtended)) {
      if (lflag & ECHO) {
        this.#echoTyped(c);
        this.echo.commit();
      }
      if (c === MARK && this.#host.termios.iflag & PARMRK) this.queue.put(c);
      this.#endLine(c);
      return true;
    }
    return false;
  }

  #quoteNext(lflag: number): void {
    this.#isQuoted = true;
    if (!(lflag & ECHO)) return;
    this.#eraser.finish();
    if (!(lflag & ECHOCTL)) return;
    this.echo.byte(CARET);
    this.echo.byte(BS);
    this.echo.commit();
  }

  #reprint(c: number): void {
    this.#eraser.finish();
    this.echo.typed(c);
    this.echo.byte(NL);
    for (let p = this.queue.canonHead; p < this.queue.head; p++) {
      this.echo.typed(this.queue.at(p));
    }
    this.echo.commit();
  }

  #endLine(c: number): void {
    this.queue.putLineEnd(c);
    this.#host.wakeReaders();
  }

  #signal(sig: number, c: number): void {
    const { iflag, lflag } = this.#host.termios;
    this.#host.signalForeground(sig);
    if (!(lflag & NOFLSH)) {
      this.echo.clear();
      this.#host.discardOutput();
      this.discardInput();
      this.#host.inputDiscarded();
    }
    if (iflag & IXON) this.#host.start();
    if (lflag & ECHO) {
      this.echo.typed(c);
      this.echo.commit();
    } else {
      this.echo.sendMarked();
    }
  }

  /** True if `c` was for flow control; `isOld`: it was obeyed when it arrived. */
  #flowControl(c: number, isOld: boolean): boolean {
    const { cc } = this.#host.termios;
    if (c === POSIX_VDISABLE || (c !== cc[VSTART] && c !== cc[VSTOP])) return false;
    if (isOld) return true;
    if (c === cc[VSTART]) this.#resume();
    else this.#host.stop();
    return true;
  }

  #resumeOnAny(): void {
    const host = this.#host;
    if (!host.isStopped || host.isHeldByProgram) return;
    if ((host.termios.iflag & (IXON | IXANY)) === (IXON | IXANY)) this.#resume();
  }

  #resume(): void {
    this.#host.start();
    this.echo.sendMarked();
  }

  #echoTyped(c: number): void {
    if (this.queue.canonHead === this.queue.head) this.echo.setCanonColumn();
    this.echo.typed(c);
  }

  #store(c: number): void {
    if (c === MARK && this.#host.termios.iflag & PARMRK) this.queue.put(c);
    this.queue.put(c);
  }

  #classify(t: Termios): void {
    const { iflag, lflag, cc } = t;
    const set = this.#isSpecial;
    set.fill(0);
    const attentive = ISTRIP | IUCLC | IGNCR | ICRNL | INLCR | IXON | PARMRK;
    this.#isRaw = !(iflag & attentive || lflag & (ICANON | ISIG | ECHO));
    if (iflag & (IGNCR | ICRNL)) set[CR] = 1;
    if (iflag & INLCR) set[NL] = 1;
    if (lflag & ICANON) {
      set[NL] = 1;
      for (const i of [VERASE, VKILL, VEOF, VEOL]) set[cc[i]!] = 1;
      if (lflag & IEXTEN) {
        for (const i of [VWERASE, VLNEXT, VEOL2]) set[cc[i]!] = 1;
        if (lflag & ECHO) set[cc[VREPRINT]!] = 1;
      }
    }
    if (iflag & IXON) set[cc[VSTART]!] = set[cc[VSTOP]!] = 1;
    if (lflag & ISIG) for (const i of [VINTR, VQUIT, VSUSP]) set[cc[i]!] = 1;
    set[POSIX_VDISABLE] = 0;
  }
}

/** The signal that a typed byte stands for; 0 if none. */
function signalOf(c: number, cc: Uint8Array): number {
  if (c === cc[VINTR]) return SIGINT;
  if (c === cc[VQUIT]) return SIGQUIT;
  return c === cc[VSUSP] ? SIGTSTP : 0;
}
