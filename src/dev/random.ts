/**
 * /dev/random and /dev/urandom: the host's entropy, never short of it. See random(4).
 */
import { EFAULT, EINVAL, EPERM, type Errno, failed } from "../abi/errno.ts";
import { CAP_SYS_ADMIN } from "../kern/cred.ts";
import type { Thread } from "../kern/thread.ts";
import type { Entropy } from "../platform/host.ts";
import type { DeviceDriver } from "../vfs/device.ts";
import { File } from "../vfs/file.ts";
import type { Uio } from "../vm/uio.ts";
import type { UserMemory } from "../vm/usermem.ts";

const RNDGETENTCNT = 0x8004_5200;
const RNDADDTOENTCNT = 0x4004_5201;
const RNDADDENTROPY = 0x4008_5203;
const RNDZAPENTCNT = 0x5204;
const RNDCLEARPOOL = 0x5206;
const RNDRESEEDCRNG = 0x5207;
/** Bits that a full pool has. */
const POOL_BITS = 256;
const CHUNK_BYTES = 4096;
/** Most that one read gives, as in Linux before 5.18: entropy is slow, and a call is not interrupted. */
const READ_MAX = 2 ** 25 - 1;

export class RandomDriver implements DeviceDriver {
  readonly #entropy: Entropy;

  constructor(entropy: Entropy) {
    this.#entropy = entropy;
  }

  open(_td: Thread, _rdev: number, flags: number): File | Errno {
    return new RandomFile(flags, this.#entropy);
  }
}

class RandomFile extends File {
  readonly #entropy: Entropy;

  constructor(flags: number, entropy: Entropy) {
    super(flags);
    this.#entropy = entropy;
  }

  describe(): string {
    return "/dev/random";
  }

  override read(_td: Thread, uio: Uio): number {
    const chunk = new Uint8Array(Math.min(uio.resid, CHUNK_BYTES));
    let done = 0;
    while (uio.resid > 0 && done < READ_MAX) {
      const part = chunk.subarray(0, Math.min(uio.resid, CHUNK_BYTES, READ_MAX - done));
      this.#entropy.fill(part);
      const n = uio.copyout(part);
      if (n <= 0) return done > 0 ? done : n;
      done += n;
      if (n < part.length) break;
    }
    return done;
  }

  /** Contributions are welcome and not needed: they are read, so that a bad address shows. */
  override write(_td: Thread, uio: Uio): number {
    const chunk = new Uint8Array(Math.min(uio.resid, CHUNK_BYTES));
    let done = 0;
    while (uio.resid > 0) {
      const n = uio.copyin(chunk.subarray(0, Math.min(uio.resid, CHUNK_BYTES)));
      if (n <= 0) return done > 0 ? done : n;
      done += n;
    }
    return done;
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

  override ioctl(td: Thread, request: number, arg: number, mem: UserMemory): number {
    switch (request >>> 0) {
      case RNDGETENTCNT:
        return failed(mem.storeU32(arg, POOL_BITS)) ? EFAULT : 0;
      case RNDADDTOENTCNT:
      case RNDADDENTROPY:
      case RNDZAPENTCNT:
      case RNDCLEARPOOL:
      case RNDRESEEDCRNG:
        return td.cred.hasCap(CAP_SYS_ADMIN) ? 0 : EPERM;
    }
    return EINVAL;
  }
}
