/**
 * Bytes to one of the program's own descriptors, from the kernel's Worker.
 *
 * Written straight to the descriptor: process.stdout in a Worker is a message
 * to a main thread that may be waiting for us. A descriptor in non-blocking
 * mode answers EAGAIN while its reader is slow; then we wait for it.
 */
import { writeSync } from "node:fs";
import { EIO, EPIPE } from "../../abi/errno.ts";

const pause = new Int32Array(new SharedArrayBuffer(4));

/** Writes all of `from`. Its length, -EPIPE once the reader is gone, or -EIO. */
export function writeFully(fd: number, from: Uint8Array): number {
  let done = 0;
  while (done < from.length) {
    try {
      done += writeSync(fd, from, done, from.length - done);
    } catch (e) {
      const { code } = e as NodeJS.ErrnoException;
      if (code === "EPIPE") return EPIPE;
      if (code !== "EAGAIN") return EIO;
      Atomics.wait(pause, 0, 0, 1);
    }
  }
  return from.length;
}
