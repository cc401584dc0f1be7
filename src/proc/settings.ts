/** What an administrator chose for the kernel as a whole, in kernel.*, vm.* and fs.*. See proc_sys(5). */

import { RateLimit } from "../kern/ratelimit.ts";

/** kernel.sysctl_writes_strict: every write is a value; as that, with a warning; or as into a file. */
export const WRITES_LEGACY = -1;
export const WRITES_STRICT = 1;

export class KernelSettings {
  sysctlWritesStrict = WRITES_STRICT;
  /** syslog(2) is for CAP_SYSLOG alone. */
  dmesgRestrict = false;
  /** fs.suid_dumpable: what `Proc.dumpable` is of who has gained rights. */
  suidDumpable = 0;
  /** Who has no CAP_SYS_ADMIN may make user name spaces. */
  unprivilegedUserns = true;
  /** When memory is out: list the candidates, spare the search, or give up. */
  oomDumpTasks = true;
  oomKillAllocatingTask = false;
  panicOnOom = 0;
  /** vm.swappiness: weighs swapping against dropping file pages; without swap, as in Linux, there is no choice. */
  swappiness = 60;
  /** TAINT_*, as they were written: this kernel has nothing that taints. */
  taint = 0;
  /** Log who is ended by a signal; by what went wrong in it. */
  printFatalSignals = false;
  showUnhandledSignals = true;
  /** kernel.printk_ratelimit*: of what programs make the kernel say. */
  printkIntervalSec = 5;
  printkBurst = 10;
  readonly printkLimit = new RateLimit();
}
