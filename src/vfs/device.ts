/**
 * Devices by number: what opening a character or block special file reaches.
 *
 * A device number is Linux's dev_t as stat(2) shows it: 12 bits of major, 20
 * of minor. The boot floor registers drivers; a driver owns a range of minors
 * of one major. See mknod(2), makedev(3).
 */
import { ENXIO, type Errno } from "../abi/errno.ts";
import type { Thread } from "../kern/thread.ts";
import type { File } from "./file.ts";

export interface DeviceDriver {
  /** A new open file on the device; `flags` are those of open(2). May sleep. */
  open(td: Thread, rdev: number, flags: number): File | Errno;
  /** Writes what is cached of a block device, for who is going to read it by other ways. 0 or an error. */
  sync?(rdev: number): number;
}

export function makedev(major: number, minor: number): number {
  return (minor & 0xff) + (major & 0xfff) * 0x100 + (minor >>> 8) * 0x100000;
}

export function majorOf(rdev: number): number {
  return (rdev >>> 8) & 0xfff;
}

export function minorOf(rdev: number): number {
  return (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
}

interface Registration {
  readonly name: string;
  readonly major: number;
  readonly firstMinor: number;
  readonly minors: number;
  readonly driver: DeviceDriver;
}

/** The character devices, or the block devices, of a machine. */
export class DeviceTable {
  readonly #byMajor = new Map<number, Registration[]>();

  /** `name` is what /proc/devices shows for the major. */
  register(
    name: string,
    major: number,
    firstMinor: number,
    minors: number,
    driver: DeviceDriver,
  ): void {
    const list = this.#byMajor.get(major) ?? [];
    list.push({ name, major, firstMinor, minors, driver });
    this.#byMajor.set(major, list);
  }

  find(rdev: number): DeviceDriver | null {
    const minor = minorOf(rdev);
    for (const r of this.#byMajor.get(majorOf(rdev)) ?? []) {
      if (minor >= r.firstMinor && minor < r.firstMinor + r.minors) return r.driver;
    }
    return null;
  }

  open(td: Thread, rdev: number, flags: number): File | Errno {
    return this.find(rdev)?.open(td, rdev, flags) ?? ENXIO;
  }

  /** Majors with the name of their first registration, ascending, for /proc/devices. */
  majors(): readonly (readonly [number, string])[] {
    return [...this.#byMajor]
      .map(([major, list]) => [major, list[0]!.name] as const)
      .sort((a, b) => a[0] - b[0]);
  }
}
