/**
 * What a user may have of inotify(7): fs.inotify.*. The counts are of real users,
 * as inotify files were made by them, and go when nothing is left to count.
 */
import { SysctlVar } from "../kern/sysctl.ts";

const INT_MAX = 0x7fffffff;

class UserCounts {
  instances = 0;
  watches = 0;
}

export class InotifyLimits {
  readonly maxQueuedEvents = new SysctlVar(16384, 0, INT_MAX);
  readonly maxUserInstances = new SysctlVar(128, 0, INT_MAX);
  readonly maxUserWatches = new SysctlVar(65536, 0, INT_MAX);
  readonly #users = new Map<number, UserCounts>();

  /** One more inotify file of `uid`: false if that is too many. */
  takeInstance(uid: number): boolean {
    return this.#take(uid, "instances", this.maxUserInstances.get());
  }

  takeWatch(uid: number): boolean {
    return this.#take(uid, "watches", this.maxUserWatches.get());
  }

  giveInstance(uid: number): void {
    this.#give(uid, "instances", 1);
  }

  giveWatches(uid: number, count: number): void {
    this.#give(uid, "watches", count);
  }

  #take(uid: number, what: keyof UserCounts, max: number): boolean {
    const counts = this.#users.get(uid) ?? new UserCounts();
    if (counts[what] >= max) return false;
    counts[what]++;
    this.#users.set(uid, counts);
    return true;
  }

  #give(uid: number, what: keyof UserCounts, count: number): void {
    const counts = this.#users.get(uid);
    if (!counts) return;
    counts[what] -= count;
    if (counts.instances === 0 && counts.watches === 0) this.#users.delete(uid);
  }
}
