/** pids.max: how many threads there may be in a control group and all below it. */
import type { Cgroup } from "./cgroup.ts";

export class PidsGroup {
  readonly cgroup: Cgroup;
  readonly parent: PidsGroup | null;
  max = Number.POSITIVE_INFINITY;
  current = 0;
  peak = 0;
  /** Times that a fork failed because of this group's limit; of its or one below. */
  localHits = 0;
  hits = 0;

  constructor(cgroup: Cgroup, parent: PidsGroup | null) {
    this.cgroup = cgroup;
    this.parent = parent;
  }

  /** For a fork: counts a thread, or, if a limit forbids that, answers false. */
  take(): boolean {
    for (let g: PidsGroup | null = this; g; g = g.parent) {
      if (g.current >= g.max) {
        g.#refused();
        return false;
      }
    }
    this.add(1);
    return true;
  }

  /** Counts threads that nobody asks about: those that were moved here. */
  add(threads: number): void {
    for (let g: PidsGroup | null = this; g; g = g.parent) {
      g.current += threads;
      if (g.current > g.peak) g.peak = g.current;
    }
  }

  #refused(): void {
    this.localHits++;
    this.cgroup.notify("pids.events.local");
    for (let g: PidsGroup | null = this; g; g = g.parent) {
      g.hits++;
      g.cgroup.notify("pids.events");
    }
  }
}
