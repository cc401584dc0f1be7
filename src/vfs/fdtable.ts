/**
 * File descriptors: small numbers for open files, lowest free first.
 *
 * Shared by threads and CLONE_FILES children, copied by fork(2). Each slot
 * holds one reference on its File. Nothing below `#firstFree` is free. See open(2).
 */
import { EBADF, EINVAL, EMFILE, ENFILE, ENOMEM, type Errno } from "../abi/errno.ts";
import { O_PATH } from "../abi/fcntl.ts";
import type { KernelMemory } from "../kern/kmem.ts";
import { FILE_BYTES, type File } from "./file.ts";

/** Slots that are paid for together, and what one takes. */
const SLOT_BATCH = 64;
const SLOT_BYTES = 24;

export class FdTable {
  readonly #files: (File | null)[] = [];
  /** Parallel to #files: 1 = close on exec. */
  readonly #cloexec: number[] = [];
  #firstFree = 0;
  refs = 1;
  /** Soft RLIMIT_NOFILE: descriptors stay below. */
  limit: number;
  readonly #kmem: KernelMemory | null;
  /** Slots paid for. */
  #paid = 0;

  constructor(limit = 1024, kmem: KernelMemory | null = null) {
    this.limit = limit;
    this.#kmem = kmem;
  }

  /** Slots ever used, for walking: descriptors are below this. */
  get size(): number {
    return this.#files.length;
  }

  /** The open file, unless it is one that O_PATH opened; null answers EBADF. */
  get(fd: number): File | null {
    const fp = this.#files[fd];
    return fp && (fp.flags & O_PATH) === 0 ? fp : null;
  }

  /** As `get`, but an O_PATH descriptor will do. */
  getAny(fd: number): File | null {
    return this.#files[fd] ?? null;
  }

  /** No descriptor is left: for calls that must know before they change anything. */
  get isFull(): boolean {
    return this.#lowestFree(0) >= this.limit;
  }

  /** Puts `fp` (whose reference it takes over) at the lowest free descriptor ≥ `min`. */
  alloc(fp: File, isCloexec: boolean, min = 0): number {
    if (min >= this.limit) return min === 0 ? EMFILE : EINVAL;
    const fd = this.#lowestFree(min);
    if (fd >= this.limit) return EMFILE;
    if (!this.#pay(fd, fp)) return ENFILE;
    this.#put(fd, fp, isCloexec);
    if (fd === this.#firstFree) this.#firstFree = fd + 1;
    return fd;
  }

  /** dup2(2)'s half: puts `fp` at exactly `fd`, closing what was there. */
  install(fd: number, fp: File, isCloexec: boolean): number {
    if (fd < 0 || fd >= this.limit) return EBADF;
    if (!this.#pay(fd, fp)) return ENOMEM;
    const old = this.#files[fd] ?? null;
    this.#put(fd, fp, isCloexec);
    if (old) this.#drop(old);
    return fd;
  }

  close(fd: number): number {
    const fp = this.#files[fd];
    if (!fp) return EBADF;
    this.#files[fd] = null;
    if (fd < this.#firstFree) this.#firstFree = fd;
    this.#drop(fp);
    return 0;
  }

  isCloexec(fd: number): boolean {
    return this.#cloexec[fd] === 1;
  }

  setCloexec(fd: number, isOn: boolean): void {
    if (this.#files[fd]) this.#cloexec[fd] = isOn ? 1 : 0;
  }

  /** For fork(2) and unshare(2): the same files under the same numbers. */
  copy(): FdTable | Errno {
    const kmem = this.#kmem?.ofCurrent ?? null;
    const t = new FdTable(this.limit, kmem);
    if (kmem && !kmem.take(this.#paid * SLOT_BYTES)) return ENOMEM;
    t.#paid = this.#paid;
    for (let fd = 0; fd < this.#files.length; fd++) {
      const fp = this.#files[fd] ?? null;
      t.#files.push(fp ? fp.hold() : null);
      t.#cloexec.push(this.#cloexec[fd]!);
    }
    t.#firstFree = this.#firstFree;
    return t;
  }

  closeOnExec(): void {
    for (let fd = 0; fd < this.#files.length; fd++) {
      if (this.#cloexec[fd] === 1 && this.#files[fd]) this.close(fd);
    }
  }

  hold(): this {
    this.refs++;
    return this;
  }

  /** The last user closes everything. */
  release(): void {
    if (--this.refs > 0) return;
    for (let fd = 0; fd < this.#files.length; fd++) if (this.#files[fd]) this.close(fd);
    this.#kmem?.give(this.#paid * SLOT_BYTES);
    this.#paid = 0;
  }

  #lowestFree(min: number): number {
    const files = this.#files;
    let fd = Math.max(min, this.#firstFree);
    while (fd < files.length && files[fd]) fd++;
    if (min <= this.#firstFree) this.#firstFree = fd;
    return fd;
  }

  /** Pays for the slot and for a file that is new here. */
  #pay(fd: number, fp: File): boolean {
    const kmem = this.#kmem;
    if (!kmem) return true;
    if (fd >= this.#paid) {
      const slots = fd + SLOT_BATCH - (fd % SLOT_BATCH);
      if (!kmem.take((slots - this.#paid) * SLOT_BYTES)) return false;
      this.#paid = slots;
    }
    if (fp.kmem) return true;
    const payer = kmem.ofCurrent;
    if (!payer.mayOpenFile() || !payer.take(FILE_BYTES)) return false;
    payer.fileOpened();
    fp.kmem = payer;
    return true;
  }

  #put(fd: number, fp: File, isCloexec: boolean): void {
    while (this.#files.length < fd) {
      this.#files.push(null);
      this.#cloexec.push(0);
    }
    this.#files[fd] = fp;
    this.#cloexec[fd] = isCloexec ? 1 : 0;
  }

  #drop(fp: File): void {
    fp.flush(this);
    fp.release();
  }
}
