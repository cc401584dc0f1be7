/** What an administrator chose for files, in fs.*. See proc_sys_fs(5). */
import { UserCount } from "../kern/usercount.ts";

/** RLIMIT_NOFILE goes no higher, unless told otherwise; and never above the last. */
const NR_OPEN = 1048576;
export const NR_OPEN_MAX = 0x7fffffc0;
const EPOLL_WATCHES = 100_000;

export class FsSettings {
  nrOpen = NR_OPEN;
  /** Links in sticky directories that all may write: not followed if they are another's. */
  protectedSymlinks = true;
  /** Hard links to files that one could not write. */
  protectedHardlinks = true;
  /** Opening with O_CREAT what another has put there: 1 where all may write, 2 where a group may. */
  protectedFifos = 0;
  protectedRegular = 0;
  /** Pages of pipes that a user may have: above the first new ones are small, above the second there are none. 0: no limit. */
  pipePagesSoft = 16384;
  pipePagesHard = 0;
  readonly pipePages = new UserCount();
  epollMaxWatches = EPOLL_WATCHES;
  readonly epollWatches = new UserCount();
}
