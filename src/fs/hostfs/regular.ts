/**
 * Regular files of a share.
 *
 * What is read is kept as pages; what is written goes to the host at once, and
 * into the pages that are there, so errors show where they happen and the host
 * sees every write(2). Only stores through shared maps wait, until msync(2), the
 * last close, or the syncer.
 *
 * Pages are believed as long as the host shows the `version` they came with,
 * and dropped when it shows another: it is looked at when the file is opened, when its
 * attributes are asked for and when a read comes to the end (close-to-open
 * consistency, as NFS has it). After writes of our own nobody can tell whether
 * the host wrote, too: the next open does not believe (`#isTrusted`).
 */
import { EACCES, EINVAL, EIO, ENOSPC, EROFS, type Errno, failed } from "../../abi/errno.ts";
import { O_ACCMODE, O_APPEND, O_RDONLY, O_WRONLY } from "../../abi/fcntl.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Paddr } from "../../machine/physmem.ts";
import {
  SHARE_APPEND,
  SHARE_READ,
  SHARE_READ_WRITE,
  SHARE_WRITE,
  type ShareStat,
} from "../../platform/share.ts";
import { readObject } from "../../vfs/pagecache.ts";
import type { Path } from "../../vfs/path.ts";
import type { ReadAhead } from "../../vfs/readahead.ts";
import type { VnodeFile } from "../../vfs/vnodefile.ts";
import type { VmObject } from "../../vm/object.ts";
import { PagedObject } from "../../vm/pagedobject.ts";
import type { Pager } from "../../vm/pager.ts";
import { PAGE_SIZE } from "../../vm/param.ts";
import type { Uio } from "../../vm/uio.ts";
import type { HandleHolder } from "./handles.ts";
import type { Hostfs } from "./hostfs.ts";
import { HostNode } from "./node.ts";
import { HostFile } from "./openfile.ts";

const NONE = -1;

export class HostRegular extends HostNode implements Pager, HandleHolder {
  #reader = NONE;
  /** Can read, too, if it is the reader as well. */
  #writer = NONE;
  #appender = NONE;
  /** Open files of the guest: while there are any, the handles stay. */
  #opens = 0;
  #object: PagedObject | null = null;
  /** `write` is to write at the end, wherever that is. */
  isAppending = false;
  endOfAppend = 0;
  /** What the pages are worth: see above. */
  #version: string;
  #isTrusted: boolean;
  #hasWritten = false;

  constructor(fs: Hostfs, stat: ShareStat) {
    super(fs, stat);
    this.#version = stat.version;
    this.#isTrusted = stat.isSettled;
  }

  /** It was just made: `handle` reads and writes it. */
  adopt(handle: number): void {
    this.closeHandles();
    this.#reader = this.#writer = handle;
    if (this.#opens === 0) this.fs.handles.used(this);
  }

  override openData(flags: number, path: Path): VnodeFile | Errno {
    const r = this.#open(flags);
    return r < 0 ? (r as Errno) : new HostFile(this, flags, path);
  }

  /** 0, or why the host does not let us. */
  #open(flags: number): number {
    const mode = flags & O_ACCMODE;
    let r = mode === O_WRONLY ? 0 : this.#readerHandle();
    if (r >= 0 && mode !== O_RDONLY) r = this.#writerHandle();
    if (r >= 0 && mode !== O_RDONLY && (flags & O_APPEND) !== 0) r = this.#appenderHandle();
    if (r < 0) return r;
    const stat = this.fs.share.stat(this.openHandle());
    if (typeof stat === "number") return stat;
    if (this.#opens === 0) {
      r = this.fs.handles.pin(this);
      if (r < 0) return r;
    }
    this.#opens++;
    this.changed();
    this.#compare(stat, true);
    return 0;
  }

  /** One open file less. */
  closed(): void {
    if (--this.#opens > 0) return;
    this.fs.handles.unpin();
    if (this.#object) this.#object.sync(0, Number.POSITIVE_INFINITY);
    this.closeHandles();
  }

  override closeHandles(): void {
    const { share, handles } = this.fs;
    handles.gone(this);
    if (this.#reader !== NONE && this.#reader !== this.#writer) share.close(this.#reader);
    if (this.#writer !== NONE) share.close(this.#writer);
    if (this.#appender !== NONE) share.close(this.#appender);
    this.#reader = this.#writer = this.#appender = NONE;
  }

  protected override openHandle(): number {
    if (this.#reader !== NONE) return this.#reader;
    return this.#writer !== NONE ? this.#writer : this.#appender;
  }

  #readerHandle(): number {
    if (this.#reader === NONE) this.#reader = this.#obtain(SHARE_READ);
    const r = this.#reader;
    if (r < 0) this.#reader = NONE;
    return r;
  }

  #writerHandle(): number {
    if (this.#writer === NONE) {
      let r = this.#obtain(SHARE_READ_WRITE);
      if (r >= 0) {
        if (this.#reader !== NONE) this.fs.share.close(this.#reader);
        this.#reader = r;
      } else if (r === EACCES) r = this.#obtain(SHARE_WRITE);
      if (r < 0) return r;
      this.#writer = r;
    }
    return this.#writer;
  }

  #appenderHandle(): number {
    if (this.#appender === NONE) {
      const r = this.#obtain(SHARE_APPEND);
      if (r < 0) return r;
      this.#appender = r;
    }
    return this.#appender;
  }

  #obtain(how: number): number {
    const { share, handles } = this.fs;
    if (share.isReadOnly && how !== SHARE_READ) return EROFS;
    const r = handles.opened(() => this.withHandle((h) => share.open(h, how)));
    if (r >= 0 && this.#opens === 0) handles.used(this);
    return r;
  }

  protected override seen(stat: ShareStat): void {
    super.seen(stat);
    // Not yet while the vnode is being made.
    if (this.#object) this.#compare(stat, false);
  }

  #compare(stat: ShareStat, isOpening: boolean): void {
    const { version } = stat;
    const object = this.#object;
    const isOurs = this.#hasWritten && !isOpening && stat.sizeBytes === object?.sizeBytes;
    if (version === this.#version ? isOpening && !this.#isTrusted : !isOurs) {
      if (object) this.#invalidate(object, stat.sizeBytes);
      this.#isTrusted = stat.isSettled;
    } else if (version !== this.#version) this.#isTrusted = false;
    this.#version = version;
    this.#hasWritten = false;
  }

  /** Drops what may not be what the host has; stores that the host does not have yet stay. */
  #invalidate(object: PagedObject, sizeBytes: number): void {
    if (sizeBytes < object.sizeBytes) object.truncate(sizeBytes);
    else object.sizeBytes = sizeBytes;
    const { queue, mem } = object.frames;
    for (const pindex of [...object.resident(0, Number.POSITIVE_INFINITY)]) {
      const pa = object.lookup(pindex);
      if (pa === 0 || queue.isDirty(pa) || object.evict(pindex, pa)) continue;
      // Somebody will not let go of it: then it is read again where it is.
      this.pageIn(pindex, mem.u8.subarray(pa, pa + PAGE_SIZE));
      object.frames.codeWritten(pa, PAGE_SIZE);
    }
  }

  override object(): VmObject | Errno {
    if (!this.#object) {
      const stat = this.stat();
      if (typeof stat === "number") return stat as Errno;
      this.#object = new PagedObject(this.fs.frames, this, stat.sizeBytes, this.fs.dirty);
      this.#version = stat.version;
      this.#isTrusted = stat.isSettled;
      this.#hasWritten = false;
    }
    return this.#object;
  }

  override read(_td: Thread, uio: Uio, offset: number, ahead: ReadAhead | null): number {
    const object = this.object();
    if (failed(object)) return object;
    if (offset + uio.resid > object.sizeBytes) {
      const stat = this.stat();
      if (typeof stat === "number") return stat;
    }
    return readObject(object, uio, offset, ahead);
  }

  override write(_td: Thread, uio: Uio, offset: number): number {
    if (this.isAppending) return this.#append(uio);
    const handle = this.#writerHandle();
    if (handle < 0) return handle;
    return this.#send(uio, (bytes, done) => {
      const r = this.fs.share.write(handle, offset + done, bytes);
      if (r > 0) this.#store(offset + done, bytes.subarray(0, r));
      return r;
    });
  }

  /** Writes at the end that the host knows, and notes where that ended. */
  #append(uio: Uio): number {
    const handle = this.#appenderHandle();
    if (handle < 0) return handle;
    const { share } = this.fs;
    return this.#send(uio, (bytes) => {
      const before = this.#object?.sizeBytes ?? -1;
      const r = share.append(handle, bytes);
      if (r <= 0) return r;
      const stat = share.stat(handle);
      if (typeof stat === "number") return r;
      this.endOfAppend = stat.sizeBytes;
      // If somebody else appended meanwhile, nobody knows what is where.
      if (stat.sizeBytes === before + r) this.#store(before, bytes.subarray(0, r));
      else this.#compare(stat, true);
      return r;
    });
  }

  /** Hands `uio` to `write` piece by piece, each with how many bytes went before. */
  #send(uio: Uio, write: (bytes: Uint8Array, done: number) => number): number {
    const { buffer } = this.fs;
    let done = 0;
    while (uio.resid > 0) {
      const wanted = Math.min(uio.resid, buffer.length);
      const n = uio.copyin(buffer.subarray(0, wanted));
      if (n <= 0) return done > 0 ? done : n;
      this.#wrote();
      const r = write(buffer.subarray(0, n), done);
      if (r < 0) return done > 0 ? done : r;
      done += r;
      if (r < n || n < wanted) break;
    }
    return done;
  }

  #wrote(): void {
    this.#object?.zeroTail();
    this.changed();
    this.#hasWritten = true;
  }

  /** The pages follow what was written. */
  #store(offset: number, bytes: Uint8Array): void {
    const object = this.#object;
    if (!object) return;
    const end = offset + bytes.length;
    if (end > object.sizeBytes) object.grow(end);
    const { frames } = object;
    for (let at = offset; at < end; ) {
      const inPage = at % PAGE_SIZE;
      const step = Math.min(PAGE_SIZE - inPage, end - at);
      const pa = object.lookup(Math.floor(at / PAGE_SIZE));
      if (pa !== 0) {
        frames.mem.u8.set(bytes.subarray(at - offset, at - offset + step), pa + inPage);
        frames.codeWritten((pa + inPage) as Paddr, step);
      }
      at += step;
    }
  }

  protected override resize(sizeBytes: number): number {
    const handle = this.#writerHandle();
    if (handle < 0) return handle;
    const r = this.fs.share.truncate(handle, sizeBytes);
    if (r < 0) return r;
    this.#wrote();
    const object = this.#object;
    if (object && sizeBytes > object.sizeBytes) object.grow(sizeBytes);
    else object?.truncate(sizeBytes);
    return 0;
  }

  override fsync(dataOnly: boolean): number {
    const { share } = this.fs;
    if (share.isReadOnly) return 0;
    const r = this.#object?.sync(0, Number.POSITIVE_INFINITY) ?? 0;
    if (r < 0) return r;
    const handle = this.openHandle() >= 0 ? this.openHandle() : this.#writerHandle();
    return handle < 0 ? handle : share.fsync(handle, dataOnly);
  }

  pageIn(first: number, into: Uint8Array): number {
    const handle = this.#readerHandle();
    if (handle < 0) return EIO;
    const r = this.fs.share.read(handle, first * PAGE_SIZE, into);
    if (r < 0) return EIO;
    into.fill(0, r);
    return 0;
  }

  pageOut(first: number, from: Uint8Array): number {
    const offset = first * PAGE_SIZE;
    const n = Math.min(from.length, (this.#object?.sizeBytes ?? 0) - offset);
    if (n <= 0) return 0;
    const handle = this.#writerHandle();
    if (handle < 0) return EIO;
    this.#wrote();
    const r = this.fs.share.write(handle, offset, from.subarray(0, n));
    if (r === n) return 0;
    return r >= 0 || r === ENOSPC ? ENOSPC : r === EINVAL ? EIO : r;
  }

  override inactive(): void {
    const object = this.#object;
    if (object) {
      object.sync(0, Number.POSITIVE_INFINITY);
      // Somebody may still have it mapped; then the page cache must stay the only one.
      if (object.refs > 1) return;
      object.release();
    }
    this.#object = null;
    super.inactive();
  }
}
