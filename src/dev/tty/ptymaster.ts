/**
 * The master's side of a pty, as an open file. See pty(7), ptmx(4).
 *
 * What is written is typed at the slave; what is read is the slave's output,
 * in packet mode behind a byte that says data (0) or which changes happened.
 */
import { EAGAIN, EFAULT, EINVAL, EIO, EPERM, failed } from "../../abi/errno.ts";
import { O_NONBLOCK } from "../../abi/fcntl.ts";
import { POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDNORM, POLLWRNORM } from "../../abi/poll.ts";
import { SIGINT, SIGQUIT, SIGTSTP } from "../../abi/signal.ts";
import {
  FIONREAD,
  TCFLSH,
  TCIFLUSH,
  TCIOFLUSH,
  TIOCGPKT,
  TIOCGPTLCK,
  TIOCGPTN,
  TIOCGPTPEER,
  TIOCPKT,
  TIOCPKT_DATA,
  TIOCSCTTY,
  TIOCSIG,
  TIOCSPTLCK,
  TIOCSTI,
} from "../../abi/ttyioctl.ts";
import { CAP_SYS_ADMIN } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import { File } from "../../vfs/file.ts";
import type { PollTable } from "../../vfs/poll.ts";
import type { Uio } from "../../vm/uio.ts";
import type { UserMemory } from "../../vm/usermem.ts";
import { loadInt, storeInt, ttyIoctl } from "./ioctl.ts";
import type { PtySlave } from "./pty.ts";

/** Who allocated the pty: takes its name back, and opens the other end by TIOCGPTPEER. */
export interface PtyOwner {
  masterClosed(slave: PtySlave): void;
  /** A descriptor for the slave, or an error. */
  openPeer(td: Thread, slave: PtySlave, flags: number): number;
}

const CHUNK_BYTES = 2048;

export class PtyMaster extends File {
  readonly slave: PtySlave;
  readonly #owner: PtyOwner;

  constructor(slave: PtySlave, owner: PtyOwner, flags: number) {
    super(flags);
    this.slave = slave;
    this.#owner = owner;
  }

  describe(): string {
    return "/dev/ptmx";
  }

  override read(td: Thread, uio: Uio): number {
    const { slave } = this;
    if (uio.resid === 0) return 0;
    if (slave.packetStatus !== 0) {
      const r = uio.copyout(Uint8Array.of(slave.packetStatus));
      if (!failed(r)) slave.packetStatus = 0;
      return r;
    }
    if (slave.output.isEmpty) {
      if (slave.isClosed) return EIO;
      if (this.flags & O_NONBLOCK) return EAGAIN;
      return td.sleep(slave.masterReadable, "ptmx");
    }
    return this.#take(uio);
  }

  override write(td: Thread, uio: Uio): number {
    const { slave } = this;
    let done = td.restart.done;
    uio.skip(done);
    const chunk = new Uint8Array(Math.min(uio.resid, CHUNK_BYTES));
    while (uio.resid > 0 && slave.inputRoom > 0) {
      const n = uio.copyin(chunk.subarray(0, Math.min(uio.resid, slave.inputRoom)));
      if (failed(n)) return done > 0 ? done : n;
      slave.receive(chunk.subarray(0, n));
      done += n;
    }
    if (uio.resid === 0) return done;
    if (this.flags & O_NONBLOCK) return done > 0 ? done : EAGAIN;
    td.restart.done = done;
    return td.sleep(slave.masterWritable, "ptmxout");
  }

  override get canBeAsync(): boolean {
    return true;
  }

  override poll(_td: Thread, table: PollTable | null): number {
    const { slave } = this;
    table?.watch(slave.masterReadable, POLLIN | POLLRDNORM | POLLPRI | POLLHUP);
    table?.watch(slave.masterWritable, POLLOUT | POLLWRNORM | POLLHUP);
    let events = 0;
    if (!slave.output.isEmpty) events |= POLLIN | POLLRDNORM;
    if (slave.packetStatus !== 0) events |= POLLPRI | POLLIN | POLLRDNORM;
    if (slave.isClosed) events |= POLLHUP;
    if (slave.inputRoom > 0) events |= POLLOUT | POLLWRNORM;
    return events;
  }

  override ioctl(td: Thread, signed: number, arg: number, mem: UserMemory): number {
    const { slave } = this;
    const request = signed >>> 0;
    switch (request) {
      case FIONREAD:
        return storeInt(slave.output.length, arg, mem);
      case TIOCGPTN:
        return storeInt(slave.index, arg, mem);
      case TIOCSPTLCK:
        return this.#setLock(arg, mem);
      case TIOCGPTLCK:
        return storeInt(slave.isLocked ? 1 : 0, arg, mem);
      case TIOCPKT:
        return this.#setPacketMode(arg, mem);
      case TIOCGPKT:
        return storeInt(slave.isPacketMode ? 1 : 0, arg, mem);
      case TIOCSIG:
        return this.#signal(arg);
      case TIOCGPTPEER:
        return this.#owner.openPeer(td, slave, arg);
      case TIOCSCTTY:
        return EPERM;
      case TIOCSTI:
        return this.#simulateOutput(td, arg, mem);
      case TCFLSH:
        if (arg === TCIFLUSH || arg === TCIOFLUSH) this.#discard();
        return arg > TCIOFLUSH ? EINVAL : 0;
    }
    const how = { file: this, isMaster: true, isConsole: false, isReadable: this.isReadable };
    return ttyIoctl(td, slave, how, request, arg, mem);
  }

  override bytesReadable(): number {
    return this.slave.output.length;
  }

  override onLastClose(): void {
    this.slave.masterClosed();
    this.#owner.masterClosed(this.slave);
  }

  #take(uio: Uio): number {
    const { slave } = this;
    let done = 0;
    if (slave.isPacketMode) {
      const r = uio.copyout(Uint8Array.of(TIOCPKT_DATA));
      if (failed(r)) return r;
      done = 1;
    }
    while (uio.resid > 0 && !slave.output.isEmpty) {
      const n = uio.copyout(slave.output.peek(uio.resid));
      if (n <= 0) {
        if (done === 0) return n;
        break;
      }
      slave.output.drop(n);
      done += n;
    }
    slave.outputTaken();
    return done;
  }

  #discard(): void {
    this.slave.output.clear();
    this.slave.outputTaken();
  }

  #setLock(arg: number, mem: UserMemory): number {
    const value = loadInt(arg, mem);
    if (value === null) return EFAULT;
    this.slave.isLocked = value !== 0;
    return 0;
  }

  #setPacketMode(arg: number, mem: UserMemory): number {
    const value = loadInt(arg, mem);
    if (value === null) return EFAULT;
    const isOn = value !== 0;
    if (isOn && !this.slave.isPacketMode) this.slave.packetStatus = 0;
    this.slave.isPacketMode = isOn;
    return 0;
  }

  /** TIOCSIG: a signal as if its key had been typed at the slave. */
  #signal(sig: number): number {
    if (sig !== SIGINT && sig !== SIGQUIT && sig !== SIGTSTP) return EINVAL;
    this.slave.signalForeground(sig);
    return 0;
  }

  /** TIOCSTI on the master: output as if the slave had written it. */
  #simulateOutput(td: Thread, arg: number, mem: UserMemory): number {
    if (!td.cred.hasCap(CAP_SYS_ADMIN)) return EIO;
    const typed = new Uint8Array(1);
    if (failed(mem.copyin(arg, typed))) return EFAULT;
    this.slave.put(typed);
    return 0;
  }
}
