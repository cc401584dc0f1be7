/**
 * Which device the root is on: the kernel environment's vfs.root.mountfrom, as
 * in the ancestor ("ext4:vkd0p1"; the type and /dev/ may be left out), else
 * the boot disk as a whole. See loader.conf(5), vfs_mountroot.c.
 */
import type { Disk } from "../vfs/blockdevice.ts";
import type { Disks } from "../vfs/disks.ts";

export const MOUNTFROM = "vfs.root.mountfrom";

export interface RootDevice {
  readonly disk: Disk;
  /** Null: try the types that there are. */
  readonly typeName: string | null;
}

/** The root's device, or what is wrong with the wish for it. */
export function rootDevice(
  kenv: ReadonlyMap<string, string>,
  disks: Disks,
  bootDisk: Disk,
): RootDevice | string {
  const wish = kenv.get(MOUNTFROM);
  if (wish === undefined) return { disk: bootDisk, typeName: null };
  const colon = wish.indexOf(":");
  const name = wish.slice(colon + 1).replace(/^\/dev\//, "");
  const disk = disks.named(name);
  if (disk) return { disk, typeName: colon > 0 ? wish.slice(0, colon) : null };
  return `${MOUNTFROM}=${wish}: no such disk; there are ${disks.all.map((d) => d.name).join(", ")}`;
}

/** What to say beyond the error if a whole disk with partitions has no file system. */
export function partitionHint(disk: Disk, disks: Disks): string {
  const [first] = disk.place ? [] : disks.partitionsOf(disk);
  return first ? ` (it is partitioned: try -e ${MOUNTFROM}=${first.name})` : "";
}
