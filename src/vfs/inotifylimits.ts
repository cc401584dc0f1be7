/**
 * What a user may have of inotify(7): fs.inotify.*. How many files and watches he has is counted
 * where he made them, as for name spaces: what fs.inotify says is user.max_inotify_* of the first.
 */
import { INT_MAX, SysctlField, SysctlVar } from "../kern/sysctl.ts";
import type { OtherKind, UcountKind } from "../kern/ucounts.ts";
import type { UserNamespace } from "../kern/userns.ts";

export class InotifyLimits {
  readonly maxQueuedEvents = new SysctlVar(16384, 0, INT_MAX);
  readonly maxUserInstances: SysctlField<UcountKind>;
  readonly maxUserWatches: SysctlField<UcountKind>;

  constructor(first: UserNamespace) {
    const { limits } = first.ucounts;
    this.maxUserInstances = new SysctlField<UcountKind>(limits, "inotify_instances");
    this.maxUserWatches = new SysctlField<UcountKind>(limits, "inotify_watches");
  }
}

/** Who made an inotify file, and where. */
export class InotifyUser {
  readonly #uid: number;
  readonly #userns: UserNamespace;

  constructor(uid: number, userns: UserNamespace) {
    this.#uid = uid;
    this.#userns = userns.hold();
  }

  /** One more: false if that is too many. */
  take(what: OtherKind): boolean {
    return this.#userns.ucounts.take(this.#uid, what);
  }

  give(what: OtherKind, count: number): void {
    this.#userns.ucounts.give(this.#uid, what, count);
  }

  end(): void {
    this.#userns.release();
  }
}
