/** User memory for tests: one buffer at address 0. */
import { EFAULT, ENAMETOOLONG, type Errno } from "../../src/abi/errno.ts";
import type { UserMemory } from "../../src/vm/usermem.ts";

export class BufferMemory implements UserMemory {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.#view = new DataView(this.bytes.buffer);
  }

  copyin(from: number, into: Uint8Array): number {
    if (!this.#has(from, into.length)) return EFAULT;
    into.set(this.bytes.subarray(from, from + into.length));
    return 0;
  }

  copyout(to: number, from: Uint8Array): number {
    if (!this.#has(to, from.length)) return EFAULT;
    this.bytes.set(from, to);
    return 0;
  }

  copyinPhys(): number {
    throw new Error("a buffer has no frames beside it");
  }

  copyoutPhys(): number {
    throw new Error("a buffer has no frames beside it");
  }

  copyinstr(from: number, maxBytes: number): string | Errno {
    const end = this.bytes.indexOf(0, from);
    if (end < 0 || end - from >= maxBytes) return ENAMETOOLONG;
    return String.fromCharCode(...this.bytes.subarray(from, end));
  }

  loadU32(from: number): number {
    return this.#has(from, 4) ? this.#view.getUint32(from, true) : EFAULT;
  }

  loadU64(from: number): number {
    return this.#has(from, 8) ? Number(this.#view.getBigUint64(from, true)) : EFAULT;
  }

  storeU32(to: number, value: number): number {
    if (!this.#has(to, 4)) return EFAULT;
    this.#view.setUint32(to, value, true);
    return 0;
  }

  storeU64(to: number, value: number): number {
    if (!this.#has(to, 8)) return EFAULT;
    this.#view.setBigUint64(to, BigInt(value), true);
    return 0;
  }

  zero(to: number, length: number): number {
    if (!this.#has(to, length)) return EFAULT;
    this.bytes.fill(0, to, to + length);
    return 0;
  }

  #has(at: number, length: number): boolean {
    return at >= 0 && at + length <= this.bytes.length;
  }

  isPresent(): boolean {
    return true;
  }
}
