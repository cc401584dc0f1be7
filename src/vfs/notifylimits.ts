/**
 * What a user may have of inotify(7) and fanotify(7): fs.inotify.*, fs.fanotify.*. How many files and
 * watches he has is counted where he made them, as for name spaces: what fs.inotify says is
 * user.max_inotify_* of the first.
 */
import { INT_MAX, SysctlField, SysctlVar } from "../kern/sysctl.ts";
import type { OtherKind, UcountKind } from "../kern/ucounts.ts";
import type { UserNamespace } from "../kern/userns.ts";

export class NotifyLimits {
  readonly maxQueuedEvents = new SysctlVar(16384, 0, INT_MAX);
  readonly maxUserInstances: SysctlField<UcountKind>;
  readonly maxUserWatches: SysctlField<UcountKind>;

  constructor(first: UserNamespace, instances: OtherKind, watches: OtherKind) {
    const { limits } = first.ucounts;
    this.maxUserInstances = new SysctlField<UcountKind>(limits, instances);
    this.maxUserWatches = new SysctlField<UcountKind>(limits, watches);
  }
}

/** Who made such a file, and where. */
export class NotifyUser {
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
