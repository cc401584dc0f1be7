/**
 * A buffer for structs on their way to or from user memory, so that a system
 * call makes no garbage. Whoever uses it is done with it when it calls anything
 * that might use it too; nothing is kept here across calls.
 */
const SCRATCH_BYTES = 2048;

export class Scratch {
  readonly bytes = new Uint8Array(SCRATCH_BYTES);
  readonly view = new DataView(this.bytes.buffer);
  readonly words = new Uint32Array(this.bytes.buffer);
  readonly #windows = new Map<number, Uint8Array>();

  /** The first `size` bytes. */
  window(size: number): Uint8Array {
    let w = this.#windows.get(size);
    if (!w) {
      w = this.bytes.subarray(0, size);
      this.#windows.set(size, w);
    }
    return w;
  }

  /** As `window`, all zero. */
  cleared(size: number): Uint8Array {
    return this.window(size).fill(0);
  }
}
