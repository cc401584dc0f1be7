/**
 * Signals sent but not yet taken, of one thread or of one process.
 *
 * A standard signal (1–31) is pending at most once, the first sender's
 * information wins; real-time signals queue in order. Invariant: a signal is
 * in `set` exactly while `#queue` holds an entry of it. See signal(7).
 */
import { SIGRTMIN } from "../abi/signal.ts";
import type { SigInfo } from "./siginfo.ts";
import { firstIn, SigSet, SYNCHRONOUS_LO } from "./sigset.ts";

/** How many signals are queued in the whole machine. */
export class QueuedSignals {
  count = 0;
}

export class PendingSignals {
  readonly set = new SigSet();
  readonly #total: QueuedSignals;
  readonly #queue: SigInfo[] = [];

  constructor(total = new QueuedSignals()) {
    this.#total = total;
  }

  /** Entries queued, for RLIMIT_SIGPENDING and /proc/PID/status. */
  get length(): number {
    return this.#queue.length;
  }

  /** False if it was a standard signal already pending. */
  add(info: SigInfo): boolean {
    if (info.signo < SIGRTMIN && this.set.has(info.signo)) return false;
    this.#queue.push(info);
    this.#total.count++;
    this.set.add(info.signo);
    return true;
  }

  /** True if some signal outside `mask` is pending. */
  isDeliverable(mask: SigSet): boolean {
    return ((this.set.lo & ~mask.lo) | (this.set.hi & ~mask.hi)) !== 0;
  }

  /** The next signal outside `mask`, 0 if none: faults first, then by number. */
  nextOutside(mask: SigSet): number {
    const lo = this.set.lo & ~mask.lo;
    const sync = lo & SYNCHRONOUS_LO;
    return firstIn(sync !== 0 ? sync : lo, this.set.hi & ~mask.hi);
  }

  /** Takes the oldest entry of `sig`. */
  take(sig: number): SigInfo | null {
    if (!this.set.has(sig)) return null;
    const at = this.#queue.findIndex((info) => info.signo === sig);
    const info = this.#queue[at]!;
    this.#queue.splice(at, 1);
    this.#total.count--;
    if (sig < SIGRTMIN || !this.#queue.some((other) => other.signo === sig)) this.set.remove(sig);
    return info;
  }

  discard(sig: number): void {
    if (!this.set.has(sig)) return;
    this.set.remove(sig);
    this.#drop((info) => info.signo === sig);
  }

  /** Forgets the queued signal of a timer that was deleted. */
  discardTimer(timer: object): void {
    const gone = this.#queue.find((info) => info.timer === timer);
    if (!gone) return;
    this.#drop((info) => info === gone);
    if (!this.#queue.some((info) => info.signo === gone.signo)) this.set.remove(gone.signo);
  }

  /** True if `timer`'s signal is still queued. */
  hasTimer(timer: object): boolean {
    return this.#queue.some((info) => info.timer === timer);
  }

  clear(): void {
    this.set.clear();
    this.#total.count -= this.#queue.length;
    this.#queue.length = 0;
  }

  #drop(isGone: (info: SigInfo) => boolean): void {
    let kept = 0;
    for (const info of this.#queue) if (!isGone(info)) this.#queue[kept++] = info;
    this.#total.count -= this.#queue.length - kept;
    this.#queue.length = kept;
  }
}
