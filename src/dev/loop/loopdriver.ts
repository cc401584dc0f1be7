/** Opening loop devices, and /dev/loop-control. See loop(4). */

import { ENOTTY, ENXIO, type Errno } from "../../abi/errno.ts";
import { LOOP_CTL_ADD, LOOP_CTL_GET_FREE, LOOP_CTL_REMOVE } from "../../abi/loop.ts";
import type { Thread } from "../../kern/thread.ts";
import { type DeviceDriver, minorOf } from "../../vfs/device.ts";
import { File } from "../../vfs/file.ts";
import type { UserMemory } from "../../vm/usermem.ts";
import type { Loops } from "./loops.ts";

/** Opening a loop device makes it, if it is not there yet. */
export class LoopDriver implements DeviceDriver {
  readonly #loops: Loops;
  /** Opens disks that are there. */
  readonly #disks: DeviceDriver;

  constructor(loops: Loops, disks: DeviceDriver) {
    this.#loops = loops;
    this.#disks = disks;
  }

  open(td: Thread, rdev: number, flags: number): File | Errno {
    return this.#loops.open(minorOf(rdev)) ? this.#disks.open(td, rdev, flags) : ENXIO;
  }

  sync(rdev: number): number {
    return this.#disks.sync?.(rdev) ?? 0;
  }
}

export class LoopControlDriver implements DeviceDriver {
  readonly #loops: Loops;

  constructor(loops: Loops) {
    this.#loops = loops;
  }

  open(_td: Thread, _rdev: number, flags: number): File {
    return new LoopControl(this.#loops, flags);
  }
}

class LoopControl extends File {
  readonly #loops: Loops;

  constructor(loops: Loops, flags: number) {
    super(flags);
    this.#loops = loops;
  }

  describe(): string {
    return "/dev/loop-control";
  }

  override ioctl(_td: Thread, request: number, arg: number, _mem: UserMemory): number {
    switch (request >>> 0) {
      case LOOP_CTL_ADD:
        return this.#loops.add(arg | 0);
      case LOOP_CTL_REMOVE:
        return this.#loops.remove(arg | 0);
      case LOOP_CTL_GET_FREE:
        return this.#loops.free();
      default:
        return ENOTTY;
    }
  }
}
