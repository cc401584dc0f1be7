/**
 * A time name space: how far its monotonic and boot clocks are off those of
 * the first one. See time_namespaces(7).
 *
 * The offsets can be set until the first process is in it.
 */
import { type Charge, Namespace } from "./namespace.ts";
import type { UserNamespace } from "./userns.ts";

/** What shows its time to programs: proc/vdso.ts. */
export interface TimePage {
  release(): void;
}

export class TimeNamespace extends Namespace {
  readonly kind = "time";
  monotonicOffsetNs: number;
  boottimeOffsetNs: number;
  isFixed = false;
  /** Null until somebody is in there. */
  page: TimePage | null = null;

  constructor(
    ino: number,
    owner: UserNamespace,
    charge: Charge | null,
    offsets: { readonly monotonicOffsetNs: number; readonly boottimeOffsetNs: number },
  ) {
    super(ino, owner, charge);
    this.monotonicOffsetNs = offsets.monotonicOffsetNs;
    this.boottimeOffsetNs = offsets.boottimeOffsetNs;
  }

  protected override end(): void {
    this.page?.release();
    this.page = null;
  }
}
