/** A thread that ticks a hart as a host does. */
import { Worker } from "node:worker_threads";

const SOURCE = `
const { workerData } = require("node:worker_threads");
const words = new Uint32Array(workerData.memory);
const pause = new Int32Array(workerData.stop);
let last = performance.now();
while (Atomics.load(pause, 0) === 0) {
  Atomics.wait(pause, 0, 0, workerData.tickMs);
  const ticks = Math.floor((performance.now() - last) / workerData.tickMs);
  last += ticks * workerData.tickMs;
  Atomics.add(words, workerData.address >>> 2, ticks);
}`;

export class Ticker {
  readonly #stop = new SharedArrayBuffer(4);
  readonly #worker: Worker;

  constructor(memory: SharedArrayBuffer, address: number, tickUs: number) {
    const workerData = { memory, address, tickMs: tickUs / 1000, stop: this.#stop };
    this.#worker = new Worker(SOURCE, { eval: true, workerData });
  }

  async started(): Promise<void> {
    await new Promise((resolve) => this.#worker.once("online", resolve));
  }

  async end(): Promise<void> {
    const word = new Int32Array(this.#stop);
    Atomics.store(word, 0, 1);
    Atomics.notify(word, 0);
    await this.#worker.terminate();
  }
}
