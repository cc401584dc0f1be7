/**
 * The console: the terminal that the host shows its user, /dev/hvc0.
 *
 * Output goes to the host's port at once; input is taken from it when the
 * doorbell rings, and only as far as there is room for it. See console(4).
 */
import { CLOCAL, CREAD, HUPCL, IUTF8 } from "../../abi/termios.ts";
import type { ConsolePort } from "../../platform/host.ts";
import { detachSession } from "./hangup.ts";
import { Termios } from "./termios.ts";
import { Tty } from "./tty.ts";

const CHUNK_BYTES = 4096;
/** What a program may change of c_cflag on a line without a wire. */
const SOFT_CFLAGS = HUPCL | CREAD | CLOCAL;

export class ConsoleTty extends Tty {
  readonly isPty = false;
  readonly #port: ConsolePort;
  readonly #chunk = new Uint8Array(CHUNK_BYTES);
  /** The host had more than there was room for. */
  #hasMore = false;

  constructor(rdev: number, name: string, port: ConsolePort) {
    super(rdev, name);
    this.#port = port;
    this.setAttributes(this.defaultTermios());
    this.resized();
  }

  /** Host terminals speak UTF-8, so erasing must too. */
  override defaultTermios(): Termios {
    const t = new Termios();
    t.iflag |= IUTF8;
    return t;
  }

  /** The doorbell rang: takes what was typed. The end of the host's input is silence. */
  consoleInput(): void {
    this.#hasMore = false;
    for (;;) {
      const room = Math.min(this.inputRoom, CHUNK_BYTES);
      if (room === 0) {
        this.#hasMore = true;
        return;
      }
      const n = this.#port.read(this.#chunk.subarray(0, room));
      if (n <= 0) return;
      this.receive(this.#chunk.subarray(0, n));
    }
  }

  /** The doorbell rang: a terminal that was slow may have made room. */
  outputTaken(): void {
    if (this.room() === 0) return;
    this.ldisc.echo.sendAll();
    this.writable.wakeup();
  }

  /** The host's window has another size: SIGWINCH follows. */
  resized(): void {
    const { rows, cols } = this.#port.size();
    this.setWindowSize({ rows, cols, xpixel: 0, ypixel: 0 });
  }

  put(bytes: Uint8Array): void {
    this.#port.write(bytes);
  }

  discardOutput(): void {
    this.writable.wakeup();
  }

  /** Attributes do not outlast the last user: a login after a crash finds a sane terminal. */
  override lastClose(): void {
    detachSession(this);
    this.isHeldByProgram = false;
    this.start();
    this.setAttributes(this.defaultTermios());
  }

  protected outputRoom(): number {
    return this.#port.room();
  }

  protected override inputWanted(): void {
    if (this.#hasMore) this.consoleInput();
  }

  protected override attributesSet(old: Termios): void {
    const { termios } = this;
    termios.cflag = (termios.cflag & SOFT_CFLAGS) | (old.cflag & ~SOFT_CFLAGS);
    termios.ispeed = old.ispeed;
    termios.ospeed = old.ospeed;
  }
}
