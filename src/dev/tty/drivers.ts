/**
 * What opening a terminal's device node gives: /dev/hvc0, /dev/console, /dev/tty.
 *
 * Opening a terminal gives a session leader without one its controlling
 * terminal, except through /dev/console and with O_NOCTTY. See tty(4).
 */
import { EBUSY, ENXIO, type Errno } from "../../abi/errno.ts";
import { O_ACCMODE, O_NOCTTY, O_WRONLY } from "../../abi/fcntl.ts";
import { CAP_SYS_ADMIN } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import type { DeviceDriver } from "../../vfs/device.ts";
import type { File } from "../../vfs/file.ts";
import { acquireOnOpen, procOf } from "./jobcontrol.ts";
import { Tty } from "./tty.ts";
import { TtyFile } from "./ttyfile.ts";

/** An open file on `tty`, or EBUSY when it is held exclusively. */
export function openTty(td: Thread, tty: Tty, flags: number, isConsole: boolean): File | Errno {
  if (tty.isExclusive && tty.files.size > 0 && !td.cred.hasCap(CAP_SYS_ADMIN)) return EBUSY;
  const canControl = !isConsole && !(flags & O_NOCTTY) && (flags & O_ACCMODE) !== O_WRONLY;
  if (canControl) acquireOnOpen(td, tty);
  return new TtyFile(tty, flags & ~O_NOCTTY, isConsole);
}

/** One terminal by its own name. */
export class TtyDriver implements DeviceDriver {
  readonly #tty: Tty;

  constructor(tty: Tty) {
    this.#tty = tty;
  }

  open(td: Thread, _rdev: number, flags: number): File | Errno {
    return openTty(td, this.#tty, flags, false);
  }
}

/** /dev/console: the same terminal, always reachable and never controlling. */
export class ConsoleDriver implements DeviceDriver {
  readonly #tty: Tty;

  constructor(tty: Tty) {
    this.#tty = tty;
  }

  open(td: Thread, _rdev: number, flags: number): File | Errno {
    return openTty(td, this.#tty, flags, true);
  }
}

/** /dev/tty: whichever terminal controls the caller. */
export class ControllingTtyDriver implements DeviceDriver {
  open(td: Thread, _rdev: number, flags: number): File | Errno {
    const tty = procOf(td)?.tty;
    return tty instanceof Tty ? openTty(td, tty, flags, false) : ENXIO;
  }
}
