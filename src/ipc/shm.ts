/**
 * System V shared memory: segments, and where they are attached. See shmget(2), shmop(2), shmctl(2).
 *
 * A segment lives until it was removed *and* is attached nowhere. Every map
 * entry of it counts as an attachment, as in Linux: one that is cut in two by
 * munmap(2) or mprotect(2) counts twice. The pages are an object's, in guest RAM.
 */
import { EACCES, EINVAL, ENOMEM, ENOSPC, type Errno, failed } from "../abi/errno.ts";
import {
  SHM_DEST,
  SHM_EXEC,
  SHM_HUGETLB,
  SHM_LOCKED,
  SHM_NORESERVE,
  SHM_RDONLY,
  SHM_REMAP,
  SHM_RND,
} from "../abi/ipc.ts";
import { MAP_FIXED, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE } from "../abi/mman.ts";
import type { Cpu } from "../kern/cpu.ts";
import type { Cred } from "../kern/cred.ts";
import type { Thread } from "../kern/thread.ts";
import type { UserNamespace } from "../kern/userns.ts";
import type { MapEntry, MappedFile } from "../vm/mapentry.ts";
import { AnonObject, MAX_OBJECT_BYTES } from "../vm/object.ts";
import type { PageAllocator } from "../vm/page.ts";
import { PAGE_SIZE, pageCeil, pageFloor, USER_END } from "../vm/param.ts";
import type { Vmspace } from "../vm/vmspace.ts";
import { IpcIds } from "./ids.ts";
import { IpcObject } from "./ipcobject.ts";

export const SHMMIN = 1;
const SHMMNI = 4096;
/** No limit, as Linux has it: ULONG_MAX - (1 << 24), but for the last bits that a number cannot hold. */
export const SHM_UNLIMITED = 2 ** 64 - 2 ** 24;
/** What a segment takes beside its pages, about. */
const SEGMENT_BYTES = 512;
const READ_BITS = 0o444;
const WRITE_BITS = 0o222;
const EXEC_BITS = 0o111;

export class ShmTable {
  readonly ids: IpcIds<ShmSegment>;
  readonly cpu: Cpu;
  readonly userns: UserNamespace;
  readonly pages: PageAllocator;
  /** Limits: bytes of one segment, pages of all. */
  maxBytes = SHM_UNLIMITED;
  maxPages = SHM_UNLIMITED;
  /** kernel.shm_rmid_forced: a segment goes with its last attachment, or with who made it if there is none. */
  isRemovalForced = false;
  /** Pages of all segments, present or not. */
  totalPages = 0;

  constructor(cpu: Cpu, pages: PageAllocator, userns: UserNamespace) {
    this.cpu = cpu;
    this.pages = pages;
    this.userns = userns;
    this.ids = new IpcIds(SHMMNI);
  }

  get nowSec(): number {
    return this.cpu.clock.realtime().sec;
  }

  get callerPid(): number {
    return this.cpu.current?.pid ?? 0;
  }

  /** shmget(2): an identifier. */
  get(key: number, sizeBytes: number, flags: number, cred: Cred): number {
    return this.ids.open(
      key,
      flags,
      cred,
      (s) => (s.sizeBytes < sizeBytes ? EINVAL : 0),
      () => this.#make(key, sizeBytes, flags, cred),
    );
  }

  #make(key: number, sizeBytes: number, flags: number, cred: Cred): ShmSegment | Errno {
    if (sizeBytes < SHMMIN || sizeBytes > this.maxBytes || sizeBytes > MAX_OBJECT_BYTES)
      return EINVAL;
    const bytes = pageCeil(sizeBytes);
    if (this.totalPages + bytes / PAGE_SIZE > this.maxPages) return ENOSPC;
    // As a Linux without huge pages.
    if ((flags & SHM_HUGETLB) !== 0) return EINVAL;
    // More than guest RAM can never be had: Linux's overcommit heuristic.
    const isReserved = (flags & SHM_NORESERVE) === 0;
    if (isReserved && bytes > this.pages.totalPages * PAGE_SIZE) return ENOMEM;
    const full = this.ids.mayAdd();
    if (failed(full)) return full;
    if (!this.pages.kmem.take(SEGMENT_BYTES)) return ENOMEM;
    this.totalPages += bytes / PAGE_SIZE;
    return new ShmSegment(this, key, sizeBytes, flags, cred);
  }

  /** IPC_RMID: at once, or with the last attachment. */
  remove(s: ShmSegment): void {
    if (s.attachCount > 0) {
      s.mode |= SHM_DEST;
      this.ids.dropKey(s);
    } else this.destroy(s);
  }

  /** Nobody is attached any more, or the maker ends: if segments must not outlive that, it goes. */
  mayGo(s: ShmSegment): void {
    const mustGo = this.isRemovalForced || (s.mode & SHM_DEST) !== 0;
    if (s.attachCount === 0 && mustGo) this.destroy(s);
  }

  /** Removal is forced from now on: those whose makers have ended go at once. */
  forceRemoval(): void {
    this.isRemovalForced = true;
    for (const s of [...this.ids.all()]) if (!s.maker || s.maker.state === "dead") this.mayGo(s);
  }

  makerEnds(td: Thread): void {
    if (!this.isRemovalForced) return;
    for (const s of [...this.ids.all()]) if (s.maker === td) this.mayGo(s);
  }

  /** Its name space ends: what is attached stays so. */
  removeAll(): void {
    for (const s of [...this.ids.all()]) this.remove(s);
  }

  destroy(s: ShmSegment): void {
    this.ids.remove(s);
    this.totalPages -= pageCeil(s.sizeBytes) / PAGE_SIZE;
    this.pages.kmem.give(SEGMENT_BYTES);
    s.object.release();
  }
}

export class ShmSegment extends IpcObject {
  readonly table: ShmTable;
  readonly sizeBytes: number;
  readonly object: AnonObject;
  attachCount = 0;
  atimeSec = 0;
  dtimeSec = 0;
  readonly cpid: number;
  /** The thread that made it; null: the kernel. */
  readonly maker: Thread | null;
  lpid = 0;

  constructor(table: ShmTable, key: number, sizeBytes: number, flags: number, cred: Cred) {
    super(key, flags, cred, table.nowSec, table.userns);
    this.table = table;
    this.sizeBytes = sizeBytes;
    this.object = new AnonObject(table.pages, pageCeil(sizeBytes));
    this.cpid = table.callerPid;
    this.maker = table.cpu.current;
  }

  get isLocked(): boolean {
    return (this.mode & SHM_LOCKED) !== 0;
  }
}

/** What one shmat(2) mapped; its map entries hold it, and each of them is an attachment. */
export class ShmAttachment implements MappedFile {
  readonly segment: ShmSegment;

  constructor(segment: ShmSegment) {
    this.segment = segment;
  }

  hold(): void {
    const { segment: s } = this;
    s.attachCount++;
    s.atimeSec = s.table.nowSec;
    s.lpid = s.table.callerPid;
  }

  release(): void {
    const { segment: s } = this;
    s.attachCount--;
    s.dtimeSec = s.table.nowSec;
    s.lpid = s.table.callerPid;
    s.table.mayGo(s);
  }

  fsync(): number {
    return 0;
  }
}

/** shmat(2): where it was attached. EINVAL, EACCES, ENOMEM. */
export function attach(
  vs: Vmspace,
  table: ShmTable,
  cred: Cred,
  id: number,
  at: number,
  flags: number,
): number {
  const isRemap = (flags & SHM_REMAP) !== 0;
  let addr = at;
  if (at !== 0) {
    if (at % PAGE_SIZE !== 0) {
      if ((flags & SHM_RND) === 0) return EINVAL;
      addr = pageFloor(at);
      if (addr === 0 && isRemap) return EINVAL;
    }
  } else if (isRemap) return EINVAL;
  let prot = PROT_READ;
  let wanted = READ_BITS;
  if ((flags & SHM_RDONLY) === 0) {
    prot |= PROT_WRITE;
    wanted |= WRITE_BITS;
  }
  if ((flags & SHM_EXEC) !== 0) {
    prot |= PROT_EXEC;
    wanted |= EXEC_BITS;
  }
  const segment = table.ids.get(id);
  if (failed(segment)) return segment;
  if (!segment.permits(cred, wanted)) return EACCES;
  const length = pageCeil(segment.sizeBytes);
  if (addr !== 0 && !isRemap) {
    if (!(addr <= USER_END) || !vs.entries.isFree(addr, addr + length)) {
      return addr <= USER_END ? EINVAL : ENOMEM;
    }
  }
  return vs.mmap({
    addr,
    length,
    prot,
    flags: MAP_SHARED | (at === 0 ? 0 : MAP_FIXED),
    object: segment.object,
    file: new ShmAttachment(segment),
    maxProt: PROT_READ | PROT_EXEC | (prot & PROT_WRITE),
  });
}

/** shmdt(2): unmaps what is left of the attachment that was made at `addr`. 0 or EINVAL. */
export function detach(vs: Vmspace, addr: number): number {
  if (addr % PAGE_SIZE !== 0 || !(addr < USER_END)) return EINVAL;
  let found: MappedFile | null = null;
  let end = USER_END;
  for (let i = vs.entries.indexAfter(addr); ; ) {
    const e = vs.entries.at(i);
    if (!e || e.start >= end) break;
    if (!isAttachedAt(e, addr) || (found !== null && e.file !== found)) {
      i++;
      continue;
    }
    if (e.file instanceof ShmAttachment && found === null) {
      found = e.file;
      end = addr + pageCeil(e.file.segment.sizeBytes);
    }
    const r = vs.unmapRange(e.start, e.end);
    if (failed(r)) return r;
  }
  return found === null ? EINVAL : 0;
}

/** The part of an attachment that lies where it would if `addr` were its beginning. */
function isAttachedAt(e: MapEntry, addr: number): boolean {
  return e.file instanceof ShmAttachment && e.start - addr === e.offset;
}
