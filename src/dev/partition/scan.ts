/**
 * The partitions of a disk as devices: read from its table at boot and by
 * BLKRRPART, or told one by one by BLKPG, as partx(8) does.
 *
 * A partition that is open or mounted is never taken away. See blockdev(8),
 * partx(8), <linux/blkpg.h>.
 */
import { EBUSY, EINVAL, ENXIO } from "../../abi/errno.ts";
import type { Disk } from "../../vfs/blockdevice.ts";
import { majorOf, makedev, minorOf } from "../../vfs/device.ts";
import type { Disks } from "../../vfs/disks.ts";
import type { PartitionExtent } from "./extent.ts";
import { scanGpt } from "./gpt.ts";
import { scanMbr } from "./mbr.ts";
import { Partition } from "./partition.ts";

/** Minors that a disk has for its partitions. */
export const MAX_PARTITIONS = 15;

/** What the table on the disk says; [] if there is none. Only what lies within the disk. */
export function readPartitions(disk: Disk): readonly PartitionExtent[] {
  const found = scanGpt(disk) ?? scanMbr(disk);
  return found.filter((e) => e.number <= MAX_PARTITIONS && isWithin(disk, e));
}

/** Reads the table (again). 0, or EBUSY while a partition is in use. */
export function rescanPartitions(
  disks: Disks,
  whole: Disk,
  isInUse: (disk: Disk) => boolean,
): number {
  const old = disks.partitionsOf(whole);
  if (old.some(isInUse)) return EBUSY;
  for (const d of old) disks.remove(d);
  for (const e of readPartitions(whole)) addPartition(disks, whole, e);
  return 0;
}

/** 0, EBUSY if there is one of that number or in that place, EINVAL if it cannot be there. */
export function addPartition(disks: Disks, whole: Disk, extent: PartitionExtent): number {
  const { number, startBytes, sizeBytes, uuid, label } = extent;
  if (!(number >= 1 && number <= MAX_PARTITIONS) || !isWithin(whole, extent)) return EINVAL;
  if (disks.partitionsOf(whole).some((d) => d.place!.number === number)) return EBUSY;
  const rdev =
    whole.partitionRdev?.(number) ?? makedev(majorOf(whole.rdev), minorOf(whole.rdev) + number);
  disks.add(new Partition({ whole, number, startBytes, uuid, label }, sizeBytes, rdev));
  return 0;
}

export function removePartition(
  disks: Disks,
  whole: Disk,
  number: number,
  isInUse: (disk: Disk) => boolean,
): number {
  const found = disks.partitionsOf(whole).find((d) => d.place!.number === number);
  if (!found) return ENXIO;
  if (isInUse(found)) return EBUSY;
  disks.remove(found);
  return 0;
}

/** Gives a partition another size where it is: no other one may be in the way. */
export function resizePartition(disks: Disks, whole: Disk, extent: PartitionExtent): number {
  const found = disks.partitionsOf(whole).find((d) => d.place!.number === extent.number);
  if (!(found instanceof Partition)) return ENXIO;
  if (found.place.startBytes !== extent.startBytes || !isWithin(whole, extent)) return EINVAL;
  if (overlapsAnother(disks, whole, extent)) return EBUSY;
  found.sizeBytes = extent.sizeBytes;
  disks.changed(found);
  return 0;
}

export function overlapsAnother(disks: Disks, whole: Disk, extent: PartitionExtent): boolean {
  const end = extent.startBytes + extent.sizeBytes;
  return disks.partitionsOf(whole).some((d) => {
    const { number, startBytes } = d.place!;
    if (number === extent.number) return false;
    return extent.startBytes < startBytes + d.sizeBytes && startBytes < end;
  });
}

function isWithin(whole: Disk, { startBytes, sizeBytes }: PartitionExtent): boolean {
  return startBytes > 0 && sizeBytes > 0 && startBytes + sizeBytes <= whole.sizeBytes;
}
