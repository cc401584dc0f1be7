/**
 * The checksum of an inode's record: 32 bits in two halves, as far as the record
 * has room for them. Source: Documentation/filesystems/ext4/checksums.rst.
 */
import { crc32c } from "../../lib/crc32c.ts";
import { crcWithHole } from "./checksum.ts";
import type { Inode } from "./inode.ts";
import { DiskInode, GOOD_OLD_INODE_SIZE } from "./layout.ts";

const LOW_AT = DiskInode.i_checksum_lo.offset;
const HIGH_AT = DiskInode.i_checksum_hi.offset;

/** True if the record has room for the upper half of its checksum. */
function hasHighSum(ip: Inode): boolean {
  return ip.raw.length > GOOD_OLD_INODE_SIZE && GOOD_OLD_INODE_SIZE + ip.extraSize >= HIGH_AT + 2;
}

/** The record's checksum: 32 bits, of which a small inode keeps 16. */
function sumOf(ip: Inode): number {
  const sum = crcWithHole(ip.csumSeed, ip.raw, 0, GOOD_OLD_INODE_SIZE, LOW_AT, 2);
  if (hasHighSum(ip)) {
    return crcWithHole(sum, ip.raw, GOOD_OLD_INODE_SIZE, ip.raw.length, HIGH_AT, 2);
  }
  return crc32c(sum, ip.raw, GOOD_OLD_INODE_SIZE) & 0xffff;
}

export function isSumRight(ip: Inode): boolean {
  const low = DiskInode.i_checksum_lo.get(ip.view, 0);
  const high = hasHighSum(ip) ? DiskInode.i_checksum_hi.get(ip.view, 0) : 0;
  return sumOf(ip) === low + high * 0x10000;
}

/** Sets it, for the record is about to go to the inode table. */
export function setSum(ip: Inode): void {
  const sum = sumOf(ip);
  DiskInode.i_checksum_lo.set(ip.view, 0, sum & 0xffff);
  if (hasHighSum(ip)) DiskInode.i_checksum_hi.set(ip.view, 0, sum >>> 16);
}
