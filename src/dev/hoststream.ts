/**
 * Standard streams of `vkernel run` that are not terminals: bytes from and to
 * the host's pipes and files, as devices /dev/host/{stdin,stdout,stderr}.
 *
 * fstat(2) calls them pipes, which is what they behave like. What the host has
 * is pulled into a queue of our own, so that poll(2) knows. See pipe(7).
 */
import { EAGAIN, EBADF, ENXIO, EPIPE, type Errno, failed } from "../abi/errno.ts";
import { O_NONBLOCK } from "../abi/fcntl.ts";
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../abi/poll.ts";
import { S_IFIFO } from "../abi/stat.ts";
import type { Thread } from "../kern/thread.ts";
import { WaitQueue } from "../kern/waitqueue.ts";
import { ByteFifo } from "../lib/bytefifo.ts";
import type { ByteStream } from "../platform/host.ts";
import type { Attr } from "../vfs/attr.ts";
import { type DeviceDriver, minorOf } from "../vfs/device.ts";
import { File } from "../vfs/file.ts";
import type { PollTable } from "../vfs/poll.ts";
import type { Uio } from "../vm/uio.ts";

const QUEUE_BYTES = 65536;
const CHUNK_BYTES = 16384;

/** One stream, shared by all files that have it open. */
export class HostStream {
  readonly name: string;
  /** Woken when input or its end arrived, or when the far end of output is found gone. */
  readonly changed = new WaitQueue();
  readonly queue = new ByteFifo(QUEUE_BYTES);
  /** No more input will come. */
  isEnded = false;
  /** Nobody reads what is written. */
  isBroken = false;
  readonly #stream: ByteStream;
  readonly #chunk = new Uint8Array(CHUNK_BYTES);

  /** `name` is the node's name below /dev. */
  constructor(name: string, stream: ByteStream) {
    this.name = name;
    this.#stream = stream;
  }

  /** The doorbell rang: takes what has arrived. */
  inputArrived(): void {
    this.pull();
    if (this.isEnded || !this.queue.isEmpty) this.changed.wakeup();
  }

  pull(): void {
    while (!this.isEnded && this.queue.room > 0) {
      const n = this.#stream.read(this.#chunk.subarray(0, Math.min(this.queue.room, CHUNK_BYTES)));
      if (n < 0) this.isEnded = true;
      if (n <= 0) return;
      this.queue.put(this.#chunk.subarray(0, n));
    }
  }

  /** The doorbell rang: a slow reader may have made room. */
  outputTaken(): void {
    if (!this.changed.isEmpty && this.hasRoom) this.changed.wakeup();
  }

  get hasRoom(): boolean {
    return this.#stream.room() > 0;
  }

  /** As much as there is room for: how much, or why nothing. */
  write(uio: Uio): number {
    let done = 0;
    while (uio.resid > 0) {
      const want = Math.min(uio.resid, CHUNK_BYTES, this.#stream.room());
      if (want === 0) return done;
      const n = uio.copyin(this.#chunk.subarray(0, want));
      if (failed(n)) return done > 0 ? done : n;
      const r = this.#stream.write(this.#chunk.subarray(0, n));
      if (failed(r)) {
        if (r === EPIPE) this.#broke();
        return done > 0 ? done : r;
      }
      done += n;
    }
    return done;
  }

  #broke(): void {
    this.isBroken = true;
    this.changed.wakeup();
  }
}

/** Minors 0, 1 and 2: the streams that exist; ENXIO for those that are the console. */
export class HostStreamDriver implements DeviceDriver {
  readonly #streams: readonly (HostStream | null)[];

  constructor(streams: readonly (HostStream | null)[]) {
    this.#streams = streams;
  }

  open(_td: Thread, rdev: number, flags: number): File | Errno {
    const stream = this.#streams[minorOf(rdev)];
    return stream ? new HostStreamFile(flags, stream) : ENXIO;
  }

  /** The doorbell rang. */
  attend(): void {
    for (const s of this.#streams) {
      s?.inputArrived();
      s?.outputTaken();
    }
  }
}

class HostStreamFile extends File {
  readonly #stream: HostStream;

  constructor(flags: number, stream: HostStream) {
    super(flags);
    this.#stream = stream;
  }

  describe(): string {
    return `/dev/${this.#stream.name}`;
  }

  override stat(): Attr | Errno {
    const a = super.stat();
    return failed(a) ? EBADF : { ...a, mode: (a.mode & 0o7777) | S_IFIFO, rdev: 0 };
  }

  override read(td: Thread, uio: Uio): number {
    const s = this.#stream;
    if (uio.resid === 0) return 0;
    s.pull();
    if (s.queue.isEmpty) {
      if (s.isEnded) return 0;
      if (this.flags & O_NONBLOCK) return EAGAIN;
      return td.sleep(s.changed, "hostrd");
    }
    let done = 0;
    while (uio.resid > 0 && !s.queue.isEmpty) {
      const n = uio.copyout(s.queue.peek(uio.resid));
      if (n <= 0) return done > 0 ? done : n;
      s.queue.drop(n);
      done += n;
    }
    return done;
  }

  override write(td: Thread, uio: Uio): number {
    const s = this.#stream;
    const already = td.restart.done;
    uio.skip(already);
    const n = s.isBroken ? EPIPE : s.write(uio);
    if (failed(n)) return already > 0 ? already : n;
    const done = already + n;
    // Stopped short although there is room: what follows cannot be had or delivered.
    if (uio.resid === 0 || s.hasRoom) return done;
    if (this.flags & O_NONBLOCK) return done > 0 ? done : EAGAIN;
    td.restart.done = done;
    return td.sleep(s.changed, "hostwr");
  }

  override poll(_td: Thread, table: PollTable | null): number {
    const s = this.#stream;
    table?.watch(s.changed);
    let events = 0;
    if (this.isReadable) {
      s.pull();
      if (!s.queue.isEmpty) events |= POLLIN | POLLRDNORM;
      else if (s.isEnded) events |= POLLHUP;
    }
    if (this.isWritable && s.hasRoom) events |= POLLOUT | POLLWRNORM;
    if (this.isWritable && s.isBroken) events |= POLLERR;
    return events;
  }

  override bytesReadable(): number {
    this.#stream.pull();
    return this.#stream.queue.length;
  }
}
