/**
 * An inode in memory: the disk's record, checked once, and the way back to its place.
 *
 * An inode that is handed out has a known type, links (unless it is an orphan),
 * a size that a number holds exactly, and (with metadata_csum) a right
 * checksum; what it points to is still to be distrusted. `raw` is the record
 * itself: whoever changes it calls `dirty` within a transaction, which alone
 * brings it to the inode table. There is one Inode per file in use.
 * Source: fs/ext4/inode.c, Documentation/filesystems/ext4/inodes.rst.
 */
import { type Errno, ESTALE, failed } from "../../abi/errno.ts";
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
import { wide } from "../../lib/wide.ts";
import * as feature from "./features.ts";
import { inodeSeed, isSumPending, isSumRight, recordChanged } from "./inodesum.ts";
import { readTime, writeTime } from "./inodetime.ts";
import {
  DiskInode,
  EA_INODE_FL,
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
  /** Block of the inode table, and byte in it, where the record is kept. */
  readonly #tableBlock: number;
  readonly #tableAt: number;
  /** The size that programs see; the record's (`diskSizeBytes`) follows when the data is on its way. */
  sizeBytes: number;
  /** Seed of the checksums of everything that belongs to this inode. */
  csumSeed: number;
  /** The extent tree's root was checked. */
  isExtentRootSound = false;
  /** Transaction with the last change, and with the last one that fdatasync(2) cares for; 0 if none. */
  sequence = 0;
  dataSequence = 0;
  /** Blocks written in memory that have none on the disk yet (delayed.ts). */
  delayedBlocks = 0;
  /** It is on the orphan list, which orphan.ts keeps. */
  isOrphan = false;

  constructor(volume: Volume, ino: number, raw: Uint8Array, tableBlock: number, tableAt: number) {
    this.volume = volume;
    this.ino = ino;
    this.raw = raw;
    this.view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
    this.#tableBlock = tableBlock;
    this.#tableAt = tableAt;
    this.csumSeed = 0;
    this.sizeBytes = 0;
    this.reseed();
    this.sizeBytes = this.diskSizeBytes;
  }

  /** The generation, or all of `raw`, was replaced. */
  reseed(): void {
    const { volume } = this;
    this.csumSeed = volume.hasMetadataCsum ? inodeSeed(volume, this.ino, this.generation) : 0;
  }

  /**
   * Brings the record to the inode table, in the running transaction. An error
   * (EIO) has aborted the volume already.
   */
  dirty(): number {
    const r = this.dirtyTimes();
    this.dataSequence = this.sequence;
    return r;
  }

  /** As `dirty`, of changes that fdatasync(2) need not wait for. */
  dirtyTimes(): number {
    const { volume } = this;
    const bp = volume.bread(this.#tableBlock);
    if (typeof bp === "number") {
      volume.tx.abort(`inode #${this.ino}: its block of the inode table cannot be read`);
      return bp;
    }
    bp.data.set(this.raw, this.#tableAt);
    volume.tx.dirty(bp);
    if (volume.hasMetadataCsum) recordChanged(volume, bp, this.#tableAt, this.ino);
    this.sequence = volume.tx.sequence;
    return 0;
  }

  /** The record was changed, by this or an earlier user of the inode, and has no checksum yet. */
  get isSumPending(): boolean {
    const { volume } = this;
    return isSumPending(volume, volume.cache.peek(this.#tableBlock), this.#tableAt);
  }

  get mode(): number {
    return DiskInode.i_mode.get(this.view, 0);
  }

  set mode(mode: number) {
    DiskInode.i_mode.set(this.view, 0, mode);
  }

  get flags(): number {
    return DiskInode.i_flags.get(this.view, 0);
  }

  set flags(flags: number) {
    DiskInode.i_flags.set(this.view, 0, flags >>> 0);
  }

  get type(): number {
    return this.mode & S_IFMT;
  }

  /** What its blocks hold is metadata, that is, goes through the journal. */
  get isMetadata(): boolean {
    return this.type !== S_IFREG || this.has(EA_INODE_FL);
  }

  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  /** The 60 bytes that hold block map, extent root, short symlink, device number or data. */
  get block(): Uint8Array {
    const at = DiskInode.i_block.offset;
    return this.raw.subarray(at, at + 60);
  }

  /** 1 also stands for "too many to count" of a directory (dir_nlink). */
  get nlink(): number {
    return DiskInode.i_links_count.get(this.view, 0);
  }

  set nlink(count: number) {
    DiskInode.i_links_count.set(this.view, 0, count);
  }

  get uid(): number {
    return DiskInode.i_uid.get(this.view, 0) + DiskInode.i_uid_high.get(this.view, 0) * 0x10000;
  }

  set uid(uid: number) {
    DiskInode.i_uid.set(this.view, 0, uid & 0xffff);
    DiskInode.i_uid_high.set(this.view, 0, uid >>> 16);
  }

  get gid(): number {
    return DiskInode.i_gid.get(this.view, 0) + DiskInode.i_gid_high.get(this.view, 0) * 0x10000;
  }

  set gid(gid: number) {
    DiskInode.i_gid.set(this.view, 0, gid & 0xffff);
    DiskInode.i_gid_high.set(this.view, 0, gid >>> 16);
  }

  /** The size that the record says: never past data that is not written yet. */
  get diskSizeBytes(): number {
    const low = DiskInode.i_size_lo.get(this.view, 0);
    return this.#hasHighSize ? wide(DiskInode.i_size_high.get(this.view, 0), low) : low;
  }

  set diskSizeBytes(size: number) {
    DiskInode.i_size_lo.set(this.view, 0, size % TWO32);
    if (this.#hasHighSize) DiskInode.i_size_high.set(this.view, 0, Math.floor(size / TWO32));
  }

  /** Sets both sizes. */
  resize(size: number): void {
    this.sizeBytes = size;
    this.diskSizeBytes = size;
  }

  /** Held 512-byte units. */
  get blocks512(): number {
    const low = DiskInode.i_blocks_lo.get(this.view, 0);
    if (!this.#hasHugeFiles) return low;
    const all = wide(DiskInode.i_blocks_high.get(this.view, 0), low);
    return this.has(HUGE_FILE_FL) ? all * (this.volume.geometry.blockSize / 512) : all;
  }

  /** Past what 48 bits hold (32 without huge_file) the count is kept in blocks, as far as it goes. */
  set blocks512(count: number) {
    if (!this.#hasHugeFiles) {
      DiskInode.i_blocks_lo.set(this.view, 0, Math.min(count, TWO32 - 1));
      return;
    }
    const isHuge = count >= TWO32 * 0x10000;
    const n = isHuge ? Math.floor(count / (this.volume.geometry.blockSize / 512)) : count;
    this.flags = isHuge ? this.flags | HUGE_FILE_FL : this.flags & ~HUGE_FILE_FL;
    DiskInode.i_blocks_lo.set(this.view, 0, n % TWO32);
    DiskInode.i_blocks_high.set(this.view, 0, Math.floor(n / TWO32));
  }

  /** Block of the extended attributes that the inode has no room for; 0 if none. */
  get xattrBlock(): number {
    const high = this.#has64 ? DiskInode.i_file_acl_high.get(this.view, 0) : 0;
    return wide(high, DiskInode.i_file_acl_lo.get(this.view, 0));
  }

  set xattrBlock(block: number) {
    DiskInode.i_file_acl_lo.set(this.view, 0, block % TWO32);
    if (this.#has64) DiskInode.i_file_acl_high.set(this.view, 0, Math.floor(block / TWO32));
  }

  get generation(): number {
    return DiskInode.i_generation.get(this.view, 0);
  }

  /** When it was deleted; on the orphan list, the number of the next inode there. */
  get dtime(): number {
    return DiskInode.i_dtime.get(this.view, 0);
  }

  set dtime(sec: number) {
    DiskInode.i_dtime.set(this.view, 0, sec >>> 0);
  }

  get projectId(): number {
    return this.#reaches(DiskInode.i_projid.offset) ? DiskInode.i_projid.get(this.view, 0) : 0;
  }

  set projectId(id: number) {
    if (this.#reaches(DiskInode.i_projid.offset)) DiskInode.i_projid.set(this.view, 0, id);
  }

  /** Bytes of fields after the old inode; 0 where there are none. */
  get extraSize(): number {
    return this.raw.length > GOOD_OLD_INODE_SIZE ? DiskInode.i_extra_isize.get(this.view, 0) : 0;
  }

  get atime(): Timespec {
    return readTime(this.view, DiskInode.i_atime.offset, this.#extra(DiskInode.i_atime_extra));
  }

  set atime(t: Timespec) {
    writeTime(this.view, DiskInode.i_atime.offset, this.#extra(DiskInode.i_atime_extra), t);
  }

  get mtime(): Timespec {
    return readTime(this.view, DiskInode.i_mtime.offset, this.#extra(DiskInode.i_mtime_extra));
  }

  set mtime(t: Timespec) {
    writeTime(this.view, DiskInode.i_mtime.offset, this.#extra(DiskInode.i_mtime_extra), t);
  }

  get ctime(): Timespec {
    return readTime(this.view, DiskInode.i_ctime.offset, this.#extra(DiskInode.i_ctime_extra));
  }

  /** Every change of the inode passes here: i_version counts them. */
  set ctime(t: Timespec) {
    writeTime(this.view, DiskInode.i_ctime.offset, this.#extra(DiskInode.i_ctime_extra), t);
    DiskInode.i_version.set(this.view, 0, DiskInode.i_version.get(this.view, 0) + 1);
  }

  get btime(): Timespec | null {
    const extra = this.#extra(DiskInode.i_crtime_extra);
    return extra < 0 ? null : readTime(this.view, DiskInode.i_crtime.offset, extra);
  }

  set btime(t: Timespec) {
    const extra = this.#extra(DiskInode.i_crtime_extra);
    if (extra >= 0) writeTime(this.view, DiskInode.i_crtime.offset, extra, t);
  }

  /** Number of a device node as stat(2) shows it; 0 for other files. */
  get rdev(): number {
    if (this.type !== S_IFCHR && this.type !== S_IFBLK) return 0;
    const at = DiskInode.i_block.offset;
    const old = this.view.getUint32(at, true) & 0xffff;
    return old !== 0 ? old : this.view.getUint32(at + 4, true);
  }

  /** The old encoding has eight bits each for major and minor. */
  set rdev(dev: number) {
    const at = DiskInode.i_block.offset;
    const isOld = dev >>> 0 <= 0xffff;
    this.view.setUint32(at, isOld ? dev : 0, true);
    this.view.setUint32(at + 4, isOld ? 0 : dev, true);
  }

  get #has64(): boolean {
    return (this.volume.incompat & feature.INCOMPAT_64BIT) !== 0;
  }

  get #hasHugeFiles(): boolean {
    return (this.volume.roCompat & feature.RO_COMPAT_HUGE_FILE) !== 0;
  }

  /** In other inodes i_size_high was an ACL's block once. */
  get #hasHighSize(): boolean {
    return this.type === S_IFREG || (this.volume.incompat & feature.INCOMPAT_LARGEDIR) !== 0;
  }

  /** Where a second word of a time is; -1 if the inode does not reach so far. */
  #extra(field: { readonly offset: number }): number {
    return this.#reaches(field.offset) ? field.offset : -1;
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
  const ip = inodeAt(volume, ino);
  if (typeof ip === "number") return ip;
  if (ip.mode === 0 || ip.nlink === 0) return ESTALE;
  return fault(ip) ?? ip;
}

/** As `readInode`, for one that has lost its last name but not its contents. */
export function readOrphan(volume: Volume, ino: number): Inode | Errno {
  const g = volume.geometry;
  if (ino < g.firstIno || ino > g.inodesCount) {
    return volume.corrupt(`bad orphan inode ${ino}`);
  }
  const ip = inodeAt(volume, ino);
  if (typeof ip === "number") return ip;
  if (ip.mode === 0) return ESTALE;
  return fault(ip) ?? ip;
}

/** The record of `ino` as it lies, unchecked: for one that is being made. */
export function inodeAt(volume: Volume, ino: number): Inode | Errno {
  const g = volume.geometry;
  if (ino < 1 || ino > g.inodesCount) return volume.corrupt(`bad inode number: ${ino}`);
  const group = Math.floor((ino - 1) / g.inodesPerGroup);
  const table = volume.groups.inodeTable(group);
  if (failed(table)) return table;
  const byte = ((ino - 1) % g.inodesPerGroup) * g.inodeSize;
  const block = table + Math.floor(byte / g.blockSize);
  const bp = volume.bread(block);
  if (typeof bp === "number") return bp;
  const at = byte % g.blockSize;
  return new Inode(volume, ino, bp.data.slice(at, at + g.inodeSize), block, at);
}

function fault(ip: Inode): Errno | null {
  const { volume, ino } = ip;
  if (ip.extraSize > ip.raw.length - GOOD_OLD_INODE_SIZE || (ip.extraSize & 3) !== 0) {
    return volume.corrupt(`inode #${ino}: bad extra_isize ${ip.extraSize}`);
  }
  if (volume.hasMetadataCsum && !isSumRight(ip) && !ip.isSumPending) {
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
