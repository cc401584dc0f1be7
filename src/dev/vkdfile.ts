/**
 * /dev/vkdN and its like: a disk as a file of bytes. See vkd(4), and blockdev(8) for the ioctls.
 *
 * Bytes pass through the disk's own pages (diskpages.ts), which all openers
 * share; with O_DIRECT they must be whole blocks and stay in no cache.
 */
import { BLKFLSBUF } from "../abi/blockioctl.ts";
import {
  EACCES,
  EAGAIN,
  EINVAL,
  ENOSPC,
  ENXIO,
  EOPNOTSUPP,
  EROFS,
  type Errno,
  failed,
} from "../abi/errno.ts";
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  O_ACCMODE,
  O_DIRECT,
  O_DSYNC,
  O_RDONLY,
  RWF_DSYNC,
  RWF_NOWAIT,
  RWF_SYNC,
  SEEK_CUR,
  SEEK_END,
  SEEK_SET,
} from "../abi/fcntl.ts";
import { CAP_SYS_ADMIN } from "../kern/cred.ts";
import type { Thread } from "../kern/thread.ts";
import { adviseObject } from "../vfs/advice.ts";
import type { Disk, DiskCache } from "../vfs/blockdevice.ts";
import type { DeviceDriver } from "../vfs/device.ts";
import { finishDirectWrite, readDirect, refuseUnaligned } from "../vfs/direct.ts";
import type { Disks } from "../vfs/disks.ts";
import { File } from "../vfs/file.ts";
import type { MountTable } from "../vfs/mounttable.ts";
import { cachedBytes, readObject, writeObject } from "../vfs/pagecache.ts";
import { FADV_SEQUENTIAL, ReadAhead } from "../vfs/readahead.ts";
import type { VmObject } from "../vm/object.ts";
import type { PageAllocator } from "../vm/page.ts";
import type { Uio } from "../vm/uio.ts";
import type { UserMemory } from "../vm/usermem.ts";
import { type BlockDriver, blockIoctl } from "./blockioctl.ts";
import { DiskPages } from "./diskpages.ts";

/** Opens disks by their numbers; the boot floor registers it for each block major. */
export class VkdDriver implements DeviceDriver, BlockDriver {
  readonly disks: Disks;
  readonly #mounts: MountTable;
  readonly #frames: PageAllocator;

  constructor(disks: Disks, mounts: MountTable, frames: PageAllocator) {
    this.disks = disks;
    this.#mounts = mounts;
    this.#frames = frames;
  }

  isInUse(disk: Disk): boolean {
    return disk.openers > 0 || this.#mounts.fileSystems.isMounted(disk.rdev);
  }

  sync(rdev: number): number {
    const disk = this.disks.disk(rdev);
    const whole = disk?.place?.whole.cache?.sync() ?? 0;
    const r = disk?.cache?.sync() ?? 0;
    return failed(r) ? r : whole;
  }

  open(_td: Thread, rdev: number, flags: number): File | Errno {
    const disk = this.disks.disk(rdev);
    if (!disk) return ENXIO;
    if ((flags & O_ACCMODE) !== O_RDONLY && disk.isReadOnly) return EACCES;
    disk.openers++;
    disk.cache ??= new DiskPages(disk, this.#frames);
    return new VkdFile(this, disk, disk.cache, flags);
  }
}

class VkdFile extends File {
  readonly #driver: VkdDriver;
  readonly #disk: Disk;
  readonly #pages: DiskCache;
  readonly #ahead = new ReadAhead();
  #offset = 0;
  #errorsSeen: number;

  /** The disk counts it as an opener. */
  constructor(driver: VkdDriver, disk: Disk, pages: DiskCache, flags: number) {
    super(flags);
    this.#driver = driver;
    this.#disk = disk;
    this.#pages = pages;
    this.#errorsSeen = pages.object().errors!.sample();
  }

  describe(): string {
    return `/dev/${this.#disk.name}`;
  }

  override object(): VmObject {
    return this.#pages.object();
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
    const object = this.object();
    if (offset >= object.sizeBytes) return 0;
    if ((uio.flags & RWF_NOWAIT) !== 0) {
      const n = cachedBytes(object, offset, uio.resid);
      if (n === 0) return EAGAIN;
      uio.resid = n;
    }
    if ((this.flags & O_DIRECT) !== 0) {
      return readDirect(object, uio, offset, this.#disk.blockSize);
    }
    return readObject(object, uio, offset, this.#ahead);
  }

  override pwrite(_td: Thread, uio: Uio, offset: number): number {
    if (offset < 0) return EINVAL;
    if (this.#disk.isReadOnly) return EROFS;
    const object = this.object();
    if (uio.resid === 0) return 0;
    if (offset >= object.sizeBytes) return ENOSPC;
    const isDirect = (this.flags & O_DIRECT) !== 0;
    const refused = isDirect ? refuseUnaligned(uio, offset, this.#disk.blockSize) : 0;
    if (refused < 0) return refused;
    if (!isDirect && (uio.flags & RWF_NOWAIT) !== 0) return EOPNOTSUPP;
    uio.resid = Math.min(uio.resid, object.sizeBytes - offset);
    const n = writeObject(object, uio, offset);
    if (n <= 0) return n;
    const done = isDirect ? finishDirectWrite(object, offset, n) : n;
    const isSync = (this.flags & O_DSYNC) !== 0 || (uio.flags & (RWF_DSYNC | RWF_SYNC)) !== 0;
    if (failed(done) || !isSync) return done;
    const r = this.fsync();
    return failed(r) ? r : n;
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

  /** The disk is asked and changed past its pages, so they are written first. */
  override ioctl(td: Thread, request: number, arg: number, mem: UserMemory): number {
    const isFlush = request >>> 0 === BLKFLSBUF && td.cred.hasCap(CAP_SYS_ADMIN);
    const r = isFlush ? this.#pages.flush() : this.#pages.sync();
    if (isFlush && failed(r)) return r;
    return blockIoctl(this.#driver, this.#disk, this.isWritable, td, request, arg, mem);
  }

  /** Only zeroes can be had. See blkdev_fallocate of Linux's block/fops.c. */
  override allocate(mode: number, offset: number, length: number): number {
    const { sizeBytes, blockSize } = this.#disk;
    if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) === 0) return EOPNOTSUPP;
    const keepsSize = (mode & FALLOC_FL_KEEP_SIZE) !== 0;
    if (offset >= sizeBytes || (offset + length > sizeBytes && !keepsSize)) return EINVAL;
    const end = Math.min(offset + length, sizeBytes);
    if (offset % blockSize !== 0 || end % blockSize !== 0) return EINVAL;
    const r = this.#pages.sync();
    return failed(r) ? r : this.#disk.writeZeroes(offset, end - offset);
  }

  override fsync(): number {
    const r = this.#pages.sync();
    const late = this.lateError();
    if (failed(r) || failed(late)) return failed(r) ? r : late;
    return this.#disk.flush();
  }

  override lateError(): number {
    const errors = this.object().errors!;
    const r = errors.check(this.#errorsSeen);
    this.#errorsSeen = errors.sample();
    return r;
  }

  override advise(advice: number, offset: number, end: number): void {
    if (advice <= FADV_SEQUENTIAL) this.#ahead.advice = advice;
    else adviseObject(this.object(), advice, offset, end);
  }

  override onLastClose(): void {
    const disk = this.#disk;
    if (--disk.openers === 0) {
      this.#pages.close();
      disk.cache = null;
    }
    (disk.place?.whole ?? disk).closed?.();
  }
}
