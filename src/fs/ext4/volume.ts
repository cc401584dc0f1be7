/**
 * An ext4 volume: the geometry that its superblock promises, checked once, and
 * the way to its metadata blocks.
 *
 * Invariant: every number kept here was checked against the device's size, so
 * that what is computed from them stays within the device or fails in `bread`.
 * Source: fs/ext4/super.c of Linux; Documentation/filesystems/ext4/.
 */
import { EFSBADCRC, EFSCORRUPTED, EINVAL, type Errno, failed } from "../../abi/errno.ts";
import { type KernelLog, LOG_ERR } from "../../kern/log.ts";
import { crc32c } from "../../lib/crc32c.ts";
import { type Buf, BufferCache } from "../../vfs/bio.ts";
import type { BlockDevice } from "../../vfs/blockdevice.ts";
import { ReadAhead } from "../../vfs/readahead.ts";
import * as feature from "./features.ts";
import { Groups } from "./groups.ts";
import {
  EXT4_MAGIC,
  GOOD_OLD_INODE_SIZE,
  SUPERBLOCK_OFFSET,
  SUPERBLOCK_SIZE,
  SuperBlock,
} from "./layout.ts";

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

export class Volume {
  readonly device: BlockDevice;
  readonly cache: BufferCache;
  readonly geometry: Geometry;
  readonly incompat: number;
  readonly roCompat: number;
  readonly compat: number;
  readonly hasMetadataCsum: boolean;
  /** Where every metadata checksum starts. */
  readonly csumSeed: number;
  readonly superView: DataView;
  readonly groups: Groups;
  readonly #readAhead: ReadAhead;
  readonly #log: KernelLog;
  #complaints = 0;

  private constructor(device: BlockDevice, view: DataView, geometry: Geometry, log: KernelLog) {
    const sb = SuperBlock;
    this.device = device;
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
    this.cache = new BufferCache(device, geometry.blockSize, CACHE_BYTES);
    this.#readAhead = new ReadAhead(device);
    this.#log = log;
    this.groups = new Groups(this);
  }

  /** Reads and checks the superblock. EINVAL: not ext4, or not for us; the log says why. */
  static open(device: BlockDevice, log: KernelLog): Volume | Errno {
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
    if (!isSuperblockSumRight(view, raw)) return refuse("bad superblock checksum", EFSBADCRC);
    const geometry = geometryOf(view, device.sizeBytes);
    if (typeof geometry === "string") return refuse(geometry, EINVAL);
    return new Volume(device, view, geometry, log);
  }

  bread(blkno: number): Buf | Errno {
    return this.cache.bread(blkno);
  }

  /** File contents, past the buffer cache: fills `into` from byte `offset` of the volume. */
  readData(offset: number, into: Uint8Array): number {
    return this.#readAhead.read(offset, into);
  }

  /** True if blocks `[start, start + count)` are on the volume and past its superblock. */
  holds(start: number, count: number): boolean {
    return start > this.geometry.firstDataBlock && start + count <= this.geometry.blocksCount;
  }

  /** Logs that the image is damaged; what the caller then answers. */
  corrupt(what: string, isChecksum = false): Errno {
    if (this.#complaints++ < COMPLAINTS_MAX) {
      this.#log.log(LOG_ERR, `EXT4-fs error (device ${this.device.name}): ${what}`);
    }
    return isChecksum ? EFSBADCRC : EFSCORRUPTED;
  }
}

function unsupportedFeatures(view: DataView): string {
  if (SuperBlock.s_rev_level.get(view, 0) === 0) return "";
  return feature.unsupportedIncompat(SuperBlock.s_feature_incompat.get(view, 0));
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
