/**
 * Terminals: the half that programs open, whatever is at the other end.
 *
 * A Tty joins the line discipline to a far side (the console's port, a pty's
 * master) that gives input to `receive` and takes output through `put`. Input
 * that the discipline has no room for waits in `#backlog`, and the far side
 * gives no more than `inputRoom`. See termios(3), ioctl_tty(2), tty(4).
 */
import { SIGWINCH } from "../../abi/signal.ts";
import { TIOCPKT_FLUSHREAD, TIOCPKT_START, TIOCPKT_STOP } from "../../abi/ttyioctl.ts";
import { WaitQueue } from "../../kern/waitqueue.ts";
import { ByteFifo } from "../../lib/bytefifo.ts";
import type { ControllingTty, ProcessGroup, Session } from "../../proc/session.ts";
import { pgsignal } from "../../proc/signal.ts";
import { endSession, vhangup } from "./hangup.ts";
import { type LineHost, NTty } from "./ntty.ts";
import { OutputProcessor, type TtySink } from "./output.ts";
import { ConsoleRedirect } from "./redirect.ts";
import { Termios } from "./termios.ts";
import type { TtyFile } from "./ttyfile.ts";

export interface WindowSize {
  readonly rows: number;
  readonly cols: number;
  readonly xpixel: number;
  readonly ypixel: number;
}

const BACKLOG_BYTES = 16384;
const FEED_BYTES = 4096;

export abstract class Tty implements ControllingTty, LineHost, TtySink {
  readonly rdev: number;
  /** Below /dev: "hvc0", "pts/3". */
  readonly name: string;
  readonly termios = new Termios();
  /** Set bits are kept as they are: TIOCSLCKTRMIOS. */
  locked: Termios | null = null;
  windowSize: WindowSize = { rows: 0, cols: 0, xpixel: 0, ypixel: 0 };
  session: Session | null = null;
  foreground: ProcessGroup | null = null;
  isStopped = false;
  isHeldByProgram = false;
  /** TIOCEXCL: no further opens but by CAP_SYS_ADMIN. */
  isExclusive = false;
  /** The far side is gone for good: a pty's master was closed. */
  isFarSideGone = false;
  readonly readable = new WaitQueue();
  readonly writable = new WaitQueue();
  readonly files = new Set<TtyFile>();
  /** The machine's; one of its own where there is no machine. */
  redirect = new ConsoleRedirect();
  readonly out: OutputProcessor;
  readonly ldisc: NTty;
  readonly #backlog = new ByteFifo(BACKLOG_BYTES);

  constructor(rdev: number, name: string) {
    this.rdev = rdev;
    this.name = name;
    this.out = new OutputProcessor(this, this.termios);
    this.ldisc = new NTty(this, this.out);
  }

  /** True for a pty: the end of its session is no hangup. */
  abstract readonly isPty: boolean;
  /** Bytes of output that the far side takes now. */
  protected abstract outputRoom(): number;
  abstract put(bytes: Uint8Array): void;
  abstract discardOutput(): void;

  /** Corrects what a program asked for to what this terminal can be. */
  protected attributesSet(_old: Termios): void {}
  /** A change that a pty's master may want to know: TIOCPKT_* bits to set and to clear. */
  protected notePacketStatus(_set: number, _clear: number): void {}
  /** Input was taken: the far side may give more. */
  protected inputWanted(): void {}
  /** The last file that had this terminal open was closed. */
  lastClose(): void {}

  /** What a terminal of this kind is before anybody changes it. */
  defaultTermios(): Termios {
    return new Termios();
  }

  room(): number {
    return this.isStopped ? 0 : this.outputRoom();
  }

  get inputRoom(): number {
    return this.#backlog.room;
  }

  /** Input from the far side, at most `inputRoom` bytes. */
  receive(bytes: Uint8Array): void {
    const done = this.#backlog.isEmpty ? this.ldisc.receive(bytes, false) : 0;
    if (done === bytes.length) return;
    const rest = bytes.subarray(done);
    this.#backlog.put(rest);
    this.ldisc.lookAhead(rest);
  }

  /** Gives the discipline what it had no room for before. */
  feed(): void {
    while (!this.#backlog.isEmpty) {
      const n = this.ldisc.receive(this.#backlog.peek(FEED_BYTES), true);
      if (n === 0) break;
      this.#backlog.drop(n);
    }
    if (this.inputRoom > 0) this.inputWanted();
  }

  /** TCIFLUSH: forgets all input that no program has read. */
  discardAllInput(): void {
    this.#backlog.clear();
    this.discardInput();
  }

  /** TCSAFLUSH: forgets what the discipline holds; what waited behind it comes up. */
  discardInput(): void {
    this.ldisc.discardInput();
    this.inputDiscarded();
    this.feed();
  }

  setAttributes(to: Termios): void {
    const old = this.termios.clone();
    this.termios.copyFrom(to);
    if (this.locked) this.termios.keepLocked(old, this.locked);
    this.attributesSet(old);
    this.ldisc.attributesChanged(old);
    this.wakeAll();
    this.feed();
  }

  setWindowSize(to: WindowSize): void {
    const now = this.windowSize;
    const isSame =
      now.rows === to.rows &&
      now.cols === to.cols &&
      now.xpixel === to.xpixel &&
      now.ypixel === to.ypixel;
    if (isSame) return;
    this.windowSize = to;
    this.signalForeground(SIGWINCH);
  }

  stop(): void {
    if (this.isStopped) return;
    this.isStopped = true;
    this.notePacketStatus(TIOCPKT_STOP, TIOCPKT_START);
  }

  start(): void {
    if (!this.isStopped || this.isHeldByProgram) return;
    this.isStopped = false;
    this.notePacketStatus(TIOCPKT_START, TIOCPKT_STOP);
    this.writable.wakeup();
  }

  signalForeground(sig: number): void {
    if (this.foreground) pgsignal(this.foreground, sig);
  }

  inputDiscarded(): void {
    this.notePacketStatus(TIOCPKT_FLUSHREAD, 0);
  }

  wakeReaders(): void {
    this.readable.wakeup();
  }

  wakeAll(): void {
    this.readable.wakeup();
    this.writable.wakeup();
  }

  /** The session leader ended. */
  hangup(): void {
    endSession(this);
  }

  vhangup(): void {
    vhangup(this);
  }
}
