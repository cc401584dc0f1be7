/**
 * The block devices of a machine: a list that grows and shrinks as partition
 * tables are read and loop devices come and go.
 *
 * Whoever shows devices (/dev, /sys, sysctl) observes the list, and is told at
 * once of what is there already.
 */
import type { BlockDevices, Disk } from "./blockdevice.ts";

export interface DiskObserver {
  diskAdded(disk: Disk): void;
  diskRemoved(disk: Disk): void;
  /** Its size or its being read-only is another. */
  diskChanged?(disk: Disk): void;
}

export class Disks implements BlockDevices {
  /** A disk's partitions follow it, in order of their numbers. */
  readonly #disks: Disk[] = [];
  readonly #byRdev = new Map<number, Disk>();
  readonly #observers: DiskObserver[] = [];

  get all(): readonly Disk[] {
    return this.#disks;
  }

  disk(rdev: number): Disk | null {
    return this.#byRdev.get(rdev) ?? null;
  }

  named(name: string): Disk | null {
    return this.#disks.find((d) => d.name === name) ?? null;
  }

  partitionsOf(whole: Disk): readonly Disk[] {
    return this.#disks.filter((d) => d.place?.whole === whole);
  }

  add(disk: Disk): void {
    this.#disks.splice(this.#indexFor(disk), 0, disk);
    this.#byRdev.set(disk.rdev, disk);
    for (const o of this.#observers) o.diskAdded(disk);
  }

  remove(disk: Disk): void {
    const index = this.#disks.indexOf(disk);
    if (index < 0) return;
    this.#disks.splice(index, 1);
    this.#byRdev.delete(disk.rdev);
    for (const o of this.#observers) o.diskRemoved(disk);
  }

  changed(disk: Disk): void {
    for (const o of this.#observers) o.diskChanged?.(disk);
  }

  observe(observer: DiskObserver): void {
    this.#observers.push(observer);
    for (const d of this.#disks) observer.diskAdded(d);
  }

  #indexFor({ place }: Disk): number {
    if (!place) return this.#disks.length;
    let i = this.#disks.indexOf(place.whole) + 1;
    while (i < this.#disks.length) {
      const other = this.#disks[i]!.place;
      if (other?.whole !== place.whole || other.number > place.number) break;
      i++;
    }
    return i;
  }
}
