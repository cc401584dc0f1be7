/** Threads, a CPU and a clock that a test moves by hand. */
import { KernelClock } from "../../src/kern/clock.ts";
import { Cpu } from "../../src/kern/cpu.ts";
import { Cred } from "../../src/kern/cred.ts";
import { Thread } from "../../src/kern/thread.ts";

export class TestThread extends Thread {}

export class KernRig {
  nowNs = 0;
  readonly clock: KernelClock;
  readonly cpu: Cpu;
  #lastTid = 0;

  constructor(epochSec = 0, epochNsec = 0) {
    this.clock = new KernelClock({ monotonicNs: () => this.nowNs, epochSec, epochNsec });
    this.cpu = new Cpu(0, this.clock);
  }

  /** A thread that runs, as one in the middle of a system call. */
  thread(nice = 0): TestThread {
    const td = new TestThread(++this.#lastTid, this.cpu, Cred.root());
    td.nice = nice;
    td.state = "running";
    return td;
  }
}
