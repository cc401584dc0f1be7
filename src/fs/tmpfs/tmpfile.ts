/**
 * Regular files of tmpfs, memfds among them: an object of zero-filled pages.
 */
import {
  EBUSY,
  EFBIG,
  EINVAL,
  ENOSPC,
  ENXIO,
  EOPNOTSUPP,
  EPERM,
  type Errno,
  failed,
} from "../../abi/errno.ts";
import {
  F_SEAL_EXEC,
  F_SEAL_FUTURE_WRITE,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
} from "../../abi/fcntl.ts";
import { CAP_FSETID } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Paddr } from "../../machine/physmem.ts";
import { withoutSetId } from "../../vfs/access.ts";
import type { AttrChange } from "../../vfs/attr.ts";
import { writeObject, zeroObject } from "../../vfs/pagecache.ts";
import { AnonObject, type VmObject } from "../../vm/object.ts";
import type { Uio } from "../../vm/uio.ts";
import type { Tmpfs } from "./tmpfs.ts";
import { TmpNode } from "./tmpnode.ts";

const PAGE = 4096;
const DATA_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
const ALL_SEALS = DATA_SEALS | F_SEAL_SEAL | F_SEAL_EXEC;
const ANY_EXEC = 0o111;

/** Pages that count against their file system. */
class TmpObject extends AnonObject {
  readonly #fs: Tmpfs;

  constructor(fs: Tmpfs) {
    super(fs.frames, 0);
    this.#fs = fs;
  }

  override grabPage(pindex: number): Paddr | Errno {
    const present = this.pages.get(pindex);
    if (present !== 0) return present;
    if (!this.#fs.charge(1)) return ENOSPC;
    const pa = super.grabPage(pindex);
    if (failed(pa)) this.#fs.usedPages--;
    return pa;
  }

  protected override dropPage(pindex: number): void {
    if (this.pages.get(pindex) !== 0) this.#fs.usedPages--;
    super.dropPage(pindex);
  }
}

export class TmpFile extends TmpNode {
  readonly #object: TmpObject;
  /** F_SEAL_*; a file that may not be sealed has F_SEAL_SEAL from the start. */
  #seals = F_SEAL_SEAL;
  readonly #isMemfd: boolean;

  constructor(fs: Tmpfs, mode: number, uid: number, gid: number, isMemfd = false) {
    super(fs, mode, uid, gid);
    this.#object = new TmpObject(fs);
    this.#isMemfd = isMemfd;
  }

  /** memfd_create(2) with MFD_ALLOW_SEALING, or MFD_NOEXEC_SEAL, which seals how it may be run. */
  allowSealing(isNoexec: boolean): void {
    this.#seals = isNoexec ? F_SEAL_EXEC : 0;
  }

  override setattr(change: AttrChange): number {
    const turned = change.mode === undefined ? 0 : (change.mode ^ this.mode) & ANY_EXEC;
    if (turned !== 0 && (this.#seals & F_SEAL_EXEC) !== 0) return EPERM;
    return super.setattr(change);
  }

  override get sizeBytes(): number {
    return this.#object.sizeBytes;
  }

  override get blocks(): number {
    return this.#object.residentPages * 8;
  }

  override object(): VmObject {
    return this.#object;
  }

  override write(td: Thread, uio: Uio, offset: number): number {
    if ((this.#seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) return EPERM;
    const size = this.sizeBytes;
    if (offset + uio.resid > size && (this.#seals & F_SEAL_GROW) !== 0) {
      if (offset >= size) return EPERM;
      uio.resid = size - offset;
    }
    const r = writeObject(this.#object, uio, offset);
    if (r > 0) {
      if ((this.mode & 0o6000) !== 0 && !td.cred.hasCapOver(this, CAP_FSETID)) {
        this.mode = withoutSetId(this.mode);
      }
      this.dropCapabilities();
      this.mtime = this.ctime = this.fs.clock.realtime();
    }
    return r;
  }

  protected override resize(sizeBytes: number): number {
    if (sizeBytes < this.sizeBytes && (this.#seals & F_SEAL_SHRINK) !== 0) return EPERM;
    if (sizeBytes > this.sizeBytes && (this.#seals & F_SEAL_GROW) !== 0) return EPERM;
    this.#object.truncate(sizeBytes);
    return 0;
  }

  override seekData(offset: number, isHole: boolean, sizeBytes: number): number {
    const first = Math.floor(offset / PAGE);
    const end = Math.ceil(sizeBytes / PAGE);
    if (!isHole) {
      for (const pindex of this.#object.resident(first, end)) {
        return Math.max(offset, pindex * PAGE);
      }
      return ENXIO;
    }
    let at = first;
    for (const pindex of this.#object.resident(first, end)) {
      if (pindex !== at) break;
      at++;
    }
    return Math.min(sizeBytes, Math.max(offset, at * PAGE));
  }

  override allocate(mode: number, offset: number, length: number): number {
    const end = offset + length;
    const seals = this.#seals;
    if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)) !== 0) return EOPNOTSUPP;
    this.dropCapabilities();
    if ((mode & FALLOC_FL_PUNCH_HOLE) !== 0) {
      if ((seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) return EPERM;
      this.#punch(offset, end);
    } else {
      const keepsSize = (mode & FALLOC_FL_KEEP_SIZE) !== 0;
      if (!keepsSize && end > this.sizeBytes && (seals & F_SEAL_GROW) !== 0) return EPERM;
      const r = this.#reserve(Math.floor(offset / PAGE), Math.ceil(end / PAGE));
      if (r < 0) return r;
      if (!keepsSize && end > this.sizeBytes) this.#object.truncate(end);
    }
    this.mtime = this.ctime = this.fs.clock.realtime();
    return 0;
  }

  #punch(offset: number, end: number): void {
    const first = Math.ceil(offset / PAGE);
    const last = Math.floor(end / PAGE);
    if (first > last) {
      zeroObject(this.#object, offset, end);
      return;
    }
    zeroObject(this.#object, offset, Math.min(end, first * PAGE));
    if (last >= first) zeroObject(this.#object, last * PAGE, end);
    if (last > first) this.#object.discard(first, last);
  }

  /** Makes the pages [first, end) exist, all or none. */
  #reserve(first: number, end: number): number {
    const { fs } = this;
    if (
      fs.pageLimit > 0 &&
      end - first - this.#object.residentPages > fs.pageLimit - fs.usedPages
    ) {
      return ENOSPC;
    }
    if (end - first > fs.frames.totalPages) return end > 2 ** 32 ? EFBIG : ENOSPC;
    const made: number[] = [];
    for (let pindex = first; pindex < end; pindex++) {
      if (this.#object.lookup(pindex) !== 0) continue;
      const pa = this.#object.getPage(pindex, true);
      if (failed(pa)) {
        for (const p of made) this.#object.discard(p, p + 1);
        return pa;
      }
      made.push(pindex);
    }
    return 0;
  }

  override seals(add: number): number {
    if (!this.#isMemfd) return EINVAL;
    if (add === 0) return this.#seals;
    if ((add & ~ALL_SEALS) !== 0) return EINVAL;
    if ((this.#seals & F_SEAL_SEAL) !== 0) return EPERM;
    // What may be run is not to be changed then.
    const isRunnable = (add & F_SEAL_EXEC) !== 0 && (this.mode & ANY_EXEC) !== 0;
    const seals = isRunnable ? add | DATA_SEALS : add;
    if ((seals & F_SEAL_WRITE) !== 0) {
      for (const m of this.#object.mappings) if (m.isSharedWritable) return EBUSY;
    }
    this.#seals |= seals;
    return this.#seals;
  }

  protected override freeData(): void {
    this.#object.release();
  }
}
