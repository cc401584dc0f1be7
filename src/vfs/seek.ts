/**
 * lseek(2) of files that are made as they are read: they have no end to count from.
 *
 * An offset stays an exact number.
 */
import { EINVAL } from "../abi/errno.ts";
import { SEEK_CUR, SEEK_SET } from "../abi/fcntl.ts";

/** The new offset, or EINVAL. `now` is the old one. */
export function seekWithoutEnd(now: number, offset: number, whence: number): number {
  if (whence !== SEEK_SET && whence !== SEEK_CUR) return EINVAL;
  const to = whence === SEEK_CUR ? now + offset : offset;
  return to < 0 || to > Number.MAX_SAFE_INTEGER ? EINVAL : to;
}
