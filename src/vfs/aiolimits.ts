/** How many asynchronous requests there may be on a machine: fs.aio-max-nr, fs.aio-nr. */
import { SysctlLeaf, SysctlVar } from "../kern/sysctl.ts";

const UINT_MAX = 0xffffffff;

export class AioLimits {
  readonly maxNr = new SysctlVar(65536, 0, UINT_MAX);
  readonly nr: SysctlLeaf = new AioNr(this);
  /** What all contexts have been made for. */
  used = 0;
  /** A request ends at this moment: see aiopoll.ts. */
  isEnding = false;

  /** False if that is too many. */
  take(requests: number): boolean {
    if (this.used + requests > this.maxNr.get()) return false;
    this.used += requests;
    return true;
  }

  give(requests: number): void {
    this.used -= requests;
  }
}

class AioNr extends SysctlLeaf {
  readonly #limits: AioLimits;

  constructor(limits: AioLimits) {
    super(0o444);
    this.#limits = limits;
  }

  read(): string {
    return String(this.#limits.used);
  }
}
