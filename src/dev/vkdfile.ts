/**
 * /dev/vkdN: a disk as a file of bytes. See vkd(4), and blockdev(8) for the ioctls.
 *
 * Transfers of any offset and length pass through a kernel buffer; programs
 * see the device itself, not the page cache of what is mounted from it.
 */
import { EACCES, EINVAL, ENOSPC, ENXIO, EROFS, type Errno, failed } from "../abi/errno.ts";
import { O_ACCMODE, O_RDONLY, SEEK_CUR, SEEK_END, SEEK_SET } from "../abi/fcntl.ts";
import type { Thread } from "../kern/thread.ts";
import type { Disk } from "../vfs/blockdevice.ts";
import type { DeviceDriver } from "../vfs/device.ts";
import type { Disks } from "../vfs/disks.ts";
import { File } from "../vfs/file.ts";
import type { MountTable } from "../vfs/mounttable.ts";
import type { Uio } from "../vm/uio.ts";
import type { UserMemory } from "../vm/usermem.ts";
import { type BlockDriver, blockIoctl } from "./blockioctl.ts";

const CHUNK = 65536;

/** Opens disks by their numbers; the boot floor registers it for each block major. */
export class VkdDriver implements DeviceDriver, BlockDriver {
  readonly disks: Disks;
  readonly #mounts: MountTable;

  constructor(disks: Disks, mounts: MountTable) {
    this.disks = disks;
    this.#mounts = mounts;
  }

  isInUse(disk: Disk): boolean {
    return disk.openers > 0 || this.#mounts.all.some((m) => m.fs.dev === disk.rdev);
  }

  open(_td: Thread, rdev: number, flags: number): File | Errno {
    const disk = this.disks.disk(rdev);
    if (!disk) return ENXIO;
    if ((flags & O_ACCMODE) !== O_RDONLY && disk.isReadOnly) return EACCES;
    return new VkdFile(this, disk, flags);
  }
}

class VkdFile extends File {
  readonly #driver: VkdDriver;
  readonly #disk: Disk;
  #offset = 0;

  constructor(driver: VkdDriver, disk: Disk, flags: number) {
    super(flags);
    this.#driver = driver;
    this.#disk = disk;
    disk.openers++;
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
    return blockIoctl(this.#driver, this.#disk, this.isWritable, td, request, arg, mem);
  }

  override fsync(_dataOnly: boolean): number {
    return this.#disk.flush();
  }
}
