/**
 * /dev/vkdN: a disk as a file of bytes. See vkd(4), and blockdev(8) for the ioctls.
 *
 * Transfers of any offset and length pass through a kernel buffer; programs
 * see the device itself, not the page cache of what is mounted from it.
 */
import { EACCES, EINVAL, ENOSPC, ENOTTY, ENXIO, EROFS, type Errno, failed } from "../abi/errno.ts";
import { O_ACCMODE, O_RDONLY, SEEK_CUR, SEEK_END, SEEK_SET } from "../abi/fcntl.ts";
import { CAP_SYS_ADMIN } from "../kern/cred.ts";
import type { Thread } from "../kern/thread.ts";
import type { DeviceDriver } from "../vfs/device.ts";
import { File } from "../vfs/file.ts";
import type { Uio } from "../vm/uio.ts";
import type { UserMemory } from "../vm/usermem.ts";
import type { Disks, Vkd } from "./vkd.ts";

const BLKROGET = 0x125e;
const BLKGETSIZE = 0x1260;
const BLKFLSBUF = 0x1261;
const BLKRAGET = 0x1263;
const BLKSSZGET = 0x1268;
const BLKIOMIN = 0x1278;
const BLKIOOPT = 0x1279;
const BLKALIGNOFF = 0x127a;
const BLKPBSZGET = 0x127b;
const BLKROTATIONAL = 0x127e;
const BLKBSZGET = 0x80081270;
const BLKGETSIZE64 = 0x80081272;

const SECTOR = 512;
const CHUNK = 65536;

/** Opens disks by their numbers; the boot floor registers it for the block major. */
export class VkdDriver implements DeviceDriver {
  readonly #disks: Disks;

  constructor(disks: Disks) {
    this.#disks = disks;
  }

  open(_td: Thread, rdev: number, flags: number): File | Errno {
    const disk = this.#disks.disk(rdev);
    if (!disk) return ENXIO;
    if ((flags & O_ACCMODE) !== O_RDONLY && disk.isReadOnly) return EACCES;
    return new VkdFile(disk, flags);
  }
}

class VkdFile extends File {
  readonly #disk: Vkd;
  #offset = 0;

  constructor(disk: Vkd, flags: number) {
    super(flags);
    this.#disk = disk;
  }

  describe(): string {
    return `/dev/${this.#disk.name}`;
  }

  override read(td: Thread, uio: Uio): number {
    const n = this.pread(td, uio, this.#offset);
    if (n > 0) this.#offset += n;
    return n;
  }

  override write(td: Thread, uio: Uio): number {
    const n = this.pwrite(td, uio, this.#offset);
    if (n > 0) this.#offset += n;
    return n;
  }

  override pread(_td: Thread, uio: Uio, offset: number): number {
    if (offset < 0) return EINVAL;
    const wanted = Math.min(uio.resid, Math.max(0, this.#disk.sizeBytes - offset));
    const buffer = new Uint8Array(Math.min(CHUNK, wanted));
    let done = 0;
    while (done < wanted) {
      const part = buffer.subarray(0, Math.min(CHUNK, wanted - done));
      let r = this.#disk.read(offset + done, part);
      if (!failed(r)) r = uio.copyout(part);
      if (failed(r)) return done > 0 ? done : r;
      done += r;
      if (r < part.length) break;
    }
    return done;
  }

  override pwrite(_td: Thread, uio: Uio, offset: number): number {
    if (offset < 0) return EINVAL;
    if (this.#disk.isReadOnly) return EROFS;
    const wanted = Math.min(uio.resid, Math.max(0, this.#disk.sizeBytes - offset));
    if (wanted === 0) return uio.resid === 0 ? 0 : ENOSPC;
    const buffer = new Uint8Array(Math.min(CHUNK, wanted));
    let done = 0;
    while (done < wanted) {
      const got = uio.copyin(buffer.subarray(0, Math.min(CHUNK, wanted - done)));
      const r = failed(got) ? got : this.#disk.write(offset + done, buffer.subarray(0, got));
      if (failed(r)) return done > 0 ? done : r;
      done += got;
      if (got === 0) break;
    }
    return done;
  }

  override seek(offset: number, whence: number): number {
    let to = offset;
    if (whence === SEEK_CUR) to += this.#offset;
    else if (whence === SEEK_END) to += this.#disk.sizeBytes;
    else if (whence !== SEEK_SET) return EINVAL;
    if (!(to >= 0 && to <= this.#disk.sizeBytes)) return EINVAL;
    this.#offset = to;
    return to;
  }

  override ioctl(td: Thread, request: number, arg: number, mem: UserMemory): number {
    switch (request >>> 0) {
      case BLKGETSIZE64:
        return mem.storeU64(arg, this.#disk.sizeBytes);
      case BLKGETSIZE:
        return mem.storeU64(arg, this.#disk.sizeBytes / SECTOR);
      case BLKROGET:
        return mem.storeU32(arg, this.#disk.isReadOnly ? 1 : 0);
      case BLKSSZGET:
      case BLKPBSZGET:
      case BLKIOMIN:
        return mem.storeU32(arg, SECTOR);
      case BLKIOOPT:
      case BLKALIGNOFF:
        return mem.storeU32(arg, 0);
      case BLKBSZGET:
        return mem.storeU32(arg, 4096);
      case BLKRAGET:
        return mem.storeU64(arg, CHUNK / SECTOR);
      case BLKROTATIONAL:
        return mem.copyout(arg, new Uint8Array(2));
      case BLKFLSBUF:
        return td.cred.hasCap(CAP_SYS_ADMIN) ? this.#disk.flush() : EACCES;
      default:
        return ENOTTY;
    }
  }

  override fsync(_dataOnly: boolean): number {
    return this.#disk.flush();
  }
}
