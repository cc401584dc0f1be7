/** How much of the JavaScript heap a kernel keeps while it runs, garbage apart. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { TestKernel } from "../harness/kernel.ts";

const LOOK_MS = 300;
/** System calls between two looks at the clock. */
const CALLS_PER_LOOK = 1024;

export class LiveHeap {
  readonly #collect: () => void;
  readonly #before: number;
  #peak = 0;

  /** Watches from now on: each look costs a collection of all garbage. */
  constructor(kernel: TestKernel) {
    setFlagsFromString("--expose-gc");
    this.#collect = runInNewContext("gc") as () => void;
    this.#before = this.#used();
    const { dispatcher } = kernel.loop;
    const call = dispatcher.call.bind(dispatcher);
    let calls = 0;
    let lookMs = performance.now() + LOOK_MS;
    dispatcher.call = (td) => {
      if (++calls % CALLS_PER_LOOK === 0 && performance.now() >= lookMs) {
        this.#peak = Math.max(this.#peak, this.#used());
        lookMs = performance.now() + LOOK_MS;
      }
      return call(td);
    };
  }

  /** The most that was seen beyond what there was in the beginning. */
  get growthBytes(): number {
    return Math.max(0, this.#peak - this.#before);
  }

  #used(): number {
    this.#collect();
    return process.memoryUsage().heapUsed;
  }
}
