/**
 * Times of an inode: 32 bits of seconds, and in larger inodes a word more with
 * two bits of epoch and 30 of nanoseconds, which together reach the year 2446.
 * Source: Documentation/filesystems/ext4/inodes.rst, "Inode Timestamps".
 */
import type { Timespec } from "../../kern/clock.ts";
import { wide } from "../../lib/wide.ts";

const TWO32 = 4294967296;
const SEC_MIN = -2147483648;
const SEC_MAX_OLD = 2147483647;
const SEC_MAX = SEC_MAX_OLD + 3 * TWO32;

/** `extraAt`: where the second word is; negative where the inode has none. */
export function readTime(view: DataView, at: number, extraAt: number): Timespec {
  const sec = view.getInt32(at, true);
  if (extraAt < 0) return { sec, nsec: 0 };
  const extra = view.getUint32(extraAt, true);
  return { sec: wide(extra & 3, sec), nsec: Math.min(extra >>> 2, 999999999) };
}

/** A time that does not fit becomes the nearest one that does, as in Linux. */
export function writeTime(view: DataView, at: number, extraAt: number, t: Timespec): void {
  const max = extraAt < 0 ? SEC_MAX_OLD : SEC_MAX;
  const sec = Math.max(SEC_MIN, Math.min(max, t.sec));
  view.setInt32(at, sec | 0, true);
  if (extraAt < 0) return;
  const epoch = sec === (sec | 0) ? 0 : (sec - (sec | 0)) / TWO32;
  view.setUint32(extraAt, ((t.nsec << 2) | epoch) >>> 0, true);
}
