/**
 * ioctl(2) on block special files, the same for every kind of disk.
 *
 * Who may do what, and the order of checks, as in Linux's block/ioctl.c: a
 * change of contents needs a descriptor open for writing, a change of the
 * device CAP_SYS_ADMIN. See blockdev(8), blkdiscard(8), partx(8).
 */
import {
  BLKALIGNOFF,
  BLKBSZGET,
  BLKBSZSET,
  BLKDISCARD,
  BLKDISCARDZEROES,
  BLKFLSBUF,
  BLKFRAGET,
  BLKFRASET,
  BLKGETSIZE,
  BLKGETSIZE64,
  BLKIOMIN,
  BLKIOOPT,
  BLKPBSZGET,
  BLKPG,
  BLKPG_ADD_PARTITION,
  BLKPG_DEL_PARTITION,
  BLKPG_RESIZE_PARTITION,
  BLKRAGET,
  BLKRASET,
  BLKROGET,
  BLKROSET,
  BLKROTATIONAL,
  BLKRRPART,
  BLKSECDISCARD,
  BLKSECTGET,
  BLKSSZGET,
  BLKZEROOUT,
  BlkpgArg,
  BlkpgPartition,
  HDIO_GETGEO,
  HdGeometry,
} from "../abi/blockioctl.ts";
import {
  EACCES,
  EBADF,
  EBUSY,
  EFAULT,
  EINVAL,
  ENOTTY,
  EOPNOTSUPP,
  EPERM,
  failed,
} from "../abi/errno.ts";
import { CAP_SYS_ADMIN } from "../kern/cred.ts";
import type { Thread } from "../kern/thread.ts";
import { type Disk, physicalBlockSize } from "../vfs/blockdevice.ts";
import type { Disks } from "../vfs/disks.ts";
import type { UserMemory } from "../vm/usermem.ts";
import type { PartitionExtent } from "./partition/extent.ts";
import {
  addPartition,
  overlapsAnother,
  removePartition,
  rescanPartitions,
  resizePartition,
} from "./partition/scan.ts";

const SECTOR = 512;
const PAGE = 4096;
const MAX_SECTORS = 2048;
/** The geometry that Linux's virtio disks make up. */
const HEADS = 64;
const SECTORS_PER_TRACK = 32;

/** What the requests need to know beyond their disk. */
export interface BlockDriver {
  readonly disks: Disks;
  /** True if it is mounted, or open beyond the descriptor that asks. */
  isInUse(disk: Disk): boolean;
}

export function blockIoctl(
  driver: BlockDriver,
  disk: Disk,
  isWritable: boolean,
  td: Thread,
  request: number,
  arg: number,
  mem: UserMemory,
): number {
  const isAdmin = td.cred.hasCap(CAP_SYS_ADMIN);
  switch (request >>> 0) {
    case BLKGETSIZE64:
      return mem.storeU64(arg, disk.sizeBytes);
    case BLKGETSIZE:
      return mem.storeU64(arg, disk.sizeBytes / SECTOR);
    case BLKROGET:
      return mem.storeU32(arg, disk.isReadOnly ? 1 : 0);
    case BLKROSET:
      return isAdmin ? setReadOnly(driver, disk, arg, mem) : EACCES;
    case BLKSSZGET:
      return mem.storeU32(arg, disk.blockSize);
    case BLKPBSZGET:
    case BLKIOMIN:
      return mem.storeU32(arg, physicalBlockSize(disk));
    case BLKIOOPT:
    case BLKALIGNOFF:
    case BLKDISCARDZEROES:
      return mem.storeU32(arg, 0);
    case BLKBSZGET:
      return mem.storeU32(arg, PAGE);
    case BLKBSZSET:
      return isAdmin ? setBlockSize(disk, arg, mem) : EACCES;
    case BLKRAGET:
    case BLKFRAGET:
      return mem.storeU64(arg, disk.readAheadSectors);
    case BLKRASET:
    case BLKFRASET:
      if (!isAdmin) return EACCES;
      disk.readAheadSectors = Math.min(arg, 0x7fffffff);
      return 0;
    case BLKSECTGET:
      return storeU16(mem, arg, MAX_SECTORS);
    case BLKROTATIONAL:
      return storeU16(mem, arg, 0);
    case BLKFLSBUF:
      return isAdmin ? disk.flush() : EACCES;
    case BLKRRPART:
      if (!isAdmin) return EACCES;
      if (disk.place) return EINVAL;
      return rescanPartitions(driver.disks, disk, (d) => driver.isInUse(d));
    case BLKPG:
      return isAdmin ? changePartition(driver, disk, arg, mem) : EACCES;
    case BLKDISCARD:
    case BLKZEROOUT:
      return clear(disk, isWritable, td, request >>> 0, arg, mem);
    case BLKSECDISCARD:
      return isWritable ? EOPNOTSUPP : EBADF;
    case HDIO_GETGEO:
      return geometry(disk, arg, mem);
    default:
      return disk.ioctl?.(td, request, arg, mem, isWritable) ?? ENOTTY;
  }
}

/** How much becomes zeroes before others may run, and a SIGKILL is heard. */
const ZERO_STEP = 64 << 20;

/** BLKZEROOUT under way. */
class ZeroWork {
  /** Up to where it is done. */
  at: number;

  constructor(at: number) {
    this.at = at;
  }
}

/** As BLKDISCARD and BLKZEROOUT say it: two u64, where and how many bytes. */
function clear(
  disk: Disk,
  isWritable: boolean,
  td: Thread,
  request: number,
  arg: number,
  mem: UserMemory,
): number {
  if (!isWritable) return EBADF;
  if (disk.isReadOnly) return EPERM;
  const start = mem.loadU64(arg);
  if (failed(start)) return start;
  const length = mem.loadU64(arg + 8);
  if (failed(length)) return length;
  if (request === BLKDISCARD && disk.discardBytes === 0) return EOPNOTSUPP;
  if (start % disk.blockSize !== 0 || length % disk.blockSize !== 0) return EINVAL;
  if (length === 0 || start + length > disk.sizeBytes) return EINVAL;
  return request === BLKDISCARD ? disk.discard(start, length) : zeroOut(disk, td, start, length);
}

function zeroOut(disk: Disk, td: Thread, start: number, length: number): number {
  const { data } = td.restart;
  const work = data instanceof ZeroWork ? data : new ZeroWork(start);
  const left = start + length - work.at;
  const r = left > 0 ? disk.writeZeroes(work.at, Math.min(left, ZERO_STEP)) : 0;
  td.isUninterruptible = !failed(r) && left > ZERO_STEP;
  if (!td.isUninterruptible) return r;
  work.at += ZERO_STEP;
  td.restart.data = work;
  return td.sleepUntil(null, "blkzero", td.cpu.clock.monotonicNs());
}

function setReadOnly(driver: BlockDriver, disk: Disk, arg: number, mem: UserMemory): number {
  const flag = mem.loadU32(arg);
  if (failed(flag)) return flag;
  const r = disk.setReadOnly(flag !== 0);
  driver.disks.changed(disk);
  return r;
}

/** Taken, and of no effect: the page cache knows no blocks. */
function setBlockSize(disk: Disk, arg: number, mem: UserMemory): number {
  const size = mem.loadU32(arg);
  if (failed(size)) return size;
  const isPower = size > 0 && (size & (size - 1)) === 0;
  return isPower && size >= disk.blockSize && size <= PAGE ? 0 : EINVAL;
}

function changePartition(driver: BlockDriver, disk: Disk, arg: number, mem: UserMemory): number {
  if (disk.place) return EINVAL;
  const head = new DataView(new ArrayBuffer(BlkpgArg.sizeof));
  const body = new DataView(new ArrayBuffer(BlkpgPartition.sizeof));
  if (failed(mem.copyin(arg, new Uint8Array(head.buffer)))) return EFAULT;
  if (failed(mem.copyin(BlkpgArg.data.get(head, 0), new Uint8Array(body.buffer)))) return EFAULT;
  const extent: PartitionExtent = {
    number: BlkpgPartition.pno.get(body, 0),
    startBytes: BlkpgPartition.start.get(body, 0),
    sizeBytes: BlkpgPartition.length.get(body, 0),
    uuid: "",
    label: "",
  };
  if (extent.number <= 0) return EINVAL;
  const op = BlkpgArg.op.get(head, 0);
  if (op === BLKPG_DEL_PARTITION) {
    return removePartition(driver.disks, disk, extent.number, (d) => driver.isInUse(d));
  }
  const unit = disk.blockSize;
  if (extent.startBytes % unit !== 0 || extent.sizeBytes % unit !== 0) return EINVAL;
  if (op === BLKPG_RESIZE_PARTITION) return resizePartition(driver.disks, disk, extent);
  if (op !== BLKPG_ADD_PARTITION) return EINVAL;
  if (overlapsAnother(driver.disks, disk, extent)) return EBUSY;
  return addPartition(driver.disks, disk, extent);
}

function geometry(disk: Disk, arg: number, mem: UserMemory): number {
  const bytes = new Uint8Array(HdGeometry.sizeof);
  const view = new DataView(bytes.buffer);
  const whole = disk.place?.whole ?? disk;
  const cylinders = Math.floor(whole.sizeBytes / SECTOR / (HEADS * SECTORS_PER_TRACK));
  HdGeometry.heads.set(view, 0, HEADS);
  HdGeometry.sectors.set(view, 0, SECTORS_PER_TRACK);
  HdGeometry.cylinders.set(view, 0, cylinders);
  HdGeometry.start.set(view, 0, (disk.place?.startBytes ?? 0) / SECTOR);
  return stored(mem.copyout(arg, bytes));
}

function storeU16(mem: UserMemory, to: number, value: number): number {
  return stored(mem.copyout(to, new Uint8Array([value & 0xff, value >>> 8])));
}

/** A copy answers how much it moved; an ioctl, 0. */
function stored(r: number): number {
  return failed(r) ? r : 0;
}
