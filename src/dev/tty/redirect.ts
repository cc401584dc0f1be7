/**
 * TIOCCONS: a terminal that gets what is written to /dev/console.
 *
 * One per machine. The file is held until the redirection is taken back (the
 * same request on /dev/console) or its terminal is cut. See ioctl_tty(2).
 */
import { EBADF, EBUSY, EPERM } from "../../abi/errno.ts";
import { CAP_SYS_ADMIN } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import type { File } from "../../vfs/file.ts";

export class ConsoleRedirect {
  /** Where the console's output goes instead; null: to the console. */
  to: File | null = null;

  set(td: Thread, fp: File, isConsole: boolean): number {
    if (!td.cred.hasCap(CAP_SYS_ADMIN)) return EPERM;
    if (isConsole) {
      this.release();
      return 0;
    }
    if (!fp.isWritable) return EBADF;
    if (this.to) return EBUSY;
    this.to = fp.hold();
    return 0;
  }

  /** The terminal of `fp` was cut. */
  hungUp(fp: File): void {
    if (this.to === fp) this.release();
  }

  release(): void {
    const { to } = this;
    this.to = null;
    to?.release();
  }
}
