/** A share's file attributes, from Node's BigIntStats; what few ask for is worked out when they do. */
import type { BigIntStats } from "node:fs";
import type { ShareStat, ShareTime } from "../../../platform/share.ts";

const NS_PER_SEC = 1_000_000_000n;
/** A clock tick of the coarsest kernel, and some; and of file systems that keep whole or even seconds. */
const TICK_NS = 50_000_000n;
const COARSE_TICK_NS = 2_100_000_000n;

export class NodeShareStat implements ShareStat {
  readonly #stats: BigIntStats;
  readonly #rootDev: bigint;
  /** When it was asked for, by the host's clock. */
  readonly #nowNs = BigInt(Date.now()) * 1_000_000n;

  constructor(stats: BigIntStats, rootDev: bigint) {
    this.#stats = stats;
    this.#rootDev = rootDev;
  }

  get id(): string {
    return `${this.#stats.dev}:${this.#stats.ino}`;
  }

  get ino(): number {
    const { dev, ino } = this.#stats;
    if (dev === this.#rootDev && ino <= MAX_PLAIN_INO) return Number(ino);
    // Another file system below the share, or numbers beyond 2^52.
    return Number(FOLDED_INO | (BigInt.asUintN(64, (ino ^ (dev << 32n)) * MIX) >> 12n));
  }

  get mode(): number {
    return Number(this.#stats.mode);
  }

  get nlink(): number {
    return Number(this.#stats.nlink);
  }

  get sizeBytes(): number {
    return Number(this.#stats.size);
  }

  get blksize(): number {
    return Number(this.#stats.blksize);
  }

  get blocks(): number {
    return Number(this.#stats.blocks);
  }

  get atime(): ShareTime {
    return timeOf(this.#stats.atimeNs);
  }

  get mtime(): ShareTime {
    return timeOf(this.#stats.mtimeNs);
  }

  get ctime(): ShareTime {
    return timeOf(this.#stats.ctimeNs);
  }

  get btime(): ShareTime | null {
    return this.#stats.birthtimeNs > 0n ? timeOf(this.#stats.birthtimeNs) : null;
  }

  get version(): string {
    const { mtimeNs, ctimeNs, size } = this.#stats;
    return `${mtimeNs}:${ctimeNs}:${size}`;
  }

  get isSettled(): boolean {
    const { ctimeNs } = this.#stats;
    const tickNs = ctimeNs % NS_PER_SEC === 0n ? COARSE_TICK_NS : TICK_NS;
    return ctimeNs + tickNs < this.#nowNs;
  }
}

const MAX_PLAIN_INO = 2n ** 52n - 1n;
const FOLDED_INO = 2n ** 52n;
/** 2^64 divided by the golden ratio: spreads neighbours. */
const MIX = 0x9e3779b97f4a7c15n;

function timeOf(ns: bigint): ShareTime {
  const nsec = ((ns % NS_PER_SEC) + NS_PER_SEC) % NS_PER_SEC;
  return { sec: Number((ns - nsec) / NS_PER_SEC), nsec: Number(nsec) };
}
