/**
 * Overcommit: how much memory programs may be promised, vm.overcommit_*.
 *
 * What counts is private and writable (or had to be reserved otherwise): `Vmspace.account` keeps
 * the sum. As a heuristic only what could never be had is refused; or nothing is; or the sum stays
 * below a limit, less what is kept for an administrator and for a user's way out of it. See
 * overcommit-accounting.rst and __vm_enough_memory() in Linux.
 */
import { PAGE_SIZE } from "./param.ts";

export const OVERCOMMIT_GUESS = 0;
export const OVERCOMMIT_ALWAYS = 1;
export const OVERCOMMIT_NEVER = 2;

const KIB = 1024;
const MAX_ADMIN_RESERVE_KIB = 8192;
const MAX_USER_RESERVE_KIB = 131072;
/** What one may have at most kept from himself: a 32nd of his address space. */
const USER_SHARE = 32;

export class Overcommit {
  mode = OVERCOMMIT_GUESS;
  ratio = 50;
  /** Not 0: counts in the place of `ratio`. */
  kbytes = 0;
  adminReserveKib: number;
  userReserveKib: number;
  /** Promised to all address spaces. */
  committedBytes = 0;
  readonly #totalBytes: number;

  constructor(totalPages: number) {
    this.#totalBytes = totalPages * PAGE_SIZE;
    const share = Math.floor(this.#totalBytes / KIB / 32);
    this.adminReserveKib = Math.min(share, MAX_ADMIN_RESERVE_KIB);
    this.userReserveKib = Math.min(share, MAX_USER_RESERVE_KIB);
  }

  get limitBytes(): number {
    return this.kbytes > 0 ? this.kbytes * KIB : (this.#totalBytes * this.ratio) / 100;
  }

  /** Whether an address space of `ownBytes` may be promised `length` more. */
  allows(length: number, ownBytes: number, isAdmin: boolean): boolean {
    if (this.mode === OVERCOMMIT_ALWAYS) return true;
    if (this.mode === OVERCOMMIT_GUESS) return length <= this.#totalBytes;
    const forAdmin = isAdmin ? 0 : this.adminReserveKib * KIB;
    const forUser = Math.min(ownBytes / USER_SHARE, this.userReserveKib * KIB);
    return this.committedBytes + length <= this.limitBytes - forAdmin - forUser;
  }
}
