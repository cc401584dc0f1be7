/**
 * ioctl(2) requests about the disk under a file: where its blocks are (filefrag(8)),
 * and which blocks of its file system are free (fstrim(8)).
 * Source: Documentation/filesystems/fiemap.rst, fs/ioctl.c.
 */
import { EBADR, EFBIG, EINVAL, ENOTTY, EPERM, failed } from "../abi/errno.ts";
import {
  FIBMAP,
  FIEMAP_EXTENT_LAST,
  FIEMAP_EXTENT_UNKNOWN,
  FIEMAP_FLAG_SYNC,
  FIGETBSZ,
  FITRIM,
  Fiemap,
  FiemapExtent,
  FS_IOC_FIEMAP,
  FstrimRange,
} from "../abi/fiemap.ts";
import { S_IFREG } from "../abi/stat.ts";
import { CAP_SYS_ADMIN, CAP_SYS_RAWIO } from "../kern/cred.ts";
import type { Thread } from "../kern/thread.ts";
import { MAX_OBJECT_BYTES } from "../vm/object.ts";
import type { UserMemory } from "../vm/usermem.ts";
import { TrimWork } from "./trimwork.ts";
import type { Vnode } from "./vnode.ts";

/** More than this are not counted in one call: a damaged map may seem endless. */
const EXTENTS_MAX = 1 << 20;

/** Bytes of a file in one piece of the disk; all in bytes. */
export interface FileExtent {
  readonly offset: number;
  readonly length: number;
  readonly physical: number;
  /** FIEMAP_EXTENT_*. */
  readonly flags: number;
}

/** 0; ENOTTY if `request` is not one of these. */
export function mapIoctl(
  td: Thread,
  vp: Vnode,
  request: number,
  arg: number,
  mem: UserMemory,
): number {
  if (request === FS_IOC_FIEMAP) return fiemap(vp, arg, mem);
  if (request === FIGETBSZ) {
    const a = vp.getattr();
    return failed(a) ? a : mem.storeU32(arg, a.blksize);
  }
  if (request === FITRIM) return td.cred.hasCap(CAP_SYS_ADMIN) ? trim(td, vp, arg, mem) : EPERM;
  if (request !== FIBMAP || vp.type !== S_IFREG) return ENOTTY;
  return td.cred.hasCap(CAP_SYS_RAWIO) ? fibmap(vp, arg, mem) : EPERM;
}

function fiemap(vp: Vnode, arg: number, mem: UserMemory): number {
  const head = new Uint8Array(Fiemap.sizeof);
  const view = new DataView(head.buffer);
  let r = mem.copyin(arg, head);
  if (failed(r)) return r;
  const start = Fiemap.fm_start.get(view, 0);
  const length = Fiemap.fm_length.get(view, 0);
  const flags = Fiemap.fm_flags.get(view, 0);
  const room = Fiemap.fm_extent_count.get(view, 0);
  if (length === 0) return EINVAL;
  if (start >= MAX_OBJECT_BYTES) return EFBIG;
  if ((flags & ~FIEMAP_FLAG_SYNC) !== 0) {
    Fiemap.fm_flags.set(view, 0, flags & ~FIEMAP_FLAG_SYNC);
    r = mem.copyout(arg, head);
    return failed(r) ? r : EBADR;
  }
  if ((flags & FIEMAP_FLAG_SYNC) !== 0) {
    r = vp.fsync(true);
    if (failed(r)) return r;
  }
  const end = start + length;
  let count = 0;
  let next = vp.extentAt(start);
  while (next && !failed(next) && next.offset < end && count < EXTENTS_MAX) {
    if (room > 0 && count === room) break;
    const e = next;
    next = vp.extentAt(e.offset + e.length);
    if (room > 0) {
      const isLast = next === null;
      r = storeExtent(mem, arg + Fiemap.sizeof + count * FiemapExtent.sizeof, e, isLast);
      if (failed(r)) return r;
    }
    count++;
  }
  if (next !== null && failed(next)) return next;
  Fiemap.fm_mapped_extents.set(view, 0, count);
  return mem.copyout(arg, head);
}

function storeExtent(mem: UserMemory, to: number, e: FileExtent, isLast: boolean): number {
  const raw = new Uint8Array(FiemapExtent.sizeof);
  const view = new DataView(raw.buffer);
  FiemapExtent.fe_logical.set(view, 0, e.offset);
  FiemapExtent.fe_physical.set(view, 0, e.physical);
  FiemapExtent.fe_length.set(view, 0, e.length);
  FiemapExtent.fe_flags.set(view, 0, e.flags | (isLast ? FIEMAP_EXTENT_LAST : 0));
  return mem.copyout(to, raw);
}

/** The block of the disk that holds a block of the file; 0 if none does. */
function fibmap(vp: Vnode, arg: number, mem: UserMemory): number {
  const block = mem.loadU32(arg);
  if (block < 0) return block;
  const a = vp.getattr();
  if (failed(a)) return a;
  const r = vp.fsync(true);
  if (failed(r)) return r;
  const at = block * a.blksize;
  const e = vp.extentAt(at);
  if (e !== null && failed(e)) return e;
  const isThere = e !== null && e.offset <= at && (e.flags & FIEMAP_EXTENT_UNKNOWN) === 0;
  return mem.storeU32(arg, isThere ? (e.physical + at - e.offset) / a.blksize : 0);
}

function trim(td: Thread, vp: Vnode, arg: number, mem: UserMemory): number {
  const range = new Uint8Array(FstrimRange.sizeof);
  const view = new DataView(range.buffer);
  const r = mem.copyin(arg, range);
  if (failed(r)) return r;
  if (!vp.fs.trim) return ENOTTY;
  const before = td.restart.data;
  const work = before instanceof TrimWork ? before : newTrimWork(view);
  const trimmed = vp.fs.trim(work);
  td.isUninterruptible = !failed(trimmed) && !work.isDone;
  if (td.isUninterruptible) {
    td.restart.data = work;
    return td.sleepUntil(null, "trim", td.cpu.clock.monotonicNs());
  }
  if (failed(trimmed)) return trimmed;
  FstrimRange.len.set(view, 0, work.trimmedBytes);
  return mem.copyout(arg, range);
}

function newTrimWork(range: DataView): TrimWork {
  const start = FstrimRange.start.get(range, 0);
  const end = start + FstrimRange.len.get(range, 0);
  return new TrimWork(start, end, FstrimRange.minlen.get(range, 0));
}
