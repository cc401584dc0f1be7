/**
 * The open files and the paths that a sleeping system call was given.
 *
 * A call that is made again must not look its descriptors up anew, nor read
 * its path again: another thread may have closed them, put other files in
 * their place or other bytes, and as in Linux the call goes on with those it
 * began with. Invariant: every file here is held once, and there are some only
 * while a call is in progress.
 */
import { File } from "../vfs/file.ts";

export class HeldArgs {
  /** By argument; they stand in any of the six. */
  readonly #held: (File | string | null)[] = [null, null, null, null, null, null];
  /** While true, arguments decode from the registers. */
  isEmpty = true;

  /** The file that argument `index` named when the call began; null if it named none. */
  fileAt(index: number): File | null {
    const held = this.#held[index];
    return held instanceof File ? held : null;
  }

  /** The path that argument `index` was when the call began; null if it was none. */
  pathAt(index: number): string | null {
    const held = this.#held[index];
    return typeof held === "string" ? held : null;
  }

  /** The caller says at last that there are some: see isEmpty. */
  hold(index: number, value: File | string): void {
    this.#held[index] = typeof value === "string" ? value : value.hold();
  }

  release(): void {
    if (this.isEmpty) return;
    this.isEmpty = true;
    const held = this.#held;
    for (let i = 0; i < held.length; i++) {
      const value = held[i]!;
      held[i] = null;
      if (value instanceof File) value.release();
    }
  }
}
