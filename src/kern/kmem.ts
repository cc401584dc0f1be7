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
import { CAP_SYS_ADMIN, type Cred } from "./cred.ts";

/** A CPU, as far as it matters here. */
export interface Spender {
  readonly current: { readonly cred: Cred; readonly cgroup: SpendingGroup } | null;
}

interface SpendingGroup {
  /** The group that pays for its threads; null: nobody but the machine. */
  readonly memoryGroup: { readonly kernel: KernelMemory | null } | null;
}

export class KernelMemory {
  readonly limitBytes: number;
  usedBytes = 0;
  /** Open files, and how many there may be; only CAP_SYS_ADMIN may go above: fs.file-nr, fs.file-max. */
  openFiles = 0;
  maxFiles = Number.POSITIVE_INFINITY;
  /** Who runs, and so spends; null before there is a CPU. */
  spender: Spender | null = null;

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

  /** The purse of who runs: that of a control group, or this. For objects that keep it. */
  get ofCurrent(): KernelMemory {
    return this.spender?.current?.cgroup.memoryGroup?.kernel ?? this;
  }

  /** For control groups: counts what is paid for already, where it is used. */
  hold(_bytes: number): void {}

  drop(_bytes: number): void {}

  fileOpened(): void {
    this.openFiles++;
  }

  fileClosed(): void {
    this.openFiles--;
  }

  /** Whether who runs may have one more open file. */
  mayOpenFile(): boolean {
    return this.openFiles < this.maxFiles || this.isAdmin;
  }

  /** Whether who runs has CAP_SYS_ADMIN; the kernel itself has. */
  get isAdmin(): boolean {
    return this.spender?.current?.cred.hasCap(CAP_SYS_ADMIN) ?? true;
  }

  hasRoom(bytes: number): boolean {
    return this.usedBytes + bytes <= this.limitBytes;
  }

  give(bytes: number): void {
    this.usedBytes -= bytes;
  }
}

const BASE_BYTES = 16 * 2 ** 20;
