/**
 * The queue of a fanotify(7) file: an event that says no more than one before it is merged into that, a full
 * queue ends with one FAN_Q_OVERFLOW. Questions are never merged.
 */
import { FAN_Q_OVERFLOW, FAN_RENAME } from "../abi/fanotify.ts";
import type { KernelMemory } from "../kern/kmem.ts";
import { WaitQueue } from "../kern/waitqueue.ts";
import type { NameEntry } from "../vfs/namecache.ts";
import { holdPath } from "../vfs/path.ts";
import { FanotifyEvent } from "./fanotifyevent.ts";

/** Events about the same that a new one is compared with: the last ones. */
const MAX_COMPARED = 128;

export class EventQueue {
  readonly events = new Set<FanotifyEvent>();
  readonly readable = new WaitQueue();
  /** Events that others can be merged into, by what they are about. */
  readonly #mergeable = new Map<NameEntry | string, FanotifyEvent[]>();
  readonly #maxEvents: number;
  readonly #kmem: KernelMemory;
  #isOverflown = false;

  constructor(maxEvents: number, kmem: KernelMemory) {
    this.#maxEvents = maxEvents;
    this.#kmem = kmem;
  }

  get isFull(): boolean {
    return this.events.size >= this.#maxEvents;
  }

  /** A question, which is never merged; false if there is no memory for it. */
  putQuestion(e: FanotifyEvent): boolean {
    if (!this.#kmem.take(e.bytes)) return false;
    this.events.add(e);
    this.readable.wakeup();
    return true;
  }

  /** Nobody waits for the answer any more. */
  forget(e: FanotifyEvent): void {
    if (this.events.has(e)) this.drop(e);
  }

  /** Takes over what holds there are, once the event is known to stay. */
  put(e: FanotifyEvent, about: NameEntry | null): void {
    const canMerge = (e.mask & FAN_RENAME) === 0;
    const key = about ?? e.key;
    const others = canMerge ? this.#mergeable.get(key) : undefined;
    for (const old of others ?? []) {
      if (!old.isLike(e)) continue;
      old.mask |= e.mask;
      old.errorCount += e.errorCount;
      return;
    }
    if (this.isFull || !this.#kmem.take(e.bytes)) {
      this.overflow();
      return;
    }
    if (e.path) holdPath(e.path);
    this.events.add(e);
    if (others) {
      others.push(e);
      if (others.length > MAX_COMPARED) others.shift();
    } else if (canMerge) this.#mergeable.set(key, [e]);
    this.readable.wakeup();
  }

  overflow(): void {
    if (this.#isOverflown) return;
    this.#isOverflown = true;
    const e = new FanotifyEvent(FAN_Q_OVERFLOW, null, {});
    this.#kmem.owe(e.bytes);
    this.events.add(e);
    this.readable.wakeup();
  }

  /** Off the queue; a question that was read is kept until it is answered. */
  take(e: FanotifyEvent): void {
    this.events.delete(e);
    if ((e.mask & FAN_Q_OVERFLOW) !== 0) this.#isOverflown = false;
    if ((e.mask & FAN_RENAME) !== 0) return;
    const key = e.path?.entry ?? e.key;
    const others = this.#mergeable.get(key)?.filter((o) => o !== e) ?? [];
    if (others.length > 0) this.#mergeable.set(key, others);
    else this.#mergeable.delete(key);
  }

  drop(e: FanotifyEvent): void {
    this.take(e);
    this.#kmem.give(e.bytes);
    e.drop();
  }
}
