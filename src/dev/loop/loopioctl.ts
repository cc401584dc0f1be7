/**
 * What losetup(8) asks of a loop device: to stand on a file, on another one,
 * on none, and how. Checks in the order of Linux's drivers/block/loop.c.
 */
import {
  EBADF,
  EBUSY,
  EFAULT,
  EINVAL,
  ENXIO,
  EOVERFLOW,
  EPERM,
  type Errno,
  failed,
} from "../../abi/errno.ts";
import {
  LO_FLAGS_AUTOCLEAR,
  LO_FLAGS_DIRECT_IO,
  LO_FLAGS_PARTSCAN,
  LO_FLAGS_READ_ONLY,
  LO_KEY_SIZE,
  LOOP_CHANGE_FD,
  LOOP_CLR_FD,
  LOOP_CONFIG_BYTES,
  LOOP_CONFIGURE,
  LOOP_GET_STATUS,
  LOOP_GET_STATUS64,
  LOOP_SET_BLOCK_SIZE,
  LOOP_SET_CAPACITY,
  LOOP_SET_DIRECT_IO,
  LOOP_SET_FD,
  LOOP_SET_STATUS,
  LOOP_SET_STATUS64,
  LoopConfig,
  LoopInfo,
  LoopInfo64,
} from "../../abi/loop.ts";
import { CAP_SYS_ADMIN } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { UserMemory } from "../../vm/usermem.ts";
import { Backing } from "./backing.ts";
import { LoopDisk } from "./loopdisk.ts";

const PAGE = 4096;
const SECTOR = 512;
const CONFIGURE_FLAGS =
  LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR | LO_FLAGS_PARTSCAN | LO_FLAGS_DIRECT_IO;
/** What LOOP_SET_STATUS may set, and what it may take back. */
const STATUS_FLAGS = LO_FLAGS_AUTOCLEAR | LO_FLAGS_PARTSCAN;
const CLEARABLE_FLAGS = LO_FLAGS_AUTOCLEAR;

/** The part of loop_info that changes something. */
interface LoopStatus {
  readonly offset: number;
  readonly sizeLimit: number;
  readonly flags: number;
  readonly fileName: Uint8Array;
}

export function loopIoctl(
  disk: LoopDisk,
  td: Thread,
  request: number,
  arg: number,
  mem: UserMemory,
  isWritable: boolean,
): number {
  const mayChange = isWritable || td.cred.hasCap(CAP_SYS_ADMIN);
  switch (request >>> 0) {
    case LOOP_SET_FD:
      return configure(disk, td, arg, NEW_STATUS, 0, isWritable);
    case LOOP_CONFIGURE:
      return configureFrom(disk, td, arg, mem, isWritable);
    case LOOP_CHANGE_FD:
      return changeFile(disk, td, arg);
    case LOOP_CLR_FD:
      return clear(disk);
    case LOOP_SET_STATUS:
    case LOOP_SET_STATUS64:
      return mayChange ? setStatus(disk, request >>> 0, arg, mem) : EPERM;
    case LOOP_GET_STATUS:
    case LOOP_GET_STATUS64:
      return getStatus(disk, request >>> 0, arg, mem);
    case LOOP_SET_CAPACITY:
      if (!mayChange) return EPERM;
      if (!disk.backing) return ENXIO;
      disk.resize();
      return 0;
    case LOOP_SET_DIRECT_IO:
      if (!mayChange) return EPERM;
      if (!disk.backing) return ENXIO;
      if (arg !== 0) disk.flags |= LO_FLAGS_DIRECT_IO;
      else disk.flags &= ~LO_FLAGS_DIRECT_IO;
      disk.loops.disks.changed(disk);
      return 0;
    case LOOP_SET_BLOCK_SIZE:
      if (!mayChange) return EPERM;
      if (!disk.backing) return ENXIO;
      if (!isBlockSize(arg)) return EINVAL;
      disk.blockSize = arg;
      disk.loops.disks.changed(disk);
      return 0;
    default:
      return EINVAL;
  }
}

function configureFrom(
  disk: LoopDisk,
  td: Thread,
  arg: number,
  mem: UserMemory,
  isWritable: boolean,
): number {
  const view = new DataView(new ArrayBuffer(LOOP_CONFIG_BYTES));
  if (failed(mem.copyin(arg, new Uint8Array(view.buffer)))) return EFAULT;
  const info = LoopInfo64;
  if ((info.lo_flags.get(view, LoopConfig.sizeof) & ~CONFIGURE_FLAGS) !== 0) return EINVAL;
  const status = statusOf(view, LoopConfig.sizeof);
  if (typeof status === "number") return status;
  const blockSize = LoopConfig.block_size.get(view, 0);
  return configure(disk, td, LoopConfig.fd.get(view, 0), status, blockSize, isWritable);
}

function configure(
  disk: LoopDisk,
  td: Thread,
  fd: number,
  status: LoopStatus,
  blockSize: number,
  isWritable: boolean,
): number {
  const file = (td as Lwp).fdtable.get(fd);
  if (!file) return EBADF;
  if (disk.backing) return EBUSY;
  const backing = Backing.on(file, disk.loops.disks);
  if (failed(backing)) return backing;
  const wrong = standsOn(backing, disk);
  if (wrong !== 0 || (blockSize !== 0 && !isBlockSize(blockSize))) {
    backing.release();
    return wrong !== 0 ? wrong : EINVAL;
  }
  disk.flags = status.flags;
  if (!isWritable || !backing.isWritable) disk.flags |= LO_FLAGS_READ_ONLY;
  disk.offset = status.offset;
  disk.sizeLimit = status.sizeLimit;
  disk.fileName = status.fileName;
  disk.blockSize = blockSize || backing.disk?.blockSize || SECTOR;
  disk.standOn(backing);
  disk.loops.scan(disk);
  return 0;
}

/** A loop device may stand on another one that stands on something, but not on itself: else EBADF, EINVAL. */
function standsOn(backing: Backing, disk: LoopDisk): number {
  for (let below = backing.disk; below instanceof LoopDisk; ) {
    if (below === disk) return EBADF;
    if (!below.backing) return EINVAL;
    below = below.backing.disk;
  }
  return 0;
}

/** Only of a device that cannot be written, and for a file of the same size. */
function changeFile(disk: LoopDisk, td: Thread, fd: number): number {
  const file = (td as Lwp).fdtable.get(fd);
  if (!file) return EBADF;
  if (!disk.backing) return ENXIO;
  if ((disk.flags & LO_FLAGS_READ_ONLY) === 0) return EINVAL;
  const backing = Backing.on(file, disk.loops.disks);
  if (failed(backing)) return backing;
  const wrong = standsOn(backing, disk);
  if (wrong !== 0 || backing.sizeBytes !== disk.backing.sizeBytes) {
    backing.release();
    return wrong !== 0 ? wrong : EINVAL;
  }
  disk.standOn(backing);
  disk.loops.scan(disk);
  return 0;
}

/** At once if only the caller has it open; else when the last user is done. */
function clear(disk: LoopDisk): number {
  if (!disk.backing) return ENXIO;
  if (disk.loops.isBusy(disk, 1)) {
    disk.flags |= LO_FLAGS_AUTOCLEAR;
    disk.loops.disks.changed(disk);
  } else disk.loops.clear(disk);
  return 0;
}

function setStatus(disk: LoopDisk, request: number, arg: number, mem: UserMemory): number {
  const shape = request === LOOP_SET_STATUS64 ? LoopInfo64 : LoopInfo;
  const view = new DataView(new ArrayBuffer(shape.sizeof));
  if (failed(mem.copyin(arg, new Uint8Array(view.buffer)))) return EFAULT;
  const status = request === LOOP_SET_STATUS64 ? statusOf(view, 0) : oldStatusOf(view);
  if (typeof status === "number") return status;
  if (!disk.backing) return ENXIO;
  const hadScan = (disk.flags & LO_FLAGS_PARTSCAN) !== 0;
  disk.flags = (disk.flags & ~CLEARABLE_FLAGS) | (status.flags & STATUS_FLAGS);
  disk.offset = status.offset;
  disk.sizeLimit = status.sizeLimit;
  disk.fileName = status.fileName;
  disk.resize();
  if (!hadScan) disk.loops.scan(disk);
  return 0;
}

function getStatus(disk: LoopDisk, request: number, arg: number, mem: UserMemory): number {
  const { backing } = disk;
  if (!backing) return ENXIO;
  if (arg === 0) return EINVAL;
  const shape = request === LOOP_GET_STATUS64 ? LoopInfo64 : LoopInfo;
  const bytes = new Uint8Array(shape.sizeof);
  const view = new DataView(bytes.buffer);
  const { attr } = backing;
  const rdev = backing.disk?.rdev ?? 0;
  shape.lo_number.set(view, 0, disk.unit);
  shape.lo_device.set(view, 0, attr.dev);
  shape.lo_inode.set(view, 0, attr.ino);
  shape.lo_rdevice.set(view, 0, rdev);
  shape.lo_offset.set(view, 0, disk.offset);
  shape.lo_flags.set(view, 0, disk.flags);
  if (request === LOOP_GET_STATUS64) {
    LoopInfo64.lo_sizelimit.set(view, 0, disk.sizeLimit);
    LoopInfo64.lo_file_name.set(view, 0, disk.fileName);
  } else {
    if (disk.offset > 0x7fffffff) return EOVERFLOW;
    LoopInfo.lo_name.set(view, 0, disk.fileName);
  }
  return failed(mem.copyout(arg, bytes)) ? EFAULT : 0;
}

const NEW_STATUS: LoopStatus = {
  offset: 0,
  sizeLimit: 0,
  flags: 0,
  fileName: new Uint8Array(64),
};

/** What a loop_info64 asks for; nothing is encrypted any more. */
function statusOf(view: DataView, at: number): LoopStatus | Errno {
  const info = LoopInfo64;
  if (info.lo_encrypt_key_size.get(view, at) > LO_KEY_SIZE) return EINVAL;
  if (info.lo_encrypt_type.get(view, at) !== 0) return EINVAL;
  const offset = info.lo_offset.get(view, at);
  const sizeLimit = info.lo_sizelimit.get(view, at);
  if (offset >= 2 ** 63 || sizeLimit >= 2 ** 63) return EOVERFLOW;
  const fileName = terminated(info.lo_file_name.get(view, at));
  return { offset, sizeLimit, flags: info.lo_flags.get(view, at), fileName };
}

function oldStatusOf(view: DataView): LoopStatus | Errno {
  const info = LoopInfo;
  if (info.lo_encrypt_key_size.get(view, 0) > LO_KEY_SIZE) return EINVAL;
  if (info.lo_encrypt_type.get(view, 0) !== 0) return EINVAL;
  const offset = info.lo_offset.get(view, 0);
  if (offset < 0) return EOVERFLOW;
  const fileName = terminated(info.lo_name.get(view, 0));
  return { offset, sizeLimit: 0, flags: info.lo_flags.get(view, 0), fileName };
}

function terminated(name: Uint8Array): Uint8Array {
  const own = new Uint8Array(64);
  own.set(name.subarray(0, 63));
  return own;
}

function isBlockSize(size: number): boolean {
  return size >= SECTOR && size <= PAGE && (size & (size - 1)) === 0;
}
