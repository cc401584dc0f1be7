/**
 * A terminal's attributes: what stty(1) shows and what the line discipline obeys.
 *
 * `ispeed` and `ospeed` always say what the CBAUD codes in `cflag` say; a
 * terminal without a wire keeps them only to give them back. See termios(3).
 */
import {
  B38400,
  BAUD_RATES,
  BAUD_RATES_EXTENDED,
  BOTHER,
  CBAUD,
  CIBAUD,
  CREAD,
  CS8,
  ECHO,
  ECHOCTL,
  ECHOE,
  ECHOK,
  ECHOKE,
  HUPCL,
  IBSHIFT,
  ICANON,
  ICRNL,
  IEXTEN,
  ISIG,
  IXON,
  ONLCR,
  OPOST,
  TermioAbi,
  Termios2Abi,
  TermiosAbi,
} from "../../abi/termios.ts";

export class Termios {
  iflag = ICRNL | IXON;
  oflag = OPOST | ONLCR;
  cflag = B38400 | CS8 | CREAD | HUPCL;
  lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
  line = 0;
  readonly cc = Uint8Array.from(DEFAULT_CC);
  ispeed = 38400;
  ospeed = 38400;

  copyFrom(other: Termios): void {
    this.iflag = other.iflag;
    this.oflag = other.oflag;
    this.cflag = other.cflag;
    this.lflag = other.lflag;
    this.line = other.line;
    this.cc.set(other.cc);
    this.ispeed = other.ispeed;
    this.ospeed = other.ospeed;
  }

  clone(): Termios {
    const t = new Termios();
    t.copyFrom(this);
    return t;
  }

  /** Puts back from `old` the bits, characters and discipline that are set in `locked`. */
  keepLocked(old: Termios, locked: Termios): void {
    const keep = (now: number, was: number, mask: number): number =>
      ((now & ~mask) | (was & mask)) >>> 0;
    this.iflag = keep(this.iflag, old.iflag, locked.iflag);
    this.oflag = keep(this.oflag, old.oflag, locked.oflag);
    this.cflag = keep(this.cflag, old.cflag, locked.cflag);
    this.lflag = keep(this.lflag, old.lflag, locked.lflag);
    if (locked.line !== 0) this.line = old.line;
    for (let i = 0; i < this.cc.length; i++) if (locked.cc[i] !== 0) this.cc[i] = old.cc[i]!;
    if ((locked.cflag & CBAUD) !== 0) this.#settleSpeeds(this.ispeed, this.ospeed);
  }

  /** struct termios of TCGETS. */
  encode(): Uint8Array {
    return this.#encode(TermiosAbi.sizeof);
  }

  /** struct termios2 of TCGETS2. */
  encode2(): Uint8Array {
    const out = this.#encode(Termios2Abi.sizeof);
    const view = new DataView(out.buffer);
    Termios2Abi.c_ispeed.set(view, 0, this.ispeed);
    Termios2Abi.c_ospeed.set(view, 0, this.ospeed);
    return out;
  }

  /** struct termio of TCGETA: the low halves. */
  encodeTermio(): Uint8Array {
    const out = new Uint8Array(TermioAbi.sizeof);
    const view = new DataView(out.buffer);
    TermioAbi.c_iflag.set(view, 0, this.iflag);
    TermioAbi.c_oflag.set(view, 0, this.oflag);
    TermioAbi.c_cflag.set(view, 0, this.cflag);
    TermioAbi.c_lflag.set(view, 0, this.lflag);
    TermioAbi.c_line.set(view, 0, this.line);
    TermioAbi.c_cc.set(view, 0, this.cc.subarray(0, 8));
    return out;
  }

  /** Takes over a struct termios, or a termios2 when it is that long. */
  decode(from: Uint8Array): void {
    const view = new DataView(from.buffer, from.byteOffset, from.length);
    this.iflag = TermiosAbi.c_iflag.get(view, 0);
    this.oflag = TermiosAbi.c_oflag.get(view, 0);
    this.cflag = TermiosAbi.c_cflag.get(view, 0);
    this.lflag = TermiosAbi.c_lflag.get(view, 0);
    this.line = TermiosAbi.c_line.get(view, 0);
    this.cc.set(TermiosAbi.c_cc.get(view, 0));
    const isWide = from.length >= Termios2Abi.sizeof;
    const ispeed = isWide ? Termios2Abi.c_ispeed.get(view, 0) : this.ispeed;
    const ospeed = isWide ? Termios2Abi.c_ospeed.get(view, 0) : this.ospeed;
    this.#settleSpeeds(ispeed, ospeed);
  }

  decodeTermio(from: Uint8Array): void {
    const view = new DataView(from.buffer, from.byteOffset, from.length);
    const merge = (old: number, low: number): number => ((old & 0xffff_0000) | low) >>> 0;
    this.iflag = merge(this.iflag, TermioAbi.c_iflag.get(view, 0));
    this.oflag = merge(this.oflag, TermioAbi.c_oflag.get(view, 0));
    this.cflag = merge(this.cflag, TermioAbi.c_cflag.get(view, 0));
    this.lflag = merge(this.lflag, TermioAbi.c_lflag.get(view, 0));
    this.line = TermioAbi.c_line.get(view, 0);
    this.cc.set(TermioAbi.c_cc.get(view, 0));
    this.#settleSpeeds(this.ispeed, this.ospeed);
  }

  #encode(size: number): Uint8Array {
    const out = new Uint8Array(size);
    const view = new DataView(out.buffer);
    TermiosAbi.c_iflag.set(view, 0, this.iflag);
    TermiosAbi.c_oflag.set(view, 0, this.oflag);
    TermiosAbi.c_cflag.set(view, 0, this.cflag);
    TermiosAbi.c_lflag.set(view, 0, this.lflag);
    TermiosAbi.c_line.set(view, 0, this.line);
    TermiosAbi.c_cc.set(view, 0, this.cc);
    return out;
  }

  /** Codes rule; only BOTHER takes the plain numbers. An input code of 0 follows the output. */
  #settleSpeeds(ispeed: number, ospeed: number): void {
    const out = this.cflag & CBAUD;
    const into = (this.cflag & CIBAUD) >>> IBSHIFT;
    this.ospeed = out === BOTHER ? ospeed : baudRate(out);
    if (into === 0) this.ispeed = this.ospeed;
    else this.ispeed = into === BOTHER ? ispeed : baudRate(into);
  }
}

function baudRate(code: number): number {
  const table = code & BOTHER ? BAUD_RATES_EXTENDED : BAUD_RATES;
  return table[code & 0xf]!;
}

/** ^C ^\ DEL ^U ^D, time 0, min 1, no swtc, ^Q ^S ^Z, no eol, ^R ^O ^W ^V, no eol2. */
const DEFAULT_CC = [3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0];
