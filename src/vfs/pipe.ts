/**
 * Pipes: a ring of bytes with sleepers at both ends.
 *
 * A reader sleeps only while the ring is empty and a writer exists; a writer
 * only while its bytes do not fit and a reader exists. Writes of up to
 * PIPE_BUF bytes go in whole or not at all. The ring grows to its capacity as
 * it fills. FIFOs share this ring through their vnode (fifo.ts). See pipe(7).
 */
import { EAGAIN, EBUSY, EINVAL, ENFILE, EPERM, EPIPE, type Errno } from "../abi/errno.ts";
import { O_NONBLOCK } from "../abi/fcntl.ts";
import { IN_ACCESS, IN_MODIFY } from "../abi/inotify.ts";
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../abi/poll.ts";
import { S_IFIFO } from "../abi/stat.ts";
import type { Timespec } from "../kern/clock.ts";
import { CAP_SYS_ADMIN, CAP_SYS_RESOURCE } from "../kern/cred.ts";
import { KernelMemory } from "../kern/kmem.ts";
import type { Thread } from "../kern/thread.ts";
import type { UserCount } from "../kern/usercount.ts";
import { WaitQueue } from "../kern/waitqueue.ts";
import type { Uio } from "../vm/uio.ts";
import { changedAttr } from "./anon.ts";
import type { Attr, AttrChange } from "./attr.ts";
import { File } from "./file.ts";
import type { FsSettings } from "./fssettings.ts";
import type { Lockable, LockList } from "./lockf.ts";
import type { PollTable } from "./poll.ts";
import { notifyOpen } from "./watch.ts";

export const PIPE_BUF = 4096;
const PIPE_DEFAULT_BYTES = 65536;
/** What whoever has too much in pipes gets. */
const PIPE_MIN_BYTES = 2 * PIPE_BUF;
const READABLE = POLLIN | POLLRDNORM;
const WRITABLE = POLLOUT | POLLWRNORM;

export class Pipe {
  /** For stat and /proc/PID/fd. */
  readonly ino: number;
  /** Has a name in a file system: opening it waits for the other side. */
  readonly isFifo: boolean;
  /** Of an unnamed pipe; a FIFO has those of its place. */
  attr: Attr | null = null;
  locks: LockList | null = null;
  readers = 0;
  writers = 0;
  /** Opens for writing so far, to tell one writer from the next. */
  writeOpens = 0;
  /** Woken when bytes or the last writer's end arrive; when room or the last reader's end does. */
  readonly readable = new WaitQueue();
  readonly writable = new WaitQueue();
  /** Those who wait in open(2) of a FIFO for the other side. */
  readonly readOpening = new WaitQueue();
  readonly writeOpening = new WaitQueue();
  capacity = PIPE_DEFAULT_BYTES;
  length = 0;
  #ring = new Uint8Array(0);
  #head = 0;
  /** The part of the ring that was moved last: messages are often as long as the one before, and in the same place. */
  #window = this.#ring;

  /** The machine is charged for the capacity, a control group for what there is of the ring. */
  readonly #kmem: KernelMemory;
  readonly #purse: KernelMemory;
  /** Bytes of capacity that are paid for: while somebody has it open. */
  #paid = 0;
  /** Whose they are while they are, and where that is counted. */
  #owner = 0;
  #counted: UserCount | null = null;

  constructor(ino: number, isFifo = false, kmem = new KernelMemory(Infinity)) {
    this.ino = ino;
    this.#kmem = kmem;
    this.#purse = kmem.ofCurrent;
    this.isFifo = isFifo;
  }

  /**
   * Before it is opened: pays for the capacity, which shrinks if all cannot be had; it counts as
   * `td`'s user's from then on. ENFILE.
   */
  reserve(td: Thread, settings: FsSettings): number {
    if (this.#paid > 0) return 0;
    const { uid } = td.cred;
    const { pipePages, pipePagesSoft, pipePagesHard } = settings;
    if (isPlainUser(td)) {
      const had = pipePages.of(uid);
      const isOver = pipePagesSoft > 0 && had + this.capacity / PIPE_BUF > pipePagesSoft;
      if (isOver) this.capacity = Math.min(this.capacity, PIPE_MIN_BYTES);
      if (pipePagesHard > 0 && had + this.capacity / PIPE_BUF > pipePagesHard) return ENFILE;
    }
    if (!this.#kmem.takeSpare(this.capacity)) {
      if (!this.#kmem.take(PIPE_BUF)) return ENFILE;
      this.capacity = PIPE_BUF;
    }
    this.#paid = this.capacity;
    this.#owner = uid;
    this.#counted = pipePages;
    pipePages.take(uid, this.capacity / PIPE_BUF, Number.POSITIVE_INFINITY);
    return 0;
  }

  /** Gives back what was paid for a pipe that nobody has open. */
  settle(): void {
    if (this.readers > 0 || this.writers > 0) return;
    this.#counted?.give(this.#owner, this.#paid / PIPE_BUF);
    this.#counted = null;
    this.#kmem.give(this.#paid);
    this.#paid = 0;
  }

  /** The longest run of bytes that can be read without wrapping. */
  peek(max: number): Uint8Array {
    const n = Math.min(max, this.length, this.#ring.length - this.#head);
    return this.#part(this.#head, n);
  }

  drop(count: number): void {
    this.length -= count;
    this.#head += count;
    if (this.length === 0) this.#head = 0;
    else if (this.#head >= this.#ring.length) this.#head -= this.#ring.length;
    if (!this.writable.isEmpty && (this.length === 0 || this.room >= PIPE_BUF)) {
      this.writable.wakeup();
    }
  }

  get identity(): { readonly dev: number; readonly ino: number } {
    return { dev: this.attr?.dev ?? 0, ino: this.ino };
  }

  get room(): number {
    return this.capacity - this.length;
  }

  /** The longest run of free bytes, of `max` at most; `commit` makes them part of the pipe. */
  space(max: number): Uint8Array {
    const want = Math.min(max, this.room);
    if (this.length + want > this.#ring.length) this.#grow(this.length + want);
    let tail = this.#head + this.length;
    if (tail >= this.#ring.length) tail -= this.#ring.length;
    const n = Math.min(want, tail < this.#head ? this.#head - tail : this.#ring.length - tail);
    return this.#part(tail, n);
  }

  #part(at: number, count: number): Uint8Array {
    const last = this.#window;
    if (last.byteOffset === at && last.length === count) return last;
    this.#window = this.#ring.subarray(at, at + count);
    return this.#window;
  }

  commit(count: number): void {
    this.length += count;
  }

  /** One reader or writer less. When nobody has it open, what was not read is lost. */
  dropEnd(isReader: boolean): void {
    if (isReader) {
      if (--this.readers === 0) this.writable.wakeup();
    } else if (--this.writers === 0) this.readable.wakeup();
    if (this.readers > 0 || this.writers > 0) return;
    this.length = 0;
    this.#head = 0;
    this.#purse.drop(this.#ring.length);
    this.#ring = this.#window = new Uint8Array(0);
    this.settle();
  }

  /** True while somebody has it open, or waits in open(2) for the other side. */
  get isInUse(): boolean {
    return (
      !this.readOpening.isEmpty || !this.writeOpening.isEmpty || this.readers + this.writers > 0
    );
  }

  /** Whether `td`, for a pipe of at least `bytes`, stays within what its user may have in pipes. */
  mayResize(bytes: number, td: Thread, settings: FsSettings): boolean {
    const more = (sizeFor(bytes) - this.#paid) / PIPE_BUF;
    if (more <= 0 || !isPlainUser(td)) return true;
    const { pipePages, pipePagesSoft: soft, pipePagesHard: hard } = settings;
    const pages = pipePages.of(this.#owner) + more;
    return (soft === 0 || pages <= soft) && (hard === 0 || pages <= hard);
  }

  /** F_SETPIPE_SZ: EBUSY while more is in it. */
  resize(bytes: number): number {
    const size = sizeFor(bytes);
    if (size < this.length) return EBUSY;
    if (size > this.#paid && !this.#kmem.takeSpare(size - this.#paid)) return EPERM;
    if (size < this.#paid) this.#kmem.give(this.#paid - size);
    this.#counted?.give(this.#owner, this.#paid / PIPE_BUF);
    this.#counted?.take(this.#owner, size / PIPE_BUF, Number.POSITIVE_INFINITY);
    this.#paid = this.capacity = size;
    this.#relocate(Math.max(this.length, Math.min(size, this.#ring.length)));
    this.writable.wakeup();
    return size;
  }

  #grow(need: number): void {
    let size = Math.max(this.#ring.length, PIPE_BUF);
    while (size < need) size *= 2;
    this.#relocate(Math.min(size, this.capacity));
  }

  #relocate(size: number): void {
    const ring = new Uint8Array(size);
    const first = this.peek(this.length);
    ring.set(first);
    ring.set(this.#ring.subarray(0, this.length - first.length), first.length);
    this.#purse.hold(size - this.#ring.length);
    this.#ring = this.#window = ring;
    this.#head = 0;
  }
}

/** One end of a pipe, or both (a FIFO opened O_RDWR). */
export class PipeFile extends File {
  readonly pipe: Pipe;
  /** Writers that had opened when this reader did: without new ones there is no hang-up yet. */
  readonly #writeOpensBefore: number;

  constructor(pipe: Pipe, flags: number) {
    super(flags);
    this.pipe = pipe;
    this.#writeOpensBefore = pipe.writers > 0 || !pipe.isFifo ? -1 : pipe.writeOpens;
    if (this.isReadable) {
      pipe.readers++;
    }
    if (this.isWritable) {
      pipe.writers++;
      pipe.writeOpens++;
    }
  }

  describe(): string {
    return `pipe:[${this.pipe.ino}]`;
  }

  override stat(): Attr | Errno {
    return this.pipe.attr ?? super.stat();
  }

  override get lockable(): Lockable {
    return this.pipe.isFifo ? super.lockable : this.pipe;
  }

  override setattr(change: AttrChange): number {
    const { pipe } = this;
    if (pipe.attr) pipe.attr = changedAttr(pipe.attr, change);
    return pipe.attr ? 0 : EINVAL;
  }

  override read(td: Thread, uio: Uio): number {
    const { pipe } = this;
    if (uio.resid === 0) return 0;
    if (pipe.length === 0) {
      if (pipe.writers === 0) return 0;
      if ((this.flags & O_NONBLOCK) !== 0) return EAGAIN;
      return td.sleep(pipe.readable, "pipe_read");
    }
    let done = 0;
    while (uio.resid > 0 && pipe.length > 0) {
      const n = uio.copyout(pipe.peek(uio.resid));
      if (n < 0) return done > 0 ? done : n;
      pipe.drop(n);
      done += n;
    }
    if (this.path !== null && !this.isQuiet) notifyOpen(this.path, IN_ACCESS);
    return done;
  }

  override write(td: Thread, uio: Uio): number {
    const { pipe } = this;
    const already = td.restart.done;
    const isAtomic = uio.resid <= PIPE_BUF;
    uio.skip(already);
    if (uio.resid === 0) return already;
    if (pipe.readers === 0) return already > 0 ? already : EPIPE;
    let done = already;
    while (uio.resid > 0) {
      if (pipe.room === 0 || (isAtomic && pipe.room < uio.resid)) break;
      const n = uio.copyin(pipe.space(uio.resid));
      if (n < 0) return this.#wrote(done > 0 ? done : n);
      pipe.commit(n);
      done += n;
    }
    this.#wrote(done);
    if (uio.resid === 0) return done;
    if ((this.flags & O_NONBLOCK) !== 0) return done > 0 ? done : EAGAIN;
    td.restart.done = done;
    return td.sleep(pipe.writable, "pipe_write");
  }

  #wrote(result: number): number {
    if (result <= 0) return result;
    if (!this.pipe.readable.isEmpty) this.pipe.readable.wakeup();
    if (this.path !== null && !this.isQuiet) notifyOpen(this.path, IN_MODIFY);
    return result;
  }

  override get canBeAsync(): boolean {
    return true;
  }

  override poll(_td: Thread, table: PollTable | null): number {
    const { pipe } = this;
    let events = 0;
    if (this.isReadable) {
      table?.watch(pipe.readable, READABLE | POLLHUP);
      if (pipe.length > 0) events |= READABLE;
      if (pipe.writers === 0 && pipe.writeOpens !== this.#writeOpensBefore) events |= POLLHUP;
    }
    if (this.isWritable) {
      table?.watch(pipe.writable, WRITABLE | POLLERR);
      if (pipe.room >= PIPE_BUF) events |= WRITABLE;
      if (pipe.readers === 0) events |= POLLERR;
    }
    return events;
  }

  override bytesReadable(): number {
    return this.pipe.length;
  }

  override fsync(): number {
    return EINVAL;
  }

  override onLastClose(): void {
    const { pipe } = this;
    if (this.isReadable) pipe.dropEnd(true);
    if (this.isWritable) pipe.dropEnd(false);
  }
}

/** The attributes of an unnamed pipe. */
export function pipeAttr(ino: number, dev: number, uid: number, gid: number, now: Timespec): Attr {
  return {
    mode: S_IFIFO | 0o600,
    ino,
    dev,
    nlink: 1,
    uid,
    gid,
    rdev: 0,
    sizeBytes: 0,
    blksize: 4096,
    blocks: 0,
    atime: now,
    mtime: now,
    ctime: now,
    btime: null,
  };
}

/** Capacities are powers of two. */
function sizeFor(bytes: number): number {
  let size = PIPE_BUF;
  while (size < bytes) size *= 2;
  return size;
}

/** fs.pipe-user-pages-* do not hold for the privileged. */
function isPlainUser({ cred }: Thread): boolean {
  return !cred.hasCap(CAP_SYS_RESOURCE) && !cred.hasCap(CAP_SYS_ADMIN);
}
