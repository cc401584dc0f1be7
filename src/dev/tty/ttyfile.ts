/**
 * A terminal that somebody has open: read, write, poll.
 *
 * A file opened through /dev/console is exempt from job control and from
 * hangup, so that messages always come through. See tty(4), termios(3).
 */
import { EAGAIN, EIO, ENOTTY, failed } from "../../abi/errno.ts";
import { O_NONBLOCK } from "../../abi/fcntl.ts";
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../../abi/poll.ts";
import { SIGTTIN, SIGTTOU } from "../../abi/signal.ts";
import { EXTPROC, ICANON, TOSTOP, VEOF, VMIN, VTIME } from "../../abi/termios.ts";
import { TIOCSPGRP } from "../../abi/ttyioctl.ts";
import type { Thread } from "../../kern/thread.ts";
import { setOwnerTo } from "../../proc/ioowner.ts";
import type { Lwp } from "../../proc/lwp.ts";
import { File } from "../../vfs/file.ts";
import type { PollTable } from "../../vfs/poll.ts";
import type { Uio } from "../../vm/uio.ts";
import type { UserMemory } from "../../vm/usermem.ts";
import { bytesWaiting, ttyIoctl } from "./ioctl.ts";
import { checkForeground } from "./jobcontrol.ts";
import type { Tty } from "./tty.ts";

const READY_IN = POLLIN | POLLRDNORM;
const READY_OUT = POLLOUT | POLLWRNORM;
const CHUNK_BYTES = 2048;
/** VTIME counts tenths of a second. */
const VTIME_NS = 1e8;

export class TtyFile extends File {
  readonly tty: Tty;
  readonly isConsole: boolean;
  isHungUp = false;
  #chunk: Uint8Array | null = null;

  constructor(tty: Tty, flags: number, isConsole: boolean) {
    super(flags);
    this.tty = tty;
    this.isConsole = isConsole;
    tty.files.add(this);
  }

  /** The line was cut. The console's own file never is. */
  hungUp(): void {
    if (this.isConsole) return;
    this.isHungUp = true;
    this.tty.redirect.hungUp(this);
  }

  describe(): string {
    return `/dev/${this.tty.name}`;
  }

  override read(td: Thread, uio: Uio): number {
    const { tty } = this;
    if (this.isHungUp) return 0;
    const checked = this.isConsole ? 0 : checkForeground(td, tty, SIGTTIN);
    if (failed(checked)) return checked;
    if (uio.resid === 0) return 0;
    const r = tty.ldisc.isCanonical ? this.#readLine(td, uio) : this.#readBytes(td, uio);
    if (r >= 0) tty.feed();
    return r;
  }

  override write(td: Thread, uio: Uio): number {
    const { tty } = this;
    const already = td.restart.done;
    if (this.isConsole && tty.redirect.to) return tty.redirect.to.write(td, uio);
    if (this.isHungUp) return already > 0 ? already : EIO;
    if (tty.termios.lflag & TOSTOP && !this.isConsole && already === 0) {
      const checked = checkForeground(td, tty, SIGTTOU);
      if (failed(checked)) return checked;
    }
    uio.skip(already);
    const wanted = uio.resid;
    tty.ldisc.echo.sendMarked();
    const n = this.#send(uio);
    if (failed(n)) return already > 0 ? already : n;
    const done = already + n;
    if (n === wanted) return done;
    if (this.flags & O_NONBLOCK) return done > 0 ? done : EAGAIN;
    td.restart.done = done;
    return td.sleep(tty.writable, "ttyout");
  }

  override get canBeAsync(): boolean {
    return true;
  }

  /** Unless somebody has been named, the foreground is told, or who asks. */
  override setAsync(td: Thread, isOn: boolean, fd: number): void {
    if (isOn && !this.owner) {
      const lwp = td as Lwp;
      setOwnerTo(lwp, this, this.tty.foreground ?? lwp.proc);
    }
    super.setAsync(td, isOn, fd);
  }

  override poll(_td: Thread, table: PollTable | null): number {
    const { tty } = this;
    table?.watch(tty.readable, READY_IN | POLLHUP | POLLERR);
    table?.watch(tty.writable, READY_OUT | POLLHUP | POLLERR);
    if (this.isHungUp) return READY_IN | READY_OUT | POLLERR | POLLHUP;
    const { cc } = tty.termios;
    const enough = cc[VTIME] === 0 && cc[VMIN] !== 0 ? cc[VMIN]! : 1;
    const { queue, isCanonical } = tty.ldisc;
    const isReadable = isCanonical ? queue.hasLine : queue.count >= enough;
    return (isReadable ? READY_IN : 0) | (tty.room() > 0 ? READY_OUT : 0);
  }

  override ioctl(td: Thread, request: number, arg: number, mem: UserMemory): number {
    if (this.isHungUp) return request === TIOCSPGRP ? ENOTTY : EIO;
    const how = {
      file: this,
      isMaster: false,
      isConsole: this.isConsole,
      isReadable: this.isReadable,
    };
    return ttyIoctl(td, this.tty, how, request >>> 0, arg, mem);
  }

  override bytesReadable(): number {
    return this.isHungUp ? EIO : bytesWaiting(this.tty);
  }

  override onLastClose(): void {
    this.tty.files.delete(this);
    if (this.tty.files.size === 0) this.tty.lastClose();
  }

  #readLine(td: Thread, uio: Uio): number {
    const { tty } = this;
    if (tty.ldisc.queue.hasLine) return tty.ldisc.queue.readLine(uio);
    if (this.flags & O_NONBLOCK) return EAGAIN;
    return td.sleep(tty.readable, "ttyin");
  }

  /** VMIN and VTIME; see termios(3), "Canonical and noncanonical mode". */
  #readBytes(td: Thread, uio: Uio): number {
    const { cc, lflag } = this.tty.termios;
    const { queue } = this.tty.ldisc;
    const isExternal = (lflag & ICANON) !== 0;
    const min = isExternal ? 1 : cc[VMIN]!;
    const timeNs = isExternal ? 0 : cc[VTIME]! * VTIME_NS;
    if (queue.count >= Math.min(Math.max(min, 1), uio.resid)) {
      return isExternal ? this.#readExternal(uio) : queue.read(uio);
    }
    if (min === 0) return this.#readBefore(td, timeNs);
    if (this.flags & O_NONBLOCK) return queue.count > 0 ? queue.read(uio) : EAGAIN;
    if (timeNs > 0 && queue.count > 0) return this.#readBurst(td, uio, timeNs);
    return td.sleep(this.tty.readable, "ttyin");
  }

  /** The far end edits lines (EXTPROC); a VEOF on its own still is end of file. */
  #readExternal(uio: Uio): number {
    const { queue } = this.tty.ldisc;
    const { cc, lflag } = this.tty.termios;
    if (!(lflag & EXTPROC) || queue.count !== 1 || queue.at(queue.tail) !== cc[VEOF]) {
      return queue.read(uio);
    }
    queue.tail++;
    return 0;
  }

  /** VMIN 0 and nothing there: waits for the first byte, but no longer than VTIME. */
  #readBefore(td: Thread, timeNs: number): number {
    if (timeNs === 0) return 0;
    if (this.flags & O_NONBLOCK) return EAGAIN;
    const now = td.cpu.clock.monotonicNs();
    if (td.restart.deadlineNs < 0) td.restart.deadlineNs = now + timeNs;
    if (now >= td.restart.deadlineNs) return 0;
    return td.sleepUntil(this.tty.readable, "ttyin", td.restart.deadlineNs);
  }

  /** VMIN bytes are not there yet: VTIME runs anew with every byte. */
  #readBurst(td: Thread, uio: Uio, timeNs: number): number {
    const { queue } = this.tty.ldisc;
    const now = td.cpu.clock.monotonicNs();
    if (td.restart.data !== queue.head) {
      td.restart.data = queue.head;
      td.restart.deadlineNs = now + timeNs;
    }
    if (now >= td.restart.deadlineNs) return queue.read(uio);
    return td.sleepUntil(this.tty.readable, "ttyin", td.restart.deadlineNs);
  }

  /** As much as the terminal takes now. Bytes taken (0: none), or EFAULT. */
  #send(uio: Uio): number {
    this.#chunk ??= new Uint8Array(CHUNK_BYTES);
    let done = 0;
    while (uio.resid > 0) {
      const n = uio.copyin(this.#chunk.subarray(0, Math.min(uio.resid, CHUNK_BYTES)));
      if (n < 0) return done > 0 ? done : n;
      const taken = this.tty.out.write(this.#chunk.subarray(0, n));
      done += taken;
      if (taken < n) break;
    }
    return done;
  }
}
