/**
 * The open files that a sleeping system call was given.
 *
 * A call that is made again must not look its descriptors up anew: another
 * thread may have closed them or put other files in their place, and as in
 * Linux the call goes on with those it began with. Invariant: every file here
 * is held once, and there are some only while a call is in progress.
 */
import type { File } from "../vfs/file.ts";

export class HeldFiles {
  /** By argument; fds stand in any of the six. */
  readonly #files: (File | null)[] = [null, null, null, null, null, null];
  isEmpty = true;

  /** The file that argument `index` named when the call began; null if it named none. */
  at(index: number): File | null {
    return this.#files[index]!;
  }

  hold(index: number, fp: File): void {
    this.#files[index] = fp.hold();
    this.isEmpty = false;
  }

  release(): void {
    if (this.isEmpty) return;
    this.isEmpty = true;
    const files = this.#files;
    for (let i = 0; i < files.length; i++) {
      const fp = files[i] ?? null;
      files[i] = null;
      fp?.release();
    }
  }
}
