/**
 * Block groups: their descriptors, read, checked and changed, summed at commit, and
 * the volume's counts of what is free.
 *
 * A descriptor that `read` hands out has a right checksum and places for its
 * bitmaps and table that lie on the volume; a block of descriptors is checked
 * once per stay in the buffer cache. The free counts here are the sums over
 * all descriptors once `load` ran, as Linux computes them at mount; the
 * superblock's copies follow them (`storeCounts`).
 * Source: Documentation/filesystems/ext4/group_descr.rst, fs/ext4/super.c.
 */
import type { Errno } from "../../abi/errno.ts";
import { crc16 } from "../../lib/crc16.ts";
import { crc32c } from "../../lib/crc32c.ts";
import { wide } from "../../lib/wide.ts";
import type { Buf } from "../../vfs/bio.ts";
import { crcU32, crcWithHole } from "./checksum.ts";
import * as feature from "./features.ts";
import { BG_BLOCK_UNINIT, BG_INODE_UNINIT, GroupDesc, SuperBlock } from "./layout.ts";
import type { Volume } from "./volume.ts";

const TWO32 = 4294967296;
const WIDE_DESC_SIZE = 64;

export class Groups {
  readonly volume: Volume;
  /** Clusters free on the volume (blocks, without bigalloc), and inodes. */
  freeClusters = 0;
  freeInodes = 0;
  /** Groups whose descriptor was found damaged: nothing in them is used. */
  readonly #bad = new Set<number>();
  /** By group: descriptors that were changed, and have no checksum yet. */
  readonly #unsealed = new Map<number, GroupDescriptor>();

  constructor(volume: Volume) {
    this.volume = volume;
    const view = volume.superView;
    const high = (volume.incompat & feature.INCOMPAT_64BIT) !== 0 ? TWO32 : 0;
    this.freeClusters =
      SuperBlock.s_free_blocks_count_lo.get(view, 0) +
      SuperBlock.s_free_blocks_count_hi.get(view, 0) * high;
    this.freeInodes = SuperBlock.s_free_inodes_count.get(view, 0);
  }

  get count(): number {
    return this.volume.geometry.groupsCount;
  }

  /** Descriptors carry a checksum and the flags that say what was never initialised. */
  get hasSums(): boolean {
    return this.volume.hasMetadataCsum || (this.volume.roCompat & feature.RO_COMPAT_GDT_CSUM) !== 0;
  }

  /** For a writable mount: counts what is free. 0, or what is wrong with a descriptor. */
  load(): number {
    const { blocksPerGroup } = this.volume.geometry;
    if (blocksPerGroup < 256 || blocksPerGroup % 8 !== 0) {
      return this.volume.corrupt(`unsupported blocks per group: ${blocksPerGroup}`);
    }
    let clusters = 0;
    let inodes = 0;
    for (let group = 0; group < this.count; group++) {
      const desc = this.read(group);
      if (typeof desc === "number") return desc;
      clusters += desc.freeClusters;
      inodes += desc.freeInodes;
    }
    this.freeClusters = clusters;
    this.freeInodes = inodes;
    return 0;
  }

  /** Brings the superblock's counts up to date in `volume.superView`; true if they changed. */
  storeCounts(): boolean {
    const view = this.volume.superView;
    const low = this.freeClusters % TWO32;
    const high = Math.floor(this.freeClusters / TWO32);
    const is64 = (this.volume.incompat & feature.INCOMPAT_64BIT) !== 0;
    if (
      SuperBlock.s_free_blocks_count_lo.get(view, 0) === low &&
      (!is64 || SuperBlock.s_free_blocks_count_hi.get(view, 0) === high) &&
      SuperBlock.s_free_inodes_count.get(view, 0) === this.freeInodes
    ) {
      return false;
    }
    SuperBlock.s_free_blocks_count_lo.set(view, 0, low);
    if (is64) SuperBlock.s_free_blocks_count_hi.set(view, 0, high);
    SuperBlock.s_free_inodes_count.set(view, 0, this.freeInodes);
    return true;
  }

  /** `desc` was changed, perhaps with bitmaps: sets the checksums when it is written. */
  changed(desc: GroupDescriptor): void {
    const before = this.#unsealed.get(desc.group);
    if (before) {
      before.changedBlocks ??= desc.changedBlocks;
      before.changedInodes ??= desc.changedInodes;
    } else {
      this.#unsealed.set(desc.group, desc);
    }
  }

  /** Before a commit: sums the bitmaps and descriptors that were changed since the last one. */
  seal(): void {
    for (const desc of this.#unsealed.values()) desc.seal();
    this.#unsealed.clear();
  }

  /** The descriptor of `group`, good until the next call that may read a block. EUCLEAN, EFSBADCRC, EIO. */
  read(group: number): GroupDescriptor | Errno {
    const { volume } = this;
    const g = volume.geometry;
    const perBlock = g.blockSize / g.descSize;
    const index = Math.floor(group / perBlock);
    const bp = volume.bread(this.descBlock(index));
    if (typeof bp === "number") return bp;
    if (bp.soundFor !== this) {
      const end = Math.min((index + 1) * perBlock, this.count);
      for (let i = index * perBlock; i < end; i++) this.#check(new GroupDescriptor(this, i, bp));
      bp.soundFor = this;
    }
    if (this.#bad.has(group)) return volume.corrupt(`group ${group}: bad descriptor`, this.hasSums);
    return new GroupDescriptor(this, group, bp);
  }

  /** First block of group `group`'s inode table; EUCLEAN, EFSBADCRC or EIO. */
  inodeTable(group: number): number {
    const desc = this.read(group);
    return typeof desc === "number" ? desc : desc.inodeTable;
  }

  /** First block of `group`, and how many it has. */
  firstBlock(group: number): number {
    const g = this.volume.geometry;
    return g.firstDataBlock + group * g.blocksPerGroup;
  }

  blocksIn(group: number): number {
    const g = this.volume.geometry;
    return Math.min(g.blocksPerGroup, g.blocksCount - this.firstBlock(group));
  }

  groupOf(blkno: number): number {
    const g = this.volume.geometry;
    return Math.floor((blkno - g.firstDataBlock) / g.blocksPerGroup);
  }

  get inodeTableBlocks(): number {
    const g = this.volume.geometry;
    return Math.ceil((g.inodesPerGroup * g.inodeSize) / g.blockSize);
  }

  /** Where descriptor block `index` is: after the superblock, or spread out by meta_bg. */
  descBlock(index: number): number {
    const { volume } = this;
    const g = volume.geometry;
    if (!this.#isSpread(index)) return (g.blockSize === 1024 ? 2 : 1) + index;
    const group = index * Math.floor(g.blockSize / g.descSize);
    let at = this.firstBlock(group);
    if (this.hasSuper(group)) at++;
    if (g.blockSize === 1024 && index === 0 && g.firstDataBlock === 0) at++;
    return at;
  }

  /** Blocks that the superblock's copy and the descriptors take at the start of `group`. */
  baseBlocks(group: number): number {
    const { volume } = this;
    const g = volume.geometry;
    const own = this.hasSuper(group) ? 1 : 0;
    const perBlock = g.blockSize / g.descSize;
    const meta = Math.floor(group / perBlock);
    if (this.#isSpread(meta)) {
      const place = group % perBlock;
      return own + (place === 0 || place === 1 || place === perBlock - 1 ? 1 : 0);
    }
    if (own === 0) return 0;
    const isMeta = (volume.incompat & feature.INCOMPAT_META_BG) !== 0;
    const table = isMeta ? g.firstMetaBg : Math.ceil(g.groupsCount / perBlock);
    return 1 + table + SuperBlock.s_reserved_gdt_blocks.get(volume.superView, 0);
  }

  /** A copy of the superblock is at the start of `group`. */
  hasSuper(group: number): boolean {
    const { volume } = this;
    if (group === 0) return true;
    if ((volume.compat & feature.COMPAT_SPARSE_SUPER2) !== 0) {
      const at = SuperBlock.s_backup_bgs.offset;
      return (
        volume.superView.getUint32(at, true) === group ||
        volume.superView.getUint32(at + 4, true) === group
      );
    }
    if (group === 1 || (volume.roCompat & feature.RO_COMPAT_SPARSE_SUPER) === 0) return true;
    return isPowerOf(group, 3) || isPowerOf(group, 5) || isPowerOf(group, 7);
  }

  #isSpread(index: number): boolean {
    const { incompat, geometry } = this.volume;
    return (incompat & feature.INCOMPAT_META_BG) !== 0 && index >= geometry.firstMetaBg;
  }

  #check(desc: GroupDescriptor): void {
    const { volume } = this;
    const isSound =
      desc.isSumRight() &&
      volume.holds(desc.inodeTable, this.inodeTableBlocks) &&
      (volume.device.isReadOnly ||
        (volume.holds(desc.blockBitmap, 1) && volume.holds(desc.inodeBitmap, 1)));
    if (isSound) this.#bad.delete(desc.group);
    else this.#bad.add(desc.group);
  }
}

/** One group's descriptor in its buffer. Setters change the buffer; `changed` makes it count. */
export class GroupDescriptor {
  readonly groups: Groups;
  readonly group: number;
  readonly bp: Buf;
  /** Bitmaps that were changed and are to be summed. */
  changedBlocks: Buf | null = null;
  changedInodes: Buf | null = null;
  readonly #at: number;
  readonly #isWide: boolean;

  constructor(groups: Groups, group: number, bp: Buf) {
    const g = groups.volume.geometry;
    this.groups = groups;
    this.group = group;
    this.bp = bp;
    this.#at = (group * g.descSize) % g.blockSize;
    this.#isWide = g.descSize >= WIDE_DESC_SIZE;
  }

  get blockBitmap(): number {
    const high = this.#isWide ? GroupDesc.bg_block_bitmap_hi.get(this.bp.view, this.#at) : 0;
    return wide(high, GroupDesc.bg_block_bitmap_lo.get(this.bp.view, this.#at));
  }

  get inodeBitmap(): number {
    const high = this.#isWide ? GroupDesc.bg_inode_bitmap_hi.get(this.bp.view, this.#at) : 0;
    return wide(high, GroupDesc.bg_inode_bitmap_lo.get(this.bp.view, this.#at));
  }

  get inodeTable(): number {
    const high = this.#isWide ? GroupDesc.bg_inode_table_hi.get(this.bp.view, this.#at) : 0;
    return wide(high, GroupDesc.bg_inode_table_lo.get(this.bp.view, this.#at));
  }

  get freeClusters(): number {
    const high = this.#isWide ? GroupDesc.bg_free_blocks_count_hi.get(this.bp.view, this.#at) : 0;
    return GroupDesc.bg_free_blocks_count_lo.get(this.bp.view, this.#at) + high * 0x10000;
  }

  set freeClusters(n: number) {
    this.groups.freeClusters += n - this.freeClusters;
    GroupDesc.bg_free_blocks_count_lo.set(this.bp.view, this.#at, n & 0xffff);
    if (this.#isWide) GroupDesc.bg_free_blocks_count_hi.set(this.bp.view, this.#at, n >>> 16);
  }

  get freeInodes(): number {
    const high = this.#isWide ? GroupDesc.bg_free_inodes_count_hi.get(this.bp.view, this.#at) : 0;
    return GroupDesc.bg_free_inodes_count_lo.get(this.bp.view, this.#at) + high * 0x10000;
  }

  set freeInodes(n: number) {
    this.groups.freeInodes += n - this.freeInodes;
    GroupDesc.bg_free_inodes_count_lo.set(this.bp.view, this.#at, n & 0xffff);
    if (this.#isWide) GroupDesc.bg_free_inodes_count_hi.set(this.bp.view, this.#at, n >>> 16);
  }

  get usedDirs(): number {
    const high = this.#isWide ? GroupDesc.bg_used_dirs_count_hi.get(this.bp.view, this.#at) : 0;
    return GroupDesc.bg_used_dirs_count_lo.get(this.bp.view, this.#at) + high * 0x10000;
  }

  set usedDirs(n: number) {
    GroupDesc.bg_used_dirs_count_lo.set(this.bp.view, this.#at, n & 0xffff);
    if (this.#isWide) GroupDesc.bg_used_dirs_count_hi.set(this.bp.view, this.#at, n >>> 16);
  }

  /** Inodes at the end of the table that were never used: no checker looks at them. */
  get itableUnused(): number {
    const high = this.#isWide ? GroupDesc.bg_itable_unused_hi.get(this.bp.view, this.#at) : 0;
    return GroupDesc.bg_itable_unused_lo.get(this.bp.view, this.#at) + high * 0x10000;
  }

  set itableUnused(n: number) {
    GroupDesc.bg_itable_unused_lo.set(this.bp.view, this.#at, n & 0xffff);
    if (this.#isWide) GroupDesc.bg_itable_unused_hi.set(this.bp.view, this.#at, n >>> 16);
  }

  /** BG_*; they mean nothing on a volume without sums in its descriptors. */
  get flags(): number {
    return this.groups.hasSums ? GroupDesc.bg_flags.get(this.bp.view, this.#at) : 0;
  }

  set flags(flags: number) {
    GroupDesc.bg_flags.set(this.bp.view, this.#at, flags);
  }

  get isBlockUninit(): boolean {
    return (this.flags & BG_BLOCK_UNINIT) !== 0;
  }

  get isInodeUninit(): boolean {
    return (this.flags & BG_INODE_UNINIT) !== 0;
  }

  /** Hands its block to the running transaction, to be sealed there. */
  changed(): void {
    this.groups.volume.tx.dirty(this.bp);
    if (this.groups.hasSums) this.groups.changed(this);
  }

  /** As `changed`, with the bitmap of its blocks, which is dirty already. */
  blocksChanged(bitmap: Buf): void {
    this.changedBlocks = bitmap;
    this.changed();
  }

  inodesChanged(bitmap: Buf): void {
    this.changedInodes = bitmap;
    this.changed();
  }

  /** Sets the checksums: of bitmaps that were changed, then its own. */
  seal(): void {
    if (this.groups.volume.hasMetadataCsum) {
      if (this.changedBlocks) this.#setBlockBitmapSum(this.changedBlocks.data);
      if (this.changedInodes) this.#setInodeBitmapSum(this.changedInodes.data);
    }
    this.changedBlocks = null;
    this.changedInodes = null;
    GroupDesc.bg_checksum.set(this.bp.view, this.#at, this.#sum());
  }

  isSumRight(): boolean {
    if (!this.groups.hasSums) return true;
    return GroupDesc.bg_checksum.get(this.bp.view, this.#at) === this.#sum();
  }

  isBlockBitmapSumRight(bitmap: Uint8Array): boolean {
    if (!this.groups.volume.hasMetadataCsum) return true;
    const sum = this.#blockBitmapSum(bitmap);
    const low = GroupDesc.bg_block_bitmap_csum_lo.get(this.bp.view, this.#at);
    if (low !== (sum & 0xffff)) return false;
    if (!this.#isWide) return true;
    return GroupDesc.bg_block_bitmap_csum_hi.get(this.bp.view, this.#at) === sum >>> 16;
  }

  #setBlockBitmapSum(bitmap: Uint8Array): void {
    const sum = this.#blockBitmapSum(bitmap);
    GroupDesc.bg_block_bitmap_csum_lo.set(this.bp.view, this.#at, sum & 0xffff);
    if (this.#isWide) GroupDesc.bg_block_bitmap_csum_hi.set(this.bp.view, this.#at, sum >>> 16);
  }

  isInodeBitmapSumRight(bitmap: Uint8Array): boolean {
    if (!this.groups.volume.hasMetadataCsum) return true;
    const sum = this.#inodeBitmapSum(bitmap);
    const low = GroupDesc.bg_inode_bitmap_csum_lo.get(this.bp.view, this.#at);
    if (low !== (sum & 0xffff)) return false;
    if (!this.#isWide) return true;
    return GroupDesc.bg_inode_bitmap_csum_hi.get(this.bp.view, this.#at) === sum >>> 16;
  }

  #setInodeBitmapSum(bitmap: Uint8Array): void {
    const sum = this.#inodeBitmapSum(bitmap);
    GroupDesc.bg_inode_bitmap_csum_lo.set(this.bp.view, this.#at, sum & 0xffff);
    if (this.#isWide) GroupDesc.bg_inode_bitmap_csum_hi.set(this.bp.view, this.#at, sum >>> 16);
  }

  #blockBitmapSum(bitmap: Uint8Array): number {
    const { csumSeed, geometry: g } = this.groups.volume;
    return crc32c(csumSeed, bitmap, 0, g.blocksPerGroup / g.clusterRatio / 8);
  }

  #inodeBitmapSum(bitmap: Uint8Array): number {
    const { csumSeed, geometry: g } = this.groups.volume;
    return crc32c(csumSeed, bitmap, 0, g.inodesPerGroup / 8);
  }

  #sum(): number {
    const { volume } = this.groups;
    const at = this.#at;
    const { data } = this.bp;
    const sumAt = at + GroupDesc.bg_checksum.offset;
    const end = at + volume.geometry.descSize;
    if (volume.hasMetadataCsum) {
      const seed = crcU32(volume.csumSeed, this.group);
      return crcWithHole(seed, data, at, end, sumAt, 2) & 0xffff;
    }
    const { group } = this;
    let sum = crc16(0xffff, SuperBlock.s_uuid.get(volume.superView, 0));
    sum = crc16(sum, new Uint8Array([group, group >> 8, group >> 16, group >> 24]));
    sum = crc16(sum, data, at, sumAt);
    return sumAt + 2 < end ? crc16(sum, data, sumAt + 2, end) : sum;
  }
}

function isPowerOf(n: number, base: number): boolean {
  let p = base;
  while (p < n) p *= base;
  return p === n;
}
