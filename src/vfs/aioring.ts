/**
 * The ring in which a program finds what became of its asynchronous requests:
 * memory that it maps, and may read and write as it likes.
 *
 * All pages are there from the beginning, so that an event never lacks room.
 * What the program wrote to the header is taken modulo the ring. See io_getevents(2).
 */
import {
  AIO_RING_COMPAT_FEATURES,
  AIO_RING_MAGIC,
  IO_EVENT_BYTES,
  RING_COMPAT,
  RING_HEAD,
  RING_HEADER_BYTES,
  RING_HEADER_LENGTH,
  RING_ID,
  RING_MAGIC,
  RING_NR,
  RING_TAIL,
} from "../abi/aio.ts";
import { type Errno, failed } from "../abi/errno.ts";
import type { Paddr } from "../machine/physmem.ts";
import { AnonObject } from "../vm/object.ts";
import type { PageAllocator } from "../vm/page.ts";
import { PAGE_SIZE } from "../vm/param.ts";
import type { UserMemory } from "../vm/usermem.ts";

/** What became of a request; `data` is the program's, and may be more than a number holds. */
export interface AioEvent {
  readonly dataLo: number;
  readonly dataHi: number;
  /** Where the request is: a user address. */
  readonly request: number;
}

const TWO32 = 4294967296;

export class AioRing extends AnonObject {
  override readonly isOfFixedSize = true;
  /** Events that have a place; one place stays free. */
  readonly slots: number;

  private constructor(frames: PageAllocator, pages: number) {
    super(frames, pages * PAGE_SIZE);
    this.slots = Math.floor((pages * PAGE_SIZE - RING_HEADER_BYTES) / IO_EVENT_BYTES);
  }

  /** With room for `count` events at the least, and two more: or ENOMEM. */
  static make(frames: PageAllocator, count: number, id: number): AioRing | Errno {
    const bytes = RING_HEADER_BYTES + IO_EVENT_BYTES * (count + 2);
    const ring = new AioRing(frames, Math.ceil(bytes / PAGE_SIZE));
    const pages = ring.sizeBytes / PAGE_SIZE;
    for (let i = 0; i < pages; i++) {
      const pa = ring.getPage(i, true);
      if (failed(pa)) {
        ring.release();
        return pa;
      }
    }
    ring.#store(RING_ID, id);
    ring.#store(RING_NR, ring.slots);
    ring.#store(RING_MAGIC, AIO_RING_MAGIC);
    ring.#store(RING_COMPAT, AIO_RING_COMPAT_FEATURES);
    ring.#store(RING_HEADER_LENGTH, RING_HEADER_BYTES);
    return ring;
  }

  /** Its pages stay as long as it does: madvise(2) takes none away. */
  override discard(): void {}

  get head(): number {
    return this.#load(RING_HEAD) % this.slots;
  }

  get tail(): number {
    return this.#load(RING_TAIL) % this.slots;
  }

  /** Events that the program has not taken, as far as one may believe it. */
  get waiting(): number {
    const { head, tail } = this;
    return head <= tail ? tail - head : this.slots - (head - tail);
  }

  /** Writes an event to the slot `at`, and says that the ring ends behind it. */
  put(at: number, { dataLo, dataHi, request }: AioEvent, result: number): void {
    const p = RING_HEADER_BYTES + at * IO_EVENT_BYTES;
    this.#store(p, dataLo);
    this.#store(p + 4, dataHi);
    this.#store(p + 8, request % TWO32);
    this.#store(p + 12, Math.floor(request / TWO32));
    this.#store(p + 16, result);
    this.#store(p + 20, Math.floor(result / TWO32));
    this.#store(p + 24, 0);
    this.#store(p + 28, 0);
    this.#store(RING_TAIL, (at + 1) % this.slots);
  }

  /** Hands up to `max` events out to `to`: how many, or EFAULT. */
  take(mem: UserMemory, to: number, max: number): number {
    const { u8 } = this.frames.mem;
    const event = new Uint8Array(IO_EVENT_BYTES);
    const { tail } = this;
    let { head } = this;
    let taken = 0;
    for (; taken < max && head !== tail; taken++) {
      const pa = this.#place(RING_HEADER_BYTES + head * IO_EVENT_BYTES);
      event.set(u8.subarray(pa, pa + IO_EVENT_BYTES));
      const r = mem.copyout(to + taken * IO_EVENT_BYTES, event);
      if (failed(r)) return r;
      head = (head + 1) % this.slots;
    }
    if (taken > 0) this.#store(RING_HEAD, head);
    return taken;
  }

  /** Every page is there for as long as the ring is. */
  #place(offset: number): number {
    return this.lookup(Math.floor(offset / PAGE_SIZE)) + (offset % PAGE_SIZE);
  }

  #load(offset: number): number {
    return this.frames.mem.u32[this.#place(offset) >>> 2]!;
  }

  #store(offset: number, value: number): void {
    const pa = this.#place(offset);
    this.frames.mem.u32[pa >>> 2] = value;
    this.frames.codeWritten(pa as Paddr, 4);
  }
}
