/**
 * An ext4 volume: the geometry that its superblock promises, checked once, and
 * the way to its metadata blocks.
 *
 * Invariant: every number kept here was checked against the device's size, so
 * that what is computed from them stays within the device or fails in `bread`.
 * Source: fs/ext4/super.c of Linux; Documentation/filesystems/ext4/.
 */
import { EFSBADCRC, EFSCORRUPTED, EINVAL, type Errno, failed } from "../../abi/errno.ts";
import type { Timespec } from "../../kern/clock.ts";
import { type KernelLog, LOG_CRIT, LOG_ERR, LOG_WARNING } from "../../kern/log.ts";
import { panic } from "../../kern/panic.ts";
import { crc32c } from "../../lib/crc32c.ts";
import { type Buf, BufferCache } from "../../vfs/bio.ts";
import type { BlockDevice } from "../../vfs/blockdevice.ts";
import { BlockAllocator } from "./alloc.ts";
import { noteError } from "./errorlog.ts";
import * as feature from "./features.ts";
import { Groups } from "./groups.ts";
import {
  EXT4_MAGIC,
  GOOD_OLD_INODE_SIZE,
  SUPERBLOCK_OFFSET,
  SUPERBLOCK_SIZE,
  SuperBlock,
} from "./layout.ts";
import { Orphans } from "./orphan.ts";
import { NoTransaction, type Transaction } from "./transaction.ts";

const TWO32 = 4294967296;
const CRC32C_CHKSUM = 1;
const CACHE_BYTES = 8 << 20;
/** Past this many complaints a volume falls silent: the log is not the attacker's. */
const COMPLAINTS_MAX = 32;

export interface Geometry {
  readonly blockSize: number;
  readonly blocksCount: number;
  readonly firstDataBlock: number;
  readonly blocksPerGroup: number;
  readonly inodesPerGroup: number;
  readonly inodesCount: number;
  readonly inodeSize: number;
  readonly firstIno: number;
  readonly descSize: number;
  readonly groupsCount: number;
  readonly firstMetaBg: number;
  /** Blocks to a cluster: 1 without bigalloc. */
  readonly clusterRatio: number;
}

/** The wall clock, as far as a volume needs it. */
export interface WallClock {
  realtime(): Timespec;
}

/** Who sees to it that the running transaction is committed in time. */
export interface CommitWatcher {
  /** There is something to commit. */
  changed(): void;
  /** There no longer is. */
  committed(): void;
}

/** What is done about a damaged volume: errors= of ext4(5). */
export type ErrorPolicy = "continue" | "remount-ro" | "panic";

export interface ErrorWatcher {
  volumeDamaged(error: Errno): void;
}

export class Volume {
  readonly device: BlockDevice;
  readonly clock: WallClock;
  /** Whatever changes the volume does so within an operation of it; nothing does while read-only. */
  tx: Transaction = new NoTransaction();
  watcher: CommitWatcher | null = null;
  /** Is told of damage. */
  errorWatcher: ErrorWatcher | null = null;
  errorPolicy: ErrorPolicy = "remount-ro";
  /** s_state when it was mounted for writing: what was not whole then is not when it is left. */
  mountState = 0;
  readonly cache: BufferCache;
  readonly geometry: Geometry;
  readonly incompat: number;
  readonly roCompat: number;
  readonly compat: number;
  readonly hasMetadataCsum: boolean;
  /** Where every metadata checksum starts. */
  readonly csumSeed: number;
  /** The superblock, in its buffer; see `superChanged`. */
  readonly superView: DataView;
  readonly groups: Groups;
  readonly alloc: BlockAllocator;
  readonly orphans: Orphans;
  readonly #superBuf: Buf;
  #isSuperChanged = false;
  readonly log: KernelLog;
  #complaints = 0;

  private constructor(
    cache: BufferCache,
    superBuf: Buf,
    geometry: Geometry,
    log: KernelLog,
    clock: WallClock,
  ) {
    const sb = SuperBlock;
    const { device } = cache;
    const at = SUPERBLOCK_OFFSET % geometry.blockSize;
    const view = new DataView(superBuf.data.buffer, superBuf.data.byteOffset + at, SUPERBLOCK_SIZE);
    this.device = device;
    this.clock = clock;
    this.cache = cache;
    this.#superBuf = cache.hold(superBuf);
    this.superView = view;
    this.geometry = geometry;
    const isOld = sb.s_rev_level.get(view, 0) === 0;
    this.incompat = isOld ? 0 : sb.s_feature_incompat.get(view, 0);
    this.roCompat = isOld ? 0 : sb.s_feature_ro_compat.get(view, 0);
    this.compat = isOld ? 0 : sb.s_feature_compat.get(view, 0);
    this.hasMetadataCsum = (this.roCompat & feature.RO_COMPAT_METADATA_CSUM) !== 0;
    this.csumSeed =
      (this.incompat & feature.INCOMPAT_CSUM_SEED) !== 0
        ? sb.s_checksum_seed.get(view, 0)
        : crc32c(0xffffffff, sb.s_uuid.get(view, 0));
    this.log = log;
    this.groups = new Groups(this);
    this.alloc = new BlockAllocator(this);
    this.orphans = new Orphans(this);
  }

  /**
   * Reads and checks the superblock. EINVAL: not ext4, or not for us; EFSBADCRC; the log says
   * why. `isTorn`: its checksum does not matter yet, for the journal may have it whole.
   */
  static open(
    device: BlockDevice,
    log: KernelLog,
    clock: WallClock,
    isTorn = false,
  ): Volume | Errno {
    const refuse = (why: string, error: Errno): Errno => {
      log.log(LOG_ERR, `EXT4-fs (${device.name}): ${why}`);
      return error;
    };
    if (device.sizeBytes < SUPERBLOCK_OFFSET + SUPERBLOCK_SIZE) {
      return refuse("unable to read superblock", EINVAL);
    }
    const raw = new Uint8Array(SUPERBLOCK_SIZE);
    const r = device.read(SUPERBLOCK_OFFSET, raw);
    if (failed(r)) return refuse("unable to read superblock", r);
    const view = new DataView(raw.buffer);
    if (SuperBlock.s_magic.get(view, 0) !== EXT4_MAGIC) {
      return refuse("VFS: Can't find ext4 filesystem", EINVAL);
    }
    const missing = unsupportedFeatures(view);
    if (missing) {
      return refuse(`couldn't mount because of unsupported optional features (${missing})`, EINVAL);
    }
    if (!isTorn && !isSuperblockSumRight(view, raw))
      return refuse("bad superblock checksum", EFSBADCRC);
    const geometry = geometryOf(view, device.sizeBytes);
    if (typeof geometry === "string") return refuse(geometry, EINVAL);
    const cache = new BufferCache(device, geometry.blockSize, CACHE_BYTES);
    const bp = cache.bread(Math.floor(SUPERBLOCK_OFFSET / geometry.blockSize));
    if (typeof bp === "number") return refuse("unable to read superblock", bp);
    return new Volume(cache, bp, geometry, log, clock);
  }

  bread(blkno: number): Buf | Errno {
    const bp = this.cache.bread(blkno);
    if (typeof bp === "number") this.tx.readFailed(blkno);
    return bp;
  }

  /** A zeroed buffer for a block just allocated. */
  bnew(blkno: number): Buf | Errno {
    return this.cache.bnew(blkno);
  }

  get isReadOnly(): boolean {
    return this.tx.isReadOnly;
  }

  /** File contents, past the buffer cache: fills `into` from byte `offset` of the volume. */
  readData(offset: number, into: Uint8Array): number {
    const r = this.device.read(offset, into);
    return failed(r) || !this.cache.hasPinned ? r : this.#overlay(offset, into);
  }

  /** File contents, past the buffer cache: at once on the disk, though not yet flushed. */
  writeData(offset: number, from: Uint8Array): number {
    return this.device.write(offset, from);
  }

  /** Within an operation: `superView` was changed, or is about to be. Its checksum is set at commit. */
  superChanged(): void {
    this.#isSuperChanged = true;
    this.tx.dirty(this.#superBuf);
  }

  /** Before a commit: the superblock with its counts and checksum; null if it did not change. */
  sealSuperblock(): Buf | null {
    if (!this.groups.storeCounts() && !this.#isSuperChanged) return null;
    this.#isSuperChanged = false;
    sealSuper(this.superView);
    return this.#superBuf;
  }

  /** Writes the superblock past any transaction: of what mount and unmount change. 0 or EIO. */
  writeSuperblock(): number {
    sealSuper(this.superView);
    const r = this.cache.write([this.#superBuf]);
    return failed(r) ? r : this.device.flush();
  }

  /** The transaction was aborted: says so, and notes it on the disk if that still can be. */
  aborted(why: string): void {
    const { name } = this.device;
    this.log.log(LOG_CRIT, `EXT4-fs error (device ${name}): ${why}`);
    this.log.log(LOG_CRIT, `EXT4-fs (${name}): Remounting filesystem read-only`);
    const raw = new Uint8Array(SUPERBLOCK_SIZE);
    if (!failed(this.device.read(SUPERBLOCK_OFFSET, raw))) {
      const view = new DataView(raw.buffer);
      noteError(view, this.clock.realtime().sec, why);
      sealSuper(view);
      this.device.write(SUPERBLOCK_OFFSET, raw);
    }
    if (this.errorPolicy === "panic") panic(`EXT4-fs (device ${name}): panic forced after error`);
  }

  /** True if blocks `[start, start + count)` are on the volume and past its superblock. */
  holds(start: number, count: number): boolean {
    return start > this.geometry.firstDataBlock && start + count <= this.geometry.blocksCount;
  }

  /**
   * Logs that the image is damaged, and does what the mount asked for then; what the
   * caller answers.
   */
  corrupt(what: string, isChecksum = false): Errno {
    if (this.#complaints++ < COMPLAINTS_MAX) {
      this.log.log(LOG_ERR, `EXT4-fs error (device ${this.device.name}): ${what}`);
    }
    if (!this.isReadOnly) {
      if (this.errorPolicy !== "continue") this.tx.abort(what);
      else {
        noteError(this.superView, this.clock.realtime().sec, what);
        this.#isSuperChanged = true;
      }
    }
    const error = isChecksum ? EFSBADCRC : EFSCORRUPTED;
    this.errorWatcher?.volumeDamaged(error);
    return error;
  }

  /** Logs what went wrong without the image being damaged. */
  warn(what: string): void {
    if (this.#complaints++ < COMPLAINTS_MAX) {
      this.log.log(LOG_WARNING, `EXT4-fs warning (device ${this.device.name}): ${what}`);
    }
  }

  /** Puts blocks that the cache has newer than the disk over what was read at `offset`. */
  #overlay(offset: number, into: Uint8Array): number {
    const size = this.geometry.blockSize;
    const end = offset + into.length;
    for (let b = Math.floor(offset / size); b * size < end; b++) {
      const bp = this.cache.peek(b);
      if (!bp?.isDirty) continue;
      const from = Math.max(offset, b * size);
      into.set(bp.data.subarray(from - b * size, Math.min(size, end - b * size)), from - offset);
    }
    return 0;
  }
}

function unsupportedFeatures(view: DataView): string {
  if (SuperBlock.s_rev_level.get(view, 0) === 0) return "";
  return feature.unsupportedIncompat(SuperBlock.s_feature_incompat.get(view, 0));
}

/** Sets the checksum of the superblock in `view`, where the volume has one. */
function sealSuper(view: DataView): void {
  const ro = SuperBlock.s_feature_ro_compat.get(view, 0);
  if ((ro & feature.RO_COMPAT_METADATA_CSUM) === 0 || SuperBlock.s_rev_level.get(view, 0) === 0) {
    return;
  }
  const raw = new Uint8Array(view.buffer, view.byteOffset, SUPERBLOCK_SIZE);
  const sum = crc32c(0xffffffff, raw, 0, SuperBlock.s_checksum.offset);
  SuperBlock.s_checksum.set(view, 0, sum);
}

function isSuperblockSumRight(view: DataView, raw: Uint8Array): boolean {
  if (
    (SuperBlock.s_feature_ro_compat.get(view, 0) & feature.RO_COMPAT_METADATA_CSUM) === 0 ||
    SuperBlock.s_rev_level.get(view, 0) === 0
  ) {
    return true;
  }
  if (SuperBlock.s_checksum_type.get(view, 0) !== CRC32C_CHKSUM) return false;
  const sum = crc32c(0xffffffff, raw, 0, SuperBlock.s_checksum.offset);
  return sum === SuperBlock.s_checksum.get(view, 0);
}

/** The geometry, or what is wrong with it. */
function geometryOf(view: DataView, deviceBytes: number): Geometry | string {
  const sb = SuperBlock;
  const log = sb.s_log_block_size.get(view, 0);
  if (log > 6) return `bad block size: log ${log}`;
  const blockSize = 1024 << log;
  const isOld = sb.s_rev_level.get(view, 0) === 0;
  const incompat = isOld ? 0 : sb.s_feature_incompat.get(view, 0);
  const roCompat = isOld ? 0 : sb.s_feature_ro_compat.get(view, 0);
  const is64 = (incompat & feature.INCOMPAT_64BIT) !== 0;
  const blocksCount =
    sb.s_blocks_count_lo.get(view, 0) + (is64 ? sb.s_blocks_count_hi.get(view, 0) * TWO32 : 0);
  const inodeSize = isOld ? GOOD_OLD_INODE_SIZE : sb.s_inode_size.get(view, 0);
  const descSize = is64 ? sb.s_desc_size.get(view, 0) : 32;
  const firstDataBlock = sb.s_first_data_block.get(view, 0);
  const blocksPerGroup = sb.s_blocks_per_group.get(view, 0);
  const inodesPerGroup = sb.s_inodes_per_group.get(view, 0);
  const inodesCount = sb.s_inodes_count.get(view, 0);
  const firstIno = isOld ? 11 : sb.s_first_ino.get(view, 0);
  const isBigalloc = (roCompat & feature.RO_COMPAT_BIGALLOC) !== 0;
  const logCluster = isBigalloc ? sb.s_log_cluster_size.get(view, 0) : log;

  if (inodeSize < 128 || inodeSize > blockSize || (inodeSize & (inodeSize - 1)) !== 0) {
    return `unsupported inode size: ${inodeSize}`;
  }
  if (is64 && (descSize < 64 || descSize > 1024 || (descSize & (descSize - 1)) !== 0)) {
    return `unsupported descriptor size ${descSize}`;
  }
  if (logCluster < log || logCluster > 19) return "bad cluster size";
  const clusterRatio = 2 ** (logCluster - log);
  if (firstDataBlock > (blockSize === 1024 ? 1 : 0)) return "bad first data block";
  if (blocksPerGroup === 0 || blocksPerGroup > blockSize * 8 * clusterRatio) {
    return `#blocks per group too big: ${blocksPerGroup}`;
  }
  if (inodesPerGroup < blockSize / inodeSize || inodesPerGroup > blockSize * 8) {
    return `invalid inodes per group: ${inodesPerGroup}`;
  }
  if (blocksCount <= firstDataBlock + 1 || blocksCount * blockSize > deviceBytes) {
    return `bad geometry: block count ${blocksCount} exceeds size of device (${Math.floor(
      deviceBytes / blockSize,
    )} blocks)`;
  }
  const groupsCount = Math.ceil((blocksCount - firstDataBlock) / blocksPerGroup);
  if (inodesCount > groupsCount * inodesPerGroup || inodesCount < 11) {
    return `inodes count not valid: ${inodesCount} vs ${groupsCount * inodesPerGroup}`;
  }
  if (firstIno < 11) return `invalid first ino: ${firstIno}`;
  return {
    blockSize,
    blocksCount,
    firstDataBlock,
    blocksPerGroup,
    inodesPerGroup,
    inodesCount,
    inodeSize,
    firstIno,
    descSize,
    groupsCount,
    firstMetaBg: sb.s_first_meta_bg.get(view, 0),
    clusterRatio,
  };
}
