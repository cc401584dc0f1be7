/**
 * A cgroup name space: which control group is "/" for those in it.
 * See cgroup_namespaces(7).
 */
import { type Charge, Namespace } from "./namespace.ts";
import type { UserNamespace } from "./userns.ts";

/** A control group, as far as a name space is concerned. */
export interface CgroupRoot {
  /** Kept as long as the name space. */
  hold(): unknown;
  release(): void;
}

export class CgroupNamespace extends Namespace {
  readonly kind = "cgroup";
  /** Null: the root of the hierarchy. */
  readonly root: CgroupRoot | null;

  constructor(ino: number, owner: UserNamespace, charge: Charge | null, root: CgroupRoot | null) {
    super(ino, owner, charge);
    this.root = root;
    root?.hold();
  }

  protected override end(): void {
    this.root?.release();
  }
}
