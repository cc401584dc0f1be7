/**
 * Signals sent but not yet taken, of one thread or of one process.
 *
 * A standard signal (1–31) is pending at most once, the first sender's
 * information wins; real-time signals queue in order. A signal in `set` without
 * an entry in `#queue` is one for whose information there was no room; no entry
 * is without its signal in `set`. See signal(7), sigqueue(3).
 */
import { SIGRTMIN } from "../abi/signal.ts";
import { type SigInfo, userSignal } from "./siginfo.ts";
import { firstIn, SigSet, SYNCHRONOUS_LO } from "./sigset.ts";

/** Users that are remembered though they have no signals: a Map whose only keys come and go makes its table anew every other time. */
const KEPT = 4;

/** How many signals are queued in the whole machine, and for each real user: RLIMIT_SIGPENDING. */
export class QueuedSignals {
  count = 0;
  readonly #byUser = new Map<number, number>();

  of(uid: number): number {
    return this.#byUser.get(uid) ?? 0;
  }

  add(uid: number): void {
    this.count++;
    this.#byUser.set(uid, this.of(uid) + 1);
  }

  remove(uid: number): void {
    this.count--;
    const left = this.of(uid) - 1;
    if (left === 0 && this.#byUser.size > KEPT) this.#byUser.delete(uid);
    else this.#byUser.set(uid, left);
  }
}

interface Entry {
  readonly info: SigInfo;
  /** For whom it counts; -1: a timer keeps a place for its own. */
  readonly uid: number;
}

export class PendingSignals {
  readonly set = new SigSet();
  readonly #total: QueuedSignals;
  readonly #queue: Entry[] = [];

  constructor(total = new QueuedSignals()) {
    this.#total = total;
  }

  /** Counts for user `uid`. */
  add(info: SigInfo, uid: number): void {
    const payer = info.timer ? -1 : uid;
    if (payer >= 0) this.#total.add(payer);
    this.#queue.push({ info, uid: payer });
    this.set.add(info.signo);
  }

  /** There was no room for more than that it is pending. */
  addBare(sig: number): void {
    this.set.add(sig);
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

  /** Up to `count` entries in the order they came, the first `skip` left out; none is taken. */
  queued(skip: number, count: number): readonly SigInfo[] {
    const from = Math.min(skip, this.#queue.length);
    return this.#queue.slice(from, from + count).map(({ info }) => info);
  }

  /** Takes the oldest entry of `sig`. */
  take(sig: number): SigInfo | null {
    if (!this.set.has(sig)) return null;
    const at = this.#queue.findIndex(({ info }) => info.signo === sig);
    if (at < 0) {
      this.set.remove(sig);
      return userSignal(sig, 0, 0);
    }
    const entry = this.#queue[at]!;
    if (at === this.#queue.length - 1) this.#queue.pop();
    else this.#queue.splice(at, 1);
    this.#uncount(entry);
    if (sig < SIGRTMIN || !this.#queue.some(({ info }) => info.signo === sig)) this.set.remove(sig);
    return entry.info;
  }

  discard(sig: number): void {
    if (!this.set.has(sig)) return;
    this.set.remove(sig);
    this.#drop(({ info }) => info.signo === sig);
  }

  /** Forgets the queued signal of a timer that was deleted. */
  discardTimer(timer: object): void {
    const gone = this.#queue.find(({ info }) => info.timer === timer);
    if (!gone) return;
    this.#drop((entry) => entry === gone);
    const { signo } = gone.info;
    if (!this.#queue.some(({ info }) => info.signo === signo)) this.set.remove(signo);
  }

  /** True if `timer`'s signal is still queued. */
  hasTimer(timer: object): boolean {
    return this.#queue.some(({ info }) => info.timer === timer);
  }

  clear(): void {
    this.set.clear();
    this.#drop(() => true);
  }

  #drop(isGone: (entry: Entry) => boolean): void {
    let kept = 0;
    for (const entry of this.#queue) {
      if (isGone(entry)) this.#uncount(entry);
      else this.#queue[kept++] = entry;
    }
    this.#queue.length = kept;
  }

  #uncount({ uid }: Entry): void {
    if (uid >= 0) this.#total.remove(uid);
  }
}
