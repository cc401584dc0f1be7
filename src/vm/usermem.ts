/**
 * A process's memory as the kernel may touch it: always through its page
 * tables, always prepared for a wild address.
 *
 * Addresses are numbers; any value is legal to pass and answers EFAULT if it
 * is not mapped so (an address past 2^53 is imprecise, but never mapped).
 * A copy that fails may have moved a prefix. See copy(9).
 */
import type { Errno } from "../abi/errno.ts";
import type { Paddr } from "../machine/physmem.ts";

export interface UserMemory {
  /** 0, or EFAULT. */
  copyin(from: number, into: Uint8Array): number;
  copyout(to: number, from: Uint8Array): number;
  /** As copyin and copyout, to and from frames that the caller holds: no array, and faster. */
  copyinPhys(from: number, to: Paddr, length: number): number;
  copyoutPhys(to: number, from: Paddr, length: number): number;
  /** A NUL-terminated byte string of at most `maxBytes` with its NUL; else ENAMETOOLONG. */
  copyinstr(from: number, maxBytes: number): string | Errno;
  /** The unsigned value at a naturally aligned address, or a (negative) error. */
  loadU32(from: number): number;
  /** As loadU32; exact to 2^53. */
  loadU64(from: number): number;
  storeU32(to: number, value: number): number;
  storeU64(to: number, value: number): number;
  /** Writes `length` zero bytes. */
  zero(to: number, length: number): number;
  /** True if all of [from, from + length) can be read without a fault. */
  isPresent(from: number, length: number): boolean;
}
