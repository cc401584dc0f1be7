/**
 * What was sent and is not acknowledged: one entry per segment, in the order of
 * sequence numbers, each with what is known of its fate.
 *
 * `sackedBytes`, `lostBytes` and `retransBytes` are always the sums over the
 * entries, so what is in flight is known without a walk. Compare RFC 6675's
 * scoreboard and tcp_rtx_queue in Linux.
 */
export class SentSegment {
  start: number;
  end: number;
  /** TH_SYN, TH_FIN. */
  flags: number;
  sentNs: number;
  firstSentNs: number;
  /** How often it was sent. */
  sends = 1;
  isSacked = false;
  isLost = false;
  /** Sent again, and that copy not known to be lost. */
  isRetransmitted = false;
  next: SentSegment | null = null;

  constructor(start: number, end: number, flags: number, nowNs: number) {
    this.start = start;
    this.end = end;
    this.flags = flags;
    this.sentNs = nowNs;
    this.firstSentNs = nowNs;
  }
}

export class Scoreboard {
  head: SentSegment | null = null;
  #tail: SentSegment | null = null;
  count = 0;
  sackedBytes = 0;
  lostBytes = 0;
  retransBytes = 0;
  /** Counts of the same, as TCP_INFO tells them. */
  sackedCount = 0;
  lostCount = 0;
  retransCount = 0;

  get tail(): SentSegment | null {
    return this.#tail;
  }

  push(s: SentSegment): void {
    if (this.#tail) this.#tail.next = s;
    else this.head = s;
    this.#tail = s;
    this.count++;
  }

  /** Takes off the first one. */
  shift(): void {
    const s = this.head!;
    this.#uncount(s);
    this.head = s.next;
    if (!this.head) this.#tail = null;
    this.count--;
  }

  /** Cuts what is before `seq` off the first one. */
  trim(seq: number): void {
    const s = this.head!;
    this.#uncount(s);
    s.start = seq;
    this.#count(s);
  }

  /** Makes two of one, at `seq` inside it. */
  split(s: SentSegment, seq: number): void {
    this.#uncount(s);
    const rest = new SentSegment(seq, s.end, s.flags, s.sentNs);
    rest.firstSentNs = s.firstSentNs;
    rest.sends = s.sends;
    rest.isSacked = s.isSacked;
    rest.isLost = s.isLost;
    rest.isRetransmitted = s.isRetransmitted;
    s.end = seq;
    s.flags = 0;
    rest.next = s.next;
    s.next = rest;
    if (this.#tail === s) this.#tail = rest;
    this.count++;
    this.#count(s);
    this.#count(rest);
  }

  markSacked(s: SentSegment): void {
    this.#uncount(s);
    s.isSacked = true;
    s.isLost = s.isRetransmitted = false;
    this.#count(s);
  }

  /** The last copy of it is lost. */
  markLost(s: SentSegment): void {
    if (s.isSacked) return;
    this.#uncount(s);
    s.isLost = true;
    s.isRetransmitted = false;
    this.#count(s);
  }

  markRetransmitted(s: SentSegment, nowNs: number): void {
    this.#uncount(s);
    s.isRetransmitted = true;
    s.sends++;
    s.sentNs = nowNs;
    this.#count(s);
  }

  /** The other end took back what it said: nothing is known to have arrived. */
  forgetSacks(): void {
    for (let s = this.head; s; s = s.next) {
      this.#uncount(s);
      s.isSacked = false;
      this.#count(s);
    }
  }

  /** No loss after all. */
  forgetLosses(): void {
    for (let s = this.head; s; s = s.next) {
      this.#uncount(s);
      s.isLost = s.isRetransmitted = false;
      this.#count(s);
    }
  }

  clear(): void {
    this.head = this.#tail = null;
    this.count = 0;
    this.sackedBytes = this.lostBytes = this.retransBytes = 0;
    this.sackedCount = this.lostCount = this.retransCount = 0;
  }

  #count(s: SentSegment): void {
    const bytes = s.end - s.start;
    if (s.isSacked) {
      this.sackedBytes += bytes;
      this.sackedCount++;
    }
    if (s.isLost) {
      this.lostBytes += bytes;
      this.lostCount++;
    }
    if (s.isRetransmitted) {
      this.retransBytes += bytes;
      this.retransCount++;
    }
  }

  #uncount(s: SentSegment): void {
    if (!s.isSacked && !s.isLost && !s.isRetransmitted) return;
    const bytes = s.end - s.start;
    if (s.isSacked) {
      this.sackedBytes -= bytes;
      this.sackedCount--;
    }
    if (s.isLost) {
      this.lostBytes -= bytes;
      this.lostCount--;
    }
    if (s.isRetransmitted) {
      this.retransBytes -= bytes;
      this.retransCount--;
    }
  }
}
