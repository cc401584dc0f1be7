/**
 * Disks in /dev: a node for each, and the links by which udev's users find
 * them: by-id/vkd-SERIAL, by-partuuid, by-partlabel. See udev(7),
 * 60-persistent-storage.rules.
 */
import type { Devfs } from "../fs/devfs/devfs.ts";
import type { Disk } from "../vfs/blockdevice.ts";
import type { DiskObserver } from "../vfs/disks.ts";

export class DiskNodes implements DiskObserver {
  readonly #devfs: Devfs;

  constructor(devfs: Devfs) {
    this.#devfs = devfs;
  }

  diskAdded(disk: Disk): void {
    this.#devfs.addDisk(disk.name, disk.rdev);
    for (const link of linksTo(disk)) this.#devfs.addLink(link, `../../${disk.name}`);
  }

  diskRemoved(disk: Disk): void {
    this.#devfs.remove(disk.name);
    for (const link of linksTo(disk)) this.#devfs.remove(link);
  }
}

function linksTo(disk: Disk): readonly string[] {
  const { place } = disk;
  const whole = place?.whole ?? disk;
  const links: string[] = [];
  if (whole.serial) {
    // "vkd" of "vkd0".
    const kind = whole.name.replace(/\d+$/, "");
    const serial = whole.serial.replace(/[^A-Za-z0-9#+.:=@_-]/g, "_");
    links.push(`disk/by-id/${kind}-${serial}${place ? `-part${place.number}` : ""}`);
  }
  if (place?.uuid) links.push(`disk/by-partuuid/${place.uuid}`);
  if (place?.label) links.push(`disk/by-partlabel/${place.label}`);
  return links;
}
