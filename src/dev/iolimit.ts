/**
 * How much a disk may do in a second: transfers, and bytes.
 *
 * A transfer cannot be put off in the middle of what a file system does, so it
 * happens, and is owed for: the thread that caused it pays by sleeping before
 * it next runs in user mode (`Thread.payUntilNs`; as Linux does with
 * blkcg_maybe_throttle_current), and nobody else is held up. What the syncer
 * writes is owed by the next thread that uses the disk. The budget is the
 * generic cell rate algorithm (ITU-T I.371): `#dueNs` is when all so far is
 * paid for, and may lie BURST_NS in the past.
 */
import type { Cpu } from "../kern/cpu.ts";
import { IO_PRESSURE } from "../kern/pressure.ts";
import { WIDE_ZERO } from "../lib/wide.ts";

const NS_PER_SEC = 1e9;
/** What was not used is kept for so long. */
const BURST_NS = 100e6;

export interface IoRates {
  /** Transfers a second; 0: any number. */
  readonly iops: number;
  /** Bytes a second; 0: any number. */
  readonly bytesPerSec: number;
}

export class IoLimit {
  readonly rates: IoRates;
  readonly #cpu: Cpu;
  #dueNs = WIDE_ZERO;

  constructor(rates: IoRates, cpu: Cpu) {
    this.rates = rates;
    this.#cpu = cpu;
  }

  /** A transfer of `bytes` happens now. */
  charge(bytes: number): void {
    const { iops, bytesPerSec } = this.rates;
    const now = this.#cpu.clock.monotonicNs();
    const ofCount = iops > 0 ? NS_PER_SEC / iops : 0;
    const ofBytes = bytesPerSec > 0 ? (bytes * NS_PER_SEC) / bytesPerSec : 0;
    this.#dueNs = Math.max(this.#dueNs, now - BURST_NS) + Math.max(ofCount, ofBytes);
    const td = this.#cpu.current;
    if (this.#dueNs <= now || !td) return;
    td.payKind = IO_PRESSURE;
    td.payUntilNs = Math.max(td.payUntilNs, this.#dueNs);
    this.#cpu.needResched = true;
  }
}
