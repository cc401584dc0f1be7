/**
 * How many name spaces each user has made, and what he has of inotify(7) and fanotify(7): user.max_*.
 *
 * What is made in a user name space counts there for who makes it, in the
 * parent for the owner of that, and so on up: a limit at any level holds for
 * all below. See namespaces(7), "The /proc/sys/user directory".
 */
import type { UserNamespace } from "./userns.ts";

export const UCOUNT_KINDS = ["user", "pid", "uts", "ipc", "net", "mnt", "cgroup", "time"] as const;
/** What is counted besides, and how much of it the first name space allows. */
const OTHER_KINDS = {
  inotify_instances: 128,
  inotify_watches: 65536,
  fanotify_groups: 128,
  fanotify_marks: 65536,
} as const;

export type NamespaceKind = (typeof UCOUNT_KINDS)[number];
export type OtherKind = keyof typeof OTHER_KINDS;
export type UcountKind = NamespaceKind | OtherKind;

export const UCOUNT_MAX = 2 ** 31 - 1;

export class Ucounts {
  /** Limits of the name space itself, by kind. */
  readonly limits: Record<UcountKind, number>;
  readonly #counts = new Map<string, number>();
  readonly #userns: UserNamespace;

  constructor(userns: UserNamespace, limit: number) {
    this.#userns = userns;
    const isFirst = userns.level === 0;
    const others = Object.entries(OTHER_KINDS).map(([k, n]) => [k, isFirst ? n : limit]);
    this.limits = Object.fromEntries([...UCOUNT_KINDS.map((k) => [k, limit]), ...others]) as Record<
      UcountKind,
      number
    >;
  }

  /** Counts one of `kind` for `uid` here and for the owners above; false, and nothing counted, past a limit. */
  take(uid: number, kind: UcountKind): boolean {
    let who = uid;
    for (let ns: UserNamespace | null = this.#userns; ns; ns = ns.parent) {
      if (!ns.ucounts.#add(who, kind, 1)) {
        this.#giveUpTo(ns, uid, kind);
        return false;
      }
      who = ns.ownerUid;
    }
    return true;
  }

  give(uid: number, kind: UcountKind, count = 1): void {
    this.#giveUpTo(null, uid, kind, count);
  }

  #giveUpTo(end: UserNamespace | null, uid: number, kind: UcountKind, count = 1): void {
    let who = uid;
    for (let ns: UserNamespace | null = this.#userns; ns && ns !== end; ns = ns.parent) {
      ns.ucounts.#add(who, kind, -count);
      who = ns.ownerUid;
    }
  }

  #add(uid: number, kind: UcountKind, by: number): boolean {
    const key = `${kind}${uid}`;
    const n = (this.#counts.get(key) ?? 0) + by;
    if (by > 0 && n > this.limits[kind]) return false;
    if (n > 0) this.#counts.set(key, n);
    else this.#counts.delete(key);
    return true;
  }
}
