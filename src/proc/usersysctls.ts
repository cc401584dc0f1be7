/** user.max_*_namespaces: how many name spaces of a kind each user may have. See namespaces(7). */
import { EPERM } from "../abi/errno.ts";
import { CAP_SYS_RESOURCE } from "../kern/cred.ts";
import { type SysctlDir, SysctlInt } from "../kern/sysctl.ts";
import type { Thread } from "../kern/thread.ts";
import { UCOUNT_KINDS, UCOUNT_MAX, type UcountKind } from "../kern/ucounts.ts";
import type { UserNamespace } from "../kern/userns.ts";

export function addUserSysctls(tree: SysctlDir): void {
  for (const kind of UCOUNT_KINDS) {
    tree.add(`user.max_${kind}_namespaces`, new UserLimit(kind));
  }
  tree.add("user.max_inotify_instances", new UserLimit("inotify_instances"));
  tree.add("user.max_inotify_watches", new UserLimit("inotify_watches"));
  tree.add("user.max_fanotify_groups", new UserLimit("fanotify_groups"));
  tree.add("user.max_fanotify_marks", new UserLimit("fanotify_marks"));
}

/** Of the user name space that its reader is in. */
class UserLimit extends SysctlInt {
  readonly #kind: UcountKind;

  constructor(kind: UcountKind) {
    super(0, UCOUNT_MAX);
    this.#kind = kind;
  }

  override userns(td: Thread): UserNamespace {
    return td.cred.userns;
  }

  get(td: Thread): number {
    return td.cred.userns.ucounts.limits[this.#kind];
  }

  set(value: number, td: Thread): number {
    if (!td.cred.hasOwnCap(CAP_SYS_RESOURCE)) return EPERM;
    td.cred.userns.ucounts.limits[this.#kind] = value;
    return 0;
  }
}
