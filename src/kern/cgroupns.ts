/**
 * A cgroup name space: which control group is "/" for those in it.
 * See cgroup_namespaces(7).
 */
import type { Cgroup } from "./cgroup/cgroup.ts";
import { type Charge, Namespace } from "./namespace.ts";
import type { UserNamespace } from "./userns.ts";

export class CgroupNamespace extends Namespace {
  readonly kind = "cgroup";
  /** Null: the root of the hierarchy. */
  readonly root: Cgroup | null;

  constructor(ino: number, owner: UserNamespace, charge: Charge | null, root: Cgroup | null) {
    super(ino, owner, charge);
    this.root = root;
  }
}
