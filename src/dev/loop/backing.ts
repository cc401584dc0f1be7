/**
 * What a loop device stands on: an open file, as bytes that are read and
 * written without a page of memory being needed for them.
 *
 * That is what makes file systems on top of files possible at all: they are
 * written to when memory is short. What programs have of the file in the page
 * cache is what is read and written, so both always see the same. Another
 * block device will do as well.
 */
import { EBADF, EINVAL, EIO, EOPNOTSUPP, type Errno, failed } from "../../abi/errno.ts";
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE } from "../../abi/fcntl.ts";
import { S_IFBLK, S_IFMT, S_IFREG } from "../../abi/stat.ts";
import type { Attr } from "../../vfs/attr.ts";
import type { Disk } from "../../vfs/blockdevice.ts";
import type { Disks } from "../../vfs/disks.ts";
import type { File } from "../../vfs/file.ts";

const ZERO_CHUNK = 1 << 18;

export class Backing {
  readonly file: File;
  /** Of the file, when it became one. */
  readonly attr: Attr;
  /** The block device that the file is; null if it is none. */
  readonly disk: Disk | null;

  private constructor(file: File, attr: Attr, disk: Disk | null) {
    this.file = file.hold();
    this.attr = attr;
    this.disk = disk;
  }

  /** Holds `file` until `release`. EINVAL if nothing can stand on it, EBADF if it cannot be read. */
  static on(file: File, disks: Disks): Backing | Errno {
    if (!file.isReadable) return EBADF;
    const attr = file.stat();
    if (failed(attr)) return attr;
    const type = attr.mode & S_IFMT;
    const disk = type === S_IFBLK ? disks.disk(attr.rdev) : null;
    if (type !== S_IFREG && !disk) return EINVAL;
    return failed(file.object()) ? EINVAL : new Backing(file, attr, disk);
  }

  get sizeBytes(): number {
    const object = this.file.object();
    return failed(object) ? 0 : object.sizeBytes;
  }

  get isWritable(): boolean {
    return this.file.isWritable && !this.disk?.isReadOnly;
  }

  read(offset: number, into: Uint8Array): number {
    const object = this.file.object();
    return failed(object) ? object : object.readBytes(offset, into);
  }

  /** The file does not grow: it may have been cut off meanwhile. */
  write(offset: number, from: Uint8Array): number {
    const object = this.file.object();
    if (failed(object)) return object;
    if (offset + from.length > object.sizeBytes) return EIO;
    return object.writeBytes(offset, from);
  }

  flush(): number {
    return this.file.fsync(true);
  }

  discard(offset: number, length: number): number {
    if (this.disk) return this.disk.discard(offset, length);
    const vp = this.file.path?.entry.vnode;
    if (!vp) return EOPNOTSUPP;
    return vp.allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
  }

  writeZeroes(offset: number, length: number): number {
    if (!this.disk && !failed(this.discard(offset, length))) return 0;
    const zeroes = new Uint8Array(Math.min(ZERO_CHUNK, length));
    for (let done = 0; done < length; done += ZERO_CHUNK) {
      const r = this.write(offset + done, zeroes.subarray(0, length - done));
      if (failed(r)) return r;
    }
    return 0;
  }

  release(): void {
    this.file.release();
  }
}
