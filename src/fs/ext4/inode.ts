/**
 * An inode in memory: the fields of the disk's record, decoded and checked.
 *
 * An inode that is handed out has a known type, links, a size that a number
 * holds exactly, and (with metadata_csum) a right checksum; what it points to
 * is still to be distrusted. Source: fs/ext4/inode.c, Documentation/filesystems/ext4/inodes.rst.
 */
import { type Errno, ESTALE } from "../../abi/errno.ts";
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from "../../abi/stat.ts";
import type { Timespec } from "../../kern/clock.ts";
import { crc32c } from "../../lib/crc32c.ts";
import { crcU32, crcWithHole } from "./checksum.ts";
import * as feature from "./features.ts";
import {
  DiskInode,
  ENCRYPT_FL,
  GOOD_OLD_INODE_SIZE,
  HUGE_FILE_FL,
  INLINE_DATA_FL,
  ROOT_INO,
} from "./layout.ts";
import type { Volume } from "./volume.ts";

const TWO32 = 4294967296;
/** Largest file that Linux makes with 4 KiB blocks and extents. */
const SIZE_MAX = 2 ** 44;
/** Blocks are numbered with 32 bits within a file. */
const LBLK_COUNT = TWO32;

export class Inode {
  readonly volume: Volume;
  readonly ino: number;
  /** The record whole: i_block and what lies beyond the fields. */
  readonly raw: Uint8Array;
  readonly view: DataView;
  readonly mode: number;
  readonly flags: number;
  readonly sizeBytes: number;
  /** Seed of the checksums of everything that belongs to this inode. */
  readonly csumSeed: number;
  /** The extent tree's root was checked. */
  isExtentRootSound = false;

  constructor(volume: Volume, ino: number, raw: Uint8Array) {
    this.volume = volume;
    this.ino = ino;
    this.raw = raw;
    this.view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
    this.mode = DiskInode.i_mode.get(this.view, 0);
    this.flags = DiskInode.i_flags.get(this.view, 0);
    this.sizeBytes = this.#size();
    this.csumSeed = volume.hasMetadataCsum
      ? crcU32(crcU32(volume.csumSeed, ino), DiskInode.i_generation.get(this.view, 0))
      : 0;
  }

  get type(): number {
    return this.mode & S_IFMT;
  }

  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  /** The 60 bytes that hold block map, extent root, short symlink, device number or data. */
  get block(): Uint8Array {
    const at = DiskInode.i_block.offset;
    return this.raw.subarray(at, at + 60);
  }

  get nlink(): number {
    return DiskInode.i_links_count.get(this.view, 0);
  }

  get uid(): number {
    return DiskInode.i_uid.get(this.view, 0) + DiskInode.i_uid_high.get(this.view, 0) * 0x10000;
  }

  get gid(): number {
    return DiskInode.i_gid.get(this.view, 0) + DiskInode.i_gid_high.get(this.view, 0) * 0x10000;
  }

  /** Held 512-byte units. */
  get blocks512(): number {
    const low = DiskInode.i_blocks_lo.get(this.view, 0);
    if ((this.volume.roCompat & feature.RO_COMPAT_HUGE_FILE) === 0) return low;
    const all = low + DiskInode.i_blocks_high.get(this.view, 0) * TWO32;
    return this.has(HUGE_FILE_FL) ? all * (this.volume.geometry.blockSize / 512) : all;
  }

  /** Block of the extended attributes that the inode has no room for; 0 if none. */
  get xattrBlock(): number {
    const high =
      (this.volume.incompat & feature.INCOMPAT_64BIT) !== 0
        ? DiskInode.i_file_acl_high.get(this.view, 0)
        : 0;
    return DiskInode.i_file_acl_lo.get(this.view, 0) + high * TWO32;
  }

  /** Bytes of fields after the old inode; 0 where there are none. */
  get extraSize(): number {
    return this.raw.length > GOOD_OLD_INODE_SIZE ? DiskInode.i_extra_isize.get(this.view, 0) : 0;
  }

  get atime(): Timespec {
    return this.#time(DiskInode.i_atime.offset, DiskInode.i_atime_extra.offset);
  }

  get mtime(): Timespec {
    return this.#time(DiskInode.i_mtime.offset, DiskInode.i_mtime_extra.offset);
  }

  get ctime(): Timespec {
    return this.#time(DiskInode.i_ctime.offset, DiskInode.i_ctime_extra.offset);
  }

  get btime(): Timespec | null {
    if (!this.#reaches(DiskInode.i_crtime_extra.offset)) return null;
    return this.#time(DiskInode.i_crtime.offset, DiskInode.i_crtime_extra.offset);
  }

  /** Number of a device node as stat(2) shows it; 0 for other files. */
  get rdev(): number {
    if (this.type !== S_IFCHR && this.type !== S_IFBLK) return 0;
    const at = DiskInode.i_block.offset;
    const old = this.view.getUint32(at, true) & 0xffff;
    return old !== 0 ? old : this.view.getUint32(at + 4, true);
  }

  #size(): number {
    const low = DiskInode.i_size_lo.get(this.view, 0);
    const hasHigh =
      this.type === S_IFREG || (this.volume.incompat & feature.INCOMPAT_LARGEDIR) !== 0;
    return hasHigh ? low + DiskInode.i_size_high.get(this.view, 0) * TWO32 : low;
  }

  #time(at: number, extraAt: number): Timespec {
    const sec = this.view.getInt32(at, true);
    if (!this.#reaches(extraAt)) return { sec, nsec: 0 };
    const extra = this.view.getUint32(extraAt, true);
    return { sec: sec + (extra & 3) * TWO32, nsec: Math.min(extra >>> 2, 999999999) };
  }

  #reaches(at: number): boolean {
    return GOOD_OLD_INODE_SIZE + this.extraSize >= at + 4;
  }
}

/** Reads inode `ino` as a directory entry may name it. EUCLEAN, EFSBADCRC, EIO, ESTALE if free. */
export function readInode(volume: Volume, ino: number): Inode | Errno {
  const g = volume.geometry;
  if ((ino < g.firstIno && ino !== ROOT_INO) || ino > g.inodesCount) {
    return volume.corrupt(`bad inode number: ${ino}`);
  }
  return readAnyInode(volume, ino);
}

/** As `readInode`, for the reserved inodes too: the journal. */
export function readAnyInode(volume: Volume, ino: number): Inode | Errno {
  const g = volume.geometry;
  if (ino < 1 || ino > g.inodesCount) return volume.corrupt(`bad inode number: ${ino}`);
  const group = Math.floor((ino - 1) / g.inodesPerGroup);
  const table = volume.groups.inodeTable(group);
  if (table < 0) return table as Errno;
  const byte = ((ino - 1) % g.inodesPerGroup) * g.inodeSize;
  const bp = volume.bread(table + Math.floor(byte / g.blockSize));
  if (typeof bp === "number") return bp;
  const at = byte % g.blockSize;
  const ip = new Inode(volume, ino, bp.data.slice(at, at + g.inodeSize));
  return fault(ip) ?? ip;
}

function fault(ip: Inode): Errno | null {
  const { volume, ino } = ip;
  if (ip.mode === 0 || ip.nlink === 0) return ESTALE;
  if (ip.extraSize > ip.raw.length - GOOD_OLD_INODE_SIZE || (ip.extraSize & 3) !== 0) {
    return volume.corrupt(`inode #${ino}: bad extra_isize ${ip.extraSize}`);
  }
  if (volume.hasMetadataCsum && !isSumRight(ip)) {
    return volume.corrupt(`inode #${ino}: checksum invalid`, true);
  }
  if (!KNOWN_TYPES.has(ip.type)) return volume.corrupt(`inode #${ino}: bogus i_mode`);
  if (ip.has(ENCRYPT_FL)) return volume.corrupt(`inode #${ino}: encrypted`);
  if (ip.has(INLINE_DATA_FL) && (volume.incompat & feature.INCOMPAT_INLINE_DATA) === 0) {
    return volume.corrupt(`inode #${ino}: inline data without the feature`);
  }
  const blocks = Math.ceil(ip.sizeBytes / volume.geometry.blockSize);
  if (ip.sizeBytes > SIZE_MAX * 16 || blocks > LBLK_COUNT) {
    return volume.corrupt(`inode #${ino}: bad i_size value: ${ip.sizeBytes}`);
  }
  return null;
}

const KNOWN_TYPES: ReadonlySet<number> = new Set([
  S_IFREG,
  S_IFDIR,
  S_IFLNK,
  S_IFCHR,
  S_IFBLK,
  S_IFIFO,
  S_IFSOCK,
]);

function isSumRight(ip: Inode): boolean {
  const lowAt = DiskInode.i_checksum_lo.offset;
  const highAt = DiskInode.i_checksum_hi.offset;
  const low = DiskInode.i_checksum_lo.get(ip.view, 0);
  let sum = crcWithHole(ip.csumSeed, ip.raw, 0, GOOD_OLD_INODE_SIZE, lowAt, 2);
  if (ip.raw.length === GOOD_OLD_INODE_SIZE) return (sum & 0xffff) === low;
  if (GOOD_OLD_INODE_SIZE + ip.extraSize < highAt + 2) {
    return (crc32c(sum, ip.raw, GOOD_OLD_INODE_SIZE) & 0xffff) === low;
  }
  sum = crcWithHole(sum, ip.raw, GOOD_OLD_INODE_SIZE, ip.raw.length, highAt, 2);
  return sum === low + DiskInode.i_checksum_hi.get(ip.view, 0) * 0x10000;
}
