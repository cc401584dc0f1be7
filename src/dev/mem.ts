/**
 * /dev/null, zero, full: the devices that have nothing behind them. See null(4), full(4).
 */
import { MEM_FULL, MEM_NULL, MEM_ZERO } from "../abi/devices.ts";
import { ENOSPC, ENXIO, type Errno } from "../abi/errno.ts";
import type { Thread } from "../kern/thread.ts";
import { type DeviceDriver, minorOf } from "../vfs/device.ts";
import { File } from "../vfs/file.ts";
import type { Uio } from "../vm/uio.ts";

export class MemDriver implements DeviceDriver {
  open(_td: Thread, rdev: number, flags: number): File | Errno {
    switch (minorOf(rdev)) {
      case MEM_NULL:
        return new NullFile(flags);
      case MEM_ZERO:
        return new ZeroFile(flags);
      case MEM_FULL:
        return new FullFile(flags);
    }
    return ENXIO;
  }
}

/** Takes everything, gives nothing; has no offset. */
class NullFile extends File {
  describe(): string {
    return "/dev/null";
  }

  override read(_td: Thread, _uio: Uio): number {
    return 0;
  }

  override write(_td: Thread, uio: Uio): number {
    const n = uio.resid;
    uio.resid = 0;
    return n;
  }

  override pread(td: Thread, uio: Uio, _offset: number): number {
    return this.read(td, uio);
  }

  override pwrite(td: Thread, uio: Uio, _offset: number): number {
    return this.write(td, uio);
  }

  override seek(_offset: number, _whence: number): number {
    return 0;
  }
}

class ZeroFile extends NullFile {
  override describe(): string {
    return "/dev/zero";
  }

  override read(_td: Thread, uio: Uio): number {
    return uio.zero(uio.resid);
  }
}

class FullFile extends ZeroFile {
  override describe(): string {
    return "/dev/full";
  }

  override write(_td: Thread, _uio: Uio): number {
    return ENOSPC;
  }
}
