/**
 * The keyrings of users, as one user name space has them: _uid.N, and _uid_ses.N
 * for sessions without one of their own. See user-keyring(7).
 *
 * They are made when somebody first needs them, and stay as long as the name space.
 */
import type { UserNamespace } from "../../kern/userns.ts";
import type { Key } from "./key.ts";
import type { KeyTable } from "./keytable.ts";

export interface UserRings {
  readonly user: Key;
  readonly session: Key;
}

export class RingRegister {
  readonly #keys: KeyTable;
  /** By the kernel's ids. */
  readonly #ofUser = new Map<number, UserRings>();

  constructor(keys: KeyTable) {
    this.#keys = keys;
  }

  /** That of a name space. */
  static of(userns: UserNamespace, keys: KeyTable): RingRegister {
    if (userns.keyrings instanceof RingRegister) return userns.keyrings;
    const made = new RingRegister(keys);
    userns.keyrings = made;
    return made;
  }

  get(uid: number): UserRings | null {
    return this.#ofUser.get(uid) ?? null;
  }

  /** Takes them over, from those that the user had. */
  set(uid: number, rings: UserRings): void {
    this.#drop(uid);
    this.#ofUser.set(uid, rings);
  }

  /** The name space ends, or nobody is to find them any more. */
  end(): void {
    for (const uid of [...this.#ofUser.keys()]) this.#drop(uid);
  }

  #drop(uid: number): void {
    const old = this.#ofUser.get(uid);
    if (!old) return;
    this.#ofUser.delete(uid);
    this.#keys.release(old.session);
    this.#keys.release(old.user);
  }
}
