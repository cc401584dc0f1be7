/**
 * User name spaces: ids and capabilities of their own. See user_namespaces(7).
 *
 * The kernel keeps every id as its number in the first user name space; a name
 * space translates at the border of the kernel. A capability is held in a name
 * space and counts for that and what lies within, and whoever made a name space
 * has them all over it (cred.ts). The tree is at most 32 levels deep.
 */
import { IDENTITY, type IdMap, NO_ID, NO_IDS } from "./idmap.ts";
import { type Charge, INITIAL_INO, Namespace } from "./namespace.ts";
import { UCOUNT_MAX, Ucounts } from "./ucounts.ts";

/** Nobody. */
const OVERFLOW_ID = 65534;
/** Below the first. */
export const USERNS_DEPTH_MAX = 32;
const FIRST_INO = 0xf0000000;

export class UserNamespace extends Namespace {
  readonly kind = "user";
  readonly parent: UserNamespace | null;
  /** 0: the first. */
  readonly level: number;
  /** Who made it, by the kernel's ids. */
  readonly ownerUid: number;
  readonly ownerGid: number;
  /** Whoever made it had CAP_SETFCAP over the parent: it may map the parent's root. */
  readonly couldSetFileCaps: boolean;
  readonly ucounts: Ucounts;
  uidMap: IdMap;
  gidMap: IdMap;
  projidMap: IdMap;
  /** The keyrings of its users (proc/keys/userrings.ts); null until somebody asked for his. */
  keyrings: { end(): void } | null = null;
  /** False once "deny" was written to /proc/PID/setgroups. */
  mayUseSetgroups = true;
  /** Who is shown where an id has no name: kernel.overflowuid, kernel.overflowgid. Of the first, for all. */
  readonly overflow: { uid: number; gid: number };
  readonly #root: UserNamespace;
  /** Of the first: the number that the next name space of any kind gets. */
  #nextIno = FIRST_INO;

  constructor(
    parent: UserNamespace | null,
    ownerUid: number,
    ownerGid: number,
    couldSetFileCaps: boolean,
    charge: Charge | null,
  ) {
    super(parent?.takeIno() ?? INITIAL_INO.user, parent, charge);
    this.parent = parent;
    this.level = parent ? parent.level + 1 : 0;
    this.ownerUid = ownerUid;
    this.ownerGid = ownerGid;
    this.couldSetFileCaps = couldSetFileCaps;
    this.ucounts = new Ucounts(this, UCOUNT_MAX);
    this.uidMap = this.gidMap = this.projidMap = parent ? NO_IDS : IDENTITY;
    this.mayUseSetgroups = parent?.mayUseSetgroups ?? true;
    this.#root = parent ? parent.#root : this;
    this.overflow = parent ? parent.overflow : { uid: OVERFLOW_ID, gid: OVERFLOW_ID };
  }

  protected override end(): void {
    this.keyrings?.end();
  }

  /** The first one of a machine. */
  static initial(): UserNamespace {
    return new UserNamespace(null, 0, 0, true, null);
  }

  get isInitial(): boolean {
    return this.level === 0;
  }

  override get owner(): UserNamespace {
    return this.parent ?? this;
  }

  /** A number that no name space of the machine has had. */
  takeIno(): number {
    return this.#root.#nextIno++;
  }

  /** True for `ns` itself and what lies within it. */
  isWithin(ns: UserNamespace): boolean {
    if (ns.level === 0) return true;
    let at: UserNamespace = this;
    while (at.level > ns.level) at = at.parent!;
    return at === ns;
  }

  /** The kernel's id for a user id of this name space; NO_ID if it has none. */
  kuid(uid: number): number {
    if (this.level === 0) return uid === 0xffffffff ? NO_ID : uid;
    return this.uidMap.down(uid);
  }

  kgid(gid: number): number {
    if (this.level === 0) return gid === 0xffffffff ? NO_ID : gid;
    return this.gidMap.down(gid);
  }

  /** A user as this name space knows it; NO_ID for one that it does not know. */
  uid(kuid: number): number {
    return this.level === 0 ? kuid : this.uidMap.up(kuid);
  }

  gid(kgid: number): number {
    return this.level === 0 ? kgid : this.gidMap.up(kgid);
  }

  /** As it is shown: who is not known is nobody. */
  shownUid(kuid: number): number {
    if (this.level === 0) return kuid;
    const uid = this.uidMap.up(kuid);
    return uid === NO_ID ? this.overflow.uid : uid;
  }

  shownGid(kgid: number): number {
    if (this.level === 0) return kgid;
    const gid = this.gidMap.up(kgid);
    return gid === NO_ID ? this.overflow.gid : gid;
  }

  /** The kernel's id of its root; NO_ID if it has none. */
  get rootUid(): number {
    return this.kuid(0);
  }

  get rootGid(): number {
    return this.kgid(0);
  }

  /** True if both ids have a name here: only then do capabilities count over a file. */
  knows(kuid: number, kgid: number): boolean {
    return this.level === 0 || (this.uidMap.up(kuid) !== NO_ID && this.gidMap.up(kgid) !== NO_ID);
  }

  /** setgroups(2) is for who cannot so escape from a group: after gid_map was written, and unless denied. */
  get allowsSetgroups(): boolean {
    return this.mayUseSetgroups && !this.gidMap.isEmpty;
  }
}
