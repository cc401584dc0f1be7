/** A host whose time passes only when it is looked at, and jumps when all sleep: what happens there happens again. */
import type { Clock, ConsolePort, Doorbell } from "../../src/platform/host.ts";
import { TestHost } from "../harness/testhost.ts";

export class VirtualHost extends TestHost {
  override readonly usesDoorbell = true;
  override readonly console: ConsolePort = {
    read: () => 0,
    write: (from) => from.length,
    room: () => 1 << 20,
    size: () => ({ rows: 24, cols: 80 }),
  };
  #ns = 0;
  override readonly clock: Clock = {
    monotonicNs: () => {
      this.#ns += 500;
      return this.#ns;
    },
    epochSec: 1_700_000_000,
    epochNsec: 0,
  };
  override readonly doorbell: Doorbell = {
    isRung: () => false,
    answer: () => {},
    wait: (timeoutNs) => {
      // Not into ages in which a nanosecond more is the same number.
      if (timeoutNs < 1e12) this.#ns += timeoutNs;
    },
  };
}
