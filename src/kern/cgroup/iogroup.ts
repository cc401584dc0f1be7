/**
 * io.stat and io.max of one control group, by device. See cgroup-v2.rst, "IO".
 *
 * A transfer happens, and is owed for (see dev/iolimit.ts): each limit of the
 * group and of those above it says until when its thread must not run on.
 */
export interface IoLimits {
  rbps: number;
  wbps: number;
  riops: number;
  wiops: number;
}

export const UNLIMITED: Readonly<IoLimits> = {
  rbps: Number.POSITIVE_INFINITY,
  wbps: Number.POSITIVE_INFINITY,
  riops: Number.POSITIVE_INFINITY,
  wiops: Number.POSITIVE_INFINITY,
};

const NS_PER_SEC = 1e9;
/** What was not used is kept for so long. */
const BURST_NS = 100e6;

/** What a group did with one device. */
export class IoUse {
  readBytes = 0;
  writtenBytes = 0;
  reads = 0;
  writes = 0;
  discardedBytes = 0;
  discards = 0;
  limits: IoLimits = { ...UNLIMITED };
  #readDueNs = 0;
  #writeDueNs = 0;

  get isLimited(): boolean {
    const { rbps, wbps, riops, wiops } = this.limits;
    return Math.min(rbps, wbps, riops, wiops) < Number.POSITIVE_INFINITY;
  }

  /** A transfer happens now: when it is paid for. */
  due(bytes: number, isWrite: boolean, nowNs: number): number {
    const { rbps, wbps, riops, wiops } = this.limits;
    const bps = isWrite ? wbps : rbps;
    const iops = isWrite ? wiops : riops;
    const costNs = Math.max((bytes * NS_PER_SEC) / bps, NS_PER_SEC / iops);
    const from = Math.max(isWrite ? this.#writeDueNs : this.#readDueNs, nowNs - BURST_NS);
    if (isWrite) this.#writeDueNs = from + costNs;
    else this.#readDueNs = from + costNs;
    return from + costNs;
  }

  add(more: IoUse): void {
    this.readBytes += more.readBytes;
    this.writtenBytes += more.writtenBytes;
    this.reads += more.reads;
    this.writes += more.writes;
    this.discardedBytes += more.discardedBytes;
    this.discards += more.discards;
  }
}

export class IoGroup {
  readonly parent: IoGroup | null;
  /** By device number, of this group and those below it. */
  readonly uses = new Map<number, IoUse>();

  constructor(parent: IoGroup | null) {
    this.parent = parent;
  }

  use(rdev: number): IoUse {
    let use = this.uses.get(rdev);
    if (!use) {
      use = new IoUse();
      this.uses.set(rdev, use);
    }
    return use;
  }

  /** A transfer of a thread in it: until when the thread is to wait; 0 for no limit. */
  transferred(rdev: number, bytes: number, isWrite: boolean, nowNs: number): number {
    let dueNs = 0;
    for (let g: IoGroup | null = this; g; g = g.parent) {
      const use = g.use(rdev);
      if (isWrite) {
        use.writes++;
        use.writtenBytes += bytes;
      } else {
        use.reads++;
        use.readBytes += bytes;
      }
      if (use.isLimited) dueNs = Math.max(dueNs, use.due(bytes, isWrite, nowNs));
    }
    return dueNs > nowNs ? dueNs : 0;
  }

  discarded(rdev: number, bytes: number): void {
    for (let g: IoGroup | null = this; g; g = g.parent) {
      const use = g.use(rdev);
      use.discards++;
      use.discardedBytes += bytes;
    }
  }
}
