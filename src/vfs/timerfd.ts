/**
 * timerfd_create(2): a timer as a file; reading gives how often it expired.
 *
 * A periodic timer fires its callout once per reading: expirations meanwhile
 * are computed from the clock, so a short period costs nothing while nobody reads.
 * One armed for a time of day moves with the wall clock when that is set, and
 * tells its reader if it was asked to (TFD_TIMER_CANCEL_ON_SET).
 */
import { EAGAIN, ECANCELED, EINVAL, type Errno } from "../abi/errno.ts";
import { O_NONBLOCK, O_RDWR } from "../abi/fcntl.ts";
import { POLLIN, POLLRDNORM } from "../abi/poll.ts";
import { Callout } from "../kern/callout.ts";
import type { Timespec } from "../kern/clock.ts";
import type { Cpu } from "../kern/cpu.ts";
import type { Thread } from "../kern/thread.ts";
import { Waiter, WaitQueue } from "../kern/waitqueue.ts";
import type { Uio } from "../vm/uio.ts";
import type { Attr } from "./attr.ts";
import { File } from "./file.ts";
import type { PollTable } from "./poll.ts";

class TimerCallout extends Callout {
  readonly #file: TimerFile;

  constructor(file: TimerFile) {
    super();
    this.#file = file;
  }

  fire(): void {
    this.#file.expired();
  }
}

class WallClockWatch extends Waiter {
  readonly #file: TimerFile;
  /** A time of day, and when it is by the monotonic clock. */
  readonly at: Timespec;
  atNs: number;

  constructor(file: TimerFile, at: Timespec, atNs: number) {
    super();
    this.#file = file;
    this.at = at;
    this.atNs = atNs;
  }

  wake(): void {
    this.#file.clockSet(this);
  }
}

export class TimerFile extends File {
  readonly clockId: number;
  readonly #attr: Attr;
  readonly #cpu: Cpu;
  readonly #callout = new TimerCallout(this);
  readonly #readable = new WaitQueue();
  /** When it expires next, ns monotonic; Infinity: disarmed. */
  #nextNs = Number.POSITIVE_INFINITY;
  #intervalNs = 0;
  #isExpired = false;
  #wallClock: WallClockWatch | null = null;
  /** Setting the clock ends the next read with ECANCELED; and whether it has been set. */
  #isCancelable = false;
  #isCanceled = false;

  constructor(clockId: number, cpu: Cpu, flags: number, attr: Attr) {
    super(O_RDWR | flags);
    this.clockId = clockId;
    this.#cpu = cpu;
    this.#attr = attr;
  }

  describe(): string {
    return "anon_inode:[timerfd]";
  }

  override stat(): Attr | Errno {
    return this.#attr;
  }

  /** Arms for `nextNs` (absolute, monotonic; Infinity disarms). Expirations so far are forgotten. */
  set(nextNs: number, intervalNs: number): void {
    this.#wallClock?.cancel();
    this.#wallClock = null;
    this.#isCancelable = this.#isCanceled = false;
    this.#intervalNs = intervalNs;
    this.#aim(nextNs);
  }

  /** Arms for a time of day. */
  setAtWall(at: Timespec, intervalNs: number, isCancelable: boolean): void {
    const { clock } = this.#cpu;
    const atNs = clock.monotonicAt(at);
    this.set(atNs, intervalNs);
    this.#isCancelable = isCancelable;
    this.#wallClock = new WallClockWatch(this, at, atNs);
    clock.wasSet.add(this.#wallClock);
  }

  /** The wall clock was set: the expiration to come moves with it. */
  clockSet(watch: WallClockWatch): void {
    const { clock } = this.#cpu;
    const movedNs = clock.monotonicAt(watch.at) - watch.atNs;
    watch.atNs += movedNs;
    clock.wasSet.add(watch);
    if (!this.#isExpired) this.#aim(this.#nextNs + movedNs);
    if (!this.#isCancelable) return;
    this.#isCanceled = true;
    this.#readable.wakeup();
  }

  get intervalNs(): number {
    return this.#intervalNs;
  }

  /** Time to the next expiration; 0 when disarmed. */
  remainingNs(): number {
    if (this.#nextNs === Number.POSITIVE_INFINITY) return 0;
    const now = this.#cpu.clock.monotonicNs();
    if (this.#nextNs > now) return this.#nextNs - now;
    if (this.#intervalNs === 0) return 0;
    return this.#intervalNs - ((now - this.#nextNs) % this.#intervalNs);
  }

  expired(): void {
    this.#isExpired = true;
    this.#readable.wakeup();
  }

  override read(td: Thread, uio: Uio): number {
    if (uio.resid < 8) return EINVAL;
    if (this.#isCanceled) {
      this.#isCanceled = this.#isExpired = false;
      return ECANCELED;
    }
    if (!this.#isExpired) {
      if ((this.flags & O_NONBLOCK) !== 0) return EAGAIN;
      return td.sleep(this.#readable, "timerfd_read");
    }
    const now = this.#cpu.clock.monotonicNs();
    let ticks = 1;
    let next = Number.POSITIVE_INFINITY;
    if (this.#intervalNs > 0) {
      ticks += Math.max(0, Math.floor((now - this.#nextNs) / this.#intervalNs));
      next = this.#nextNs + ticks * this.#intervalNs;
    }
    const value = new Uint8Array(8);
    const view = new DataView(value.buffer);
    view.setUint32(0, ticks >>> 0, true);
    view.setUint32(4, Math.floor(ticks / 0x100000000), true);
    const n = uio.copyout(value);
    if (n < 0) return n;
    this.#aim(next);
    return 8;
  }

  override poll(_td: Thread, table: PollTable | null): number {
    table?.watch(this.#readable, POLLIN | POLLRDNORM);
    return this.#isExpired || this.#isCanceled ? POLLIN | POLLRDNORM : 0;
  }

  override onLastClose(): void {
    this.#cpu.callouts.disarm(this.#callout);
    this.#wallClock?.cancel();
  }

  #aim(nextNs: number): void {
    const { callouts } = this.#cpu;
    callouts.disarm(this.#callout);
    this.#nextNs = nextNs;
    this.#isExpired = false;
    if (nextNs < Number.POSITIVE_INFINITY) callouts.arm(this.#callout, nextNs);
  }
}
