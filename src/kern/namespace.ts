/**
 * What all kinds of name spaces have in common: a number, an owner, and a life
 * as long as somebody uses it. See namespaces(7).
 *
 * `refs` counts what keeps it: threads (through their Nsproxy, FsContext or
 * credentials), open files and bind mounts of /proc/PID/ns, and name spaces
 * within. The owner is the user name space that capabilities over it are
 * relative to; it is held as long.
 */
import type { KernelMemory } from "./kmem.ts";
import type { UcountKind } from "./ucounts.ts";
import type { UserNamespace } from "./userns.ts";

export type NamespaceKind = "cgroup" | "ipc" | "mnt" | "net" | "pid" | "time" | "user" | "uts";

/** Inode numbers of the first ones, as Linux fixes them. */
export const INITIAL_INO: Readonly<Record<NamespaceKind, number>> = {
  cgroup: 0xeffffffb,
  ipc: 0xefffffff,
  mnt: 0xeffffff8,
  net: 0xeffffff9,
  pid: 0xeffffffc,
  time: 0xeffffffa,
  user: 0xeffffffd,
  uts: 0xeffffffe,
};

/** Whom a name space counts for: a user of a user name space. */
export interface Charge {
  readonly userns: UserNamespace;
  readonly uid: number;
  readonly kind: UcountKind;
  /** And what it takes of the kernel's memory. */
  readonly kmem: KernelMemory;
  readonly bytes: number;
}

export function giveCharge({ userns, uid, kind, kmem, bytes }: Charge): void {
  userns.ucounts.give(uid, kind);
  kmem.give(bytes);
}

export abstract class Namespace {
  abstract readonly kind: NamespaceKind;
  /** As /proc/PID/ns shows it. */
  readonly ino: number;
  readonly #owner: UserNamespace | null;
  readonly #charge: Charge | null;
  #moreBytes = 0;
  refs = 1;

  /** `charge`: taken already, given back at the end; null for the first of its kind. */
  constructor(ino: number, owner: UserNamespace | null, charge: Charge | null) {
    this.ino = ino;
    this.#owner = owner?.hold() ?? null;
    this.#charge = charge;
  }

  /** The user name space that owns it: a user name space's own parent, and the first's own self. */
  get owner(): UserNamespace {
    return this.#owner as UserNamespace;
  }

  /** Nobody has used it since it ended, if it ever did. */
  get isOver(): boolean {
    return this.refs <= 0;
  }

  /** It grew by so many bytes: false if there is no room. */
  chargeMore(bytes: number): boolean {
    if (this.#charge?.kmem.take(bytes) === false) return false;
    this.#moreBytes += bytes;
    return true;
  }

  hold(): this {
    this.refs++;
    return this;
  }

  release(): void {
    if (--this.refs > 0) return;
    this.end();
    if (this.#charge) {
      this.#charge.kmem.give(this.#moreBytes);
      giveCharge(this.#charge);
    }
    this.#owner?.release();
  }

  /** The last user went. */
  protected end(): void {}
}
