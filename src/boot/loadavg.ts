/** Samples the run queue every five seconds for the load averages. */
import { Callout } from "../kern/callout.ts";
import type { Cpu } from "../kern/cpu.ts";
import type { HostInfo } from "../kern/hostinfo.ts";

const PERIOD_NS = 5e9;

export class LoadSampler extends Callout {
  readonly #cpu: Cpu;
  readonly #info: HostInfo;

  constructor(cpu: Cpu, info: HostInfo) {
    super();
    this.#cpu = cpu;
    this.#info = info;
  }

  start(): void {
    this.#cpu.callouts.arm(this, this.#cpu.clock.monotonicNs() + PERIOD_NS);
  }

  fire(nowNs: number): void {
    const isRunning = this.#cpu.current?.state === "running";
    this.#info.sampleLoad(this.#cpu.runq.ready + (isRunning ? 1 : 0));
    this.#cpu.callouts.arm(this, nowNs + PERIOD_NS);
  }
}
