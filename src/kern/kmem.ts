/**
 * Kernel memory on behalf of programs: what open files, locks, map entries and
 * the like take of the host's memory, outside guest RAM.
 *
 * Guest RAM is capped by its size; this caps the rest, so that no program can
 * make the kernel grow without end. Sizes are estimates. Whoever makes an
 * object that a program can multiply takes its size here first, answers
 * ENOMEM or its kin when refused, and gives it back with the object. Compare
 * memcg's kmem in Linux, kern.maxfiles and malloc(9) types in the BSDs.
 */
export class KernelMemory {
  readonly limitBytes: number;
  usedBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** For a machine of `ramBytes`. */
  static beside(ramBytes: number): KernelMemory {
    return new KernelMemory(BASE_BYTES + ramBytes / 2);
  }

  /** False if there is no room: then nothing was taken. */
  take(bytes: number): boolean {
    if (this.usedBytes + bytes > this.limitBytes) return false;
    this.usedBytes += bytes;
    return true;
  }

  /** As `take`, for what is nice to have: leaves half of all to others. */
  takeSpare(bytes: number): boolean {
    return this.usedBytes + bytes <= this.limitBytes / 2 && this.take(bytes);
  }

  /** Takes what cannot be refused any more; `hasRoom` was asked before. */
  owe(bytes: number): void {
    this.usedBytes += bytes;
  }

  hasRoom(bytes: number): boolean {
    return this.usedBytes + bytes <= this.limitBytes;
  }

  give(bytes: number): void {
    this.usedBytes -= bytes;
  }
}

const BASE_BYTES = 16 * 2 ** 20;
