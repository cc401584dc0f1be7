/**
 * Hot targets that wait to be compiled, so that several regions become one module.
 *
 * A module of its own costs a region more than its code does: V8 has some 18 KB and 30 µs for each, and its machine
 * code on pages that it shares with nothing. While there are few regions, the next hot target is waited for no longer
 * than it takes one to be seen twice; programs with thousands of them have company soon, and targets that can wait.
 */
import type { PageTable } from "../../mmu/pagetable.ts";

/** Targets that are compiled together at most. */
const MAX_TOGETHER = 32;
/** A target waits for one visit more for each so many regions that there are. */
const REGIONS_PER_VISIT = 8;
/** But for no more than this. */
const MAX_WAIT = 1000;

export interface Target {
  readonly pt: PageTable;
  readonly pc: number;
}

interface Waiting extends Target {
  /** Reports of it that are still to come before it can wait no longer. */
  left: number;
}

export class CompileQueue {
  #waiting: Waiting[] = [];

  /**
   * A hot target was reported while there are so many regions. True if it is time to compile what waits, this among it.
   * `rest` says that it is to be reported only after so many visits, and answers whether that can be.
   */
  isTime(target: Target, regions: number, rest: (visits: number) => boolean): boolean {
    const known = this.#waiting.find((w) => w.pc === target.pc && w.pt === target.pt);
    if (known) return --known.left <= 0;
    const visits = Math.min(MAX_WAIT, Math.floor(regions / REGIONS_PER_VISIT));
    const left = visits <= 1 || rest(visits) ? 1 : visits;
    this.#waiting.push({ ...target, left });
    return this.#waiting.length >= MAX_TOGETHER;
  }

  /** All that wait, who wait no longer. */
  take(): readonly Target[] {
    const all = this.#waiting;
    this.#waiting = [];
    return all;
  }
}
