/**
 * eventfd(2): a 64-bit counter as a file.
 *
 * The counter is two 32-bit halves, because its top value does not fit a number.
 */
import { EAGAIN, EINVAL, type Errno } from "../abi/errno.ts";
import { O_NONBLOCK, O_RDWR } from "../abi/fcntl.ts";
import { POLLERR, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../abi/poll.ts";
import type { Thread } from "../kern/thread.ts";
import { WaitQueue } from "../kern/waitqueue.ts";
import type { Uio } from "../vm/uio.ts";
import type { Attr } from "./attr.ts";
import { File } from "./file.ts";
import type { PollTable } from "./poll.ts";

const ALL_ONES = 0xffffffff;

export class EventFile extends File {
  readonly #attr: Attr;
  readonly #isSemaphore: boolean;
  #lo: number;
  #hi = 0;
  readonly #readable = new WaitQueue();
  readonly #writable = new WaitQueue();

  constructor(initial: number, isSemaphore: boolean, flags: number, attr: Attr) {
    super(O_RDWR | flags);
    this.#lo = initial >>> 0;
    this.#isSemaphore = isSemaphore;
    this.#attr = attr;
  }

  describe(): string {
    return "anon_inode:[eventfd]";
  }

  override stat(): Attr | Errno {
    return this.#attr;
  }

  /** The count, for /proc/PID/fdinfo. */
  get count(): number {
    return this.#hi * 0x100000000 + this.#lo;
  }

  override read(td: Thread, uio: Uio): number {
    if (uio.resid < 8) return EINVAL;
    if (this.#lo === 0 && this.#hi === 0) {
      if ((this.flags & O_NONBLOCK) !== 0) return EAGAIN;
      return td.sleep(this.#readable, "eventfd_read");
    }
    const value = new Uint8Array(8);
    const view = new DataView(value.buffer);
    view.setUint32(0, this.#isSemaphore ? 1 : this.#lo, true);
    view.setUint32(4, this.#isSemaphore ? 0 : this.#hi, true);
    const n = uio.copyout(value);
    if (n < 0) return n;
    if (!this.#isSemaphore) this.#lo = this.#hi = 0;
    else if (this.#lo > 0) this.#lo--;
    else {
      this.#lo = ALL_ONES;
      this.#hi--;
    }
    this.#writable.wakeup();
    return 8;
  }

  override write(td: Thread, uio: Uio): number {
    if (uio.resid < 8) return EINVAL;
    const value = new Uint8Array(8);
    const n = uio.copyin(value);
    if (n < 0) return n;
    const view = new DataView(value.buffer);
    const addLo = view.getUint32(0, true);
    const addHi = view.getUint32(4, true);
    if (addLo === ALL_ONES && addHi === ALL_ONES) return EINVAL;
    const lo = this.#lo + addLo;
    const hi = this.#hi + addHi + (lo > ALL_ONES ? 1 : 0);
    if (hi > ALL_ONES || (hi === ALL_ONES && lo % 0x100000000 === ALL_ONES)) {
      if ((this.flags & O_NONBLOCK) !== 0) return EAGAIN;
      return td.sleep(this.#writable, "eventfd_write");
    }
    this.#lo = lo >>> 0;
    this.#hi = hi;
    if (lo !== 0 || hi !== 0) this.#readable.wakeup();
    return 8;
  }

  /** One more, from within the kernel: the count stops at its top, where poll(2) says POLLERR. */
  signal(): void {
    if (this.#lo < ALL_ONES) this.#lo++;
    else if (this.#hi < ALL_ONES) {
      this.#lo = 0;
      this.#hi++;
    }
    this.#readable.wakeup();
  }

  override poll(_td: Thread, table: PollTable | null): number {
    table?.watch(this.#readable, POLLIN | POLLRDNORM);
    table?.watch(this.#writable, POLLOUT | POLLWRNORM);
    let events = 0;
    if (this.#lo !== 0 || this.#hi !== 0) events |= POLLIN | POLLRDNORM;
    if (this.#hi === ALL_ONES && this.#lo === ALL_ONES) events |= POLLERR;
    if (!(this.#hi === ALL_ONES && this.#lo >= ALL_ONES - 1)) events |= POLLOUT | POLLWRNORM;
    return events;
  }
}
