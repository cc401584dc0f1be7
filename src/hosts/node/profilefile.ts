/** A profile's file, as the kernel's Worker sees it: an open descriptor, and ticks from the other thread. */
import { writeSync } from "node:fs";
import { EIO, ENOSPC } from "../../abi/errno.ts";
import type { ProfilePort } from "../../platform/profile.ts";
import type { WorkerMessage } from "./workermessage.ts";

/** A thousand samples a second. */
const TICK_US = 1000;

export class ProfileFile implements ProfilePort {
  readonly tickUs = TICK_US;
  readonly #fd: number;
  readonly #post: (message: WorkerMessage) => void;

  constructor(fd: number, post: (message: WorkerMessage) => void) {
    this.#fd = fd;
    this.#post = post;
  }

  startTicks(memory: SharedArrayBuffer, address: number): void {
    this.#post({ kind: "ticks", memory, address, tickUs: TICK_US });
  }

  write(bytes: Uint8Array): number {
    try {
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(this.#fd, bytes, done, bytes.length - done);
      }
      return bytes.length;
    } catch (e) {
      const { code } = e as NodeJS.ErrnoException;
      return code === "ENOSPC" || code === "EDQUOT" ? ENOSPC : EIO;
    }
  }

  finished(samples: number, error: number): void {
    this.#post({ kind: "profiled", samples, error });
  }
}
