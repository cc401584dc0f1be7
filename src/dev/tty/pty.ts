/**
 * Pseudoterminals: a slave that programs take for a terminal, and the master
 * through which another program plays the person at it.
 *
 * The slave lives as long as the master: closing the slave's last file leaves
 * its attributes and unread input for the next open, closing the master hangs
 * it up for good. See pty(7), ioctl_tty(2) "Packet mode".
 */
import {
  CREAD,
  CS8,
  CSIZE,
  EXTPROC,
  HUPCL,
  IXON,
  PARENB,
  VSTART,
  VSTOP,
} from "../../abi/termios.ts";
import {
  TIOCPKT_DOSTOP,
  TIOCPKT_FLUSHWRITE,
  TIOCPKT_IOCTL,
  TIOCPKT_NOSTOP,
} from "../../abi/ttyioctl.ts";
import { WaitQueue } from "../../kern/waitqueue.ts";
import { ByteFifo } from "../../lib/bytefifo.ts";
import { vhangup } from "./hangup.ts";
import { Termios } from "./termios.ts";
import { Tty } from "./tty.ts";

/** Output that waits for the master's reader. */
const OUTPUT_BYTES = 20480;
/** What a flush cannot take back: Linux has handed as much to the master by then. */
const DELIVERED_BYTES = 4095;

export class PtySlave extends Tty {
  readonly isPty = true;
  readonly index: number;
  /** Woken when the master can read, or can write. */
  readonly masterReadable = new WaitQueue();
  readonly masterWritable = new WaitQueue();
  readonly output = new ByteFifo(OUTPUT_BYTES);
  isLocked = true;
  isPacketMode = false;
  /** TIOCPKT_* not yet told to the master. */
  packetStatus = 0;
  /** Was open, and is no more: the master reads EIO after the last output. */
  isClosed = false;
  /** Output that was there before the input now being received: a flush leaves it. */
  #outputBefore = DELIVERED_BYTES;

  constructor(rdev: number, index: number) {
    super(rdev, `pts/${index}`);
    this.index = index;
    this.setAttributes(this.defaultTermios());
  }

  override defaultTermios(): Termios {
    const t = new Termios();
    t.cflag &= ~HUPCL;
    return t;
  }

  override receive(bytes: Uint8Array): void {
    this.#outputBefore = Math.min(this.output.length, DELIVERED_BYTES);
    super.receive(bytes);
    this.#outputBefore = DELIVERED_BYTES;
  }

  put(bytes: Uint8Array): void {
    this.output.put(bytes);
    this.masterReadable.wakeup();
  }

  discardOutput(): void {
    this.output.truncate(this.#outputBefore);
    this.notePacketStatus(TIOCPKT_FLUSHWRITE, 0);
    this.writable.wakeup();
  }

  /** The master read something: there is room for more output. */
  outputTaken(): void {
    this.writable.wakeup();
  }

  masterClosed(): void {
    this.isFarSideGone = true;
    this.isPacketMode = false;
    vhangup(this);
  }

  override lastClose(): void {
    this.isClosed = true;
    this.masterReadable.wakeup();
    this.masterWritable.wakeup();
  }

  protected outputRoom(): number {
    return this.output.room;
  }

  protected override inputWanted(): void {
    this.masterWritable.wakeup();
  }

  protected override notePacketStatus(set: number, clear: number): void {
    if (!this.isPacketMode) return;
    this.packetStatus = (this.packetStatus & ~clear) | set;
    this.masterReadable.wakeup();
  }

  protected override attributesSet(old: Termios): void {
    const { termios } = this;
    termios.cflag = (termios.cflag & ~(CSIZE | PARENB)) | CS8 | CREAD;
    if (hasUsualFlow(old) !== hasUsualFlow(termios)) {
      const isOn = hasUsualFlow(termios);
      this.notePacketStatus(
        isOn ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP,
        TIOCPKT_DOSTOP | TIOCPKT_NOSTOP,
      );
    }
    if ((old.lflag | termios.lflag) & EXTPROC) this.notePacketStatus(TIOCPKT_IOCTL, 0);
  }
}

/** ^S and ^Q stop and start output, so that the master's side may do it locally. */
function hasUsualFlow(t: Termios): boolean {
  return (t.iflag & IXON) !== 0 && t.cc[VSTOP] === 0x13 && t.cc[VSTART] === 0x11;
}
