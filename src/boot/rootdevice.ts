/**
 * Which device the root is on: the kernel environment's vfs.root.mountfrom, as
 * in the ancestor ("ext4:vkd0p1"; the type and /dev/ may be left out), else
 * the boot disk as a whole; and how it is mounted. See loader.conf(5), vfs_mountroot.c.
 */
import type { Disk } from "../vfs/blockdevice.ts";
import type { Disks } from "../vfs/disks.ts";

export const MOUNTFROM = "vfs.root.mountfrom";
/** As mount -o takes them: "ro" or "rw", and what the file system knows. */
export const MOUNTFROM_OPTIONS = "vfs.root.mountfrom.options";

export interface RootDevice {
  readonly disk: Disk;
  /** Null: try the types that there are. */
  readonly typeName: string | null;
  /** Null: to be written if that can be. */
  readonly isReadOnly: boolean | null;
  /** The other options, for the file system. */
  readonly data: string;
}

/** The root's device, or what is wrong with the wish for it. */
export function rootDevice(
  kenv: ReadonlyMap<string, string>,
  disks: Disks,
  bootDisk: Disk,
): RootDevice | string {
  const words = (kenv.get(MOUNTFROM_OPTIONS) ?? "").split(",").filter((word) => word !== "");
  const mode = words.findLast((word) => word === "rw" || word === "ro");
  const isReadOnly = mode === undefined ? null : mode === "ro";
  const data = words.filter((word) => word !== "rw" && word !== "ro").join(",");
  const wish = kenv.get(MOUNTFROM);
  if (wish === undefined) return { disk: bootDisk, typeName: null, isReadOnly, data };
  const colon = wish.indexOf(":");
  const name = wish.slice(colon + 1).replace(/^\/dev\//, "");
  const disk = disks.named(name);
  if (disk) return { disk, typeName: colon > 0 ? wish.slice(0, colon) : null, isReadOnly, data };
  return `${MOUNTFROM}=${wish}: no such disk; there are ${disks.all.map((d) => d.name).join(", ")}`;
}

/** What to say beyond the error if a whole disk with partitions has no file system. */
export function partitionHint(disk: Disk, disks: Disks): string {
  const [first] = disk.place ? [] : disks.partitionsOf(disk);
  return first ? ` (it is partitioned: try -e ${MOUNTFROM}=${first.name})` : "";
}
