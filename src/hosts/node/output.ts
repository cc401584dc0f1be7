/**
 * Bytes to one of the program's own descriptors, from the kernel's Worker.
 *
 * Written straight to the descriptor: process.stdout in a Worker is a message
 * to a main thread that may be waiting for us. The descriptor never blocks, or
 * one slow reader would stop the whole machine: what it does not take now is
 * kept here. A guest's program may have `ROOM_BYTES` kept and waits then; the
 * kernel's own words, which cannot wait, have `LIMIT_BYTES`.
 */
import { constants, fstatSync, openSync, writeSync } from "node:fs";
import { EIO, ENOSPC, EPIPE, failed } from "../../abi/errno.ts";
import { ByteFifo } from "../../lib/bytefifo.ts";

const ROOM_BYTES = 65536;
const LIMIT_BYTES = 1 << 20;
const RETRY_MS = 1;

const pause = new Int32Array(new SharedArrayBuffer(4));

export class Outlet {
  readonly #fd: number;
  readonly #kept = new ByteFifo(LIMIT_BYTES);
  /** Why what was kept could not be delivered; the next writer hears of it. */
  #error = 0;

  constructor(fd: number) {
    this.#fd = nonBlocking(fd);
  }

  /** Something waits for the reader. */
  get isBehind(): boolean {
    return !this.#kept.isEmpty;
  }

  room(): number {
    return Math.max(0, ROOM_BYTES - this.#kept.length);
  }

  /** Takes all of `from`. Its length, or -EPIPE once the reader is gone, -ENOSPC, -EIO. */
  write(from: Uint8Array): number {
    this.flush();
    if (this.#error !== 0) {
      const error = this.#error;
      if (error !== EPIPE) this.#error = 0;
      return error;
    }
    let done = this.isBehind ? 0 : this.#give(from);
    while (!failed(done) && done < from.length) {
      done += this.#kept.put(from.subarray(done));
      if (done === from.length) break;
      sleep(RETRY_MS);
      this.flush();
      if (this.#error !== 0) return this.#error;
    }
    return done;
  }

  /** Delivers of what is kept as much as the reader takes; true if that was anything. */
  flush(): boolean {
    let hasMoved = false;
    while (this.isBehind) {
      const n = this.#give(this.#kept.peek());
      if (n === 0) break;
      if (failed(n)) {
        this.#error = n;
        this.#kept.clear();
      } else {
        this.#kept.drop(n);
      }
      hasMoved = true;
    }
    return hasMoved;
  }

  /** Waits until all is delivered or nobody wants it any more. */
  drain(isGivenUp: () => boolean): void {
    while (this.isBehind && !isGivenUp()) {
      if (!this.flush()) sleep(RETRY_MS);
    }
  }

  /** As many as the descriptor takes at once, or a negative errno. */
  #give(from: Uint8Array): number {
    let done = 0;
    try {
      while (done < from.length) done += writeSync(this.#fd, from, done, from.length - done);
      return done;
    } catch (e) {
      const { code } = e as NodeJS.ErrnoException;
      if (code === "EAGAIN" || done > 0) return done;
      if (code === "EPIPE") return EPIPE;
      return code === "ENOSPC" || code === "EDQUOT" ? ENOSPC : EIO;
    }
  }
}

/** Descriptors 1 and 2 as outlets: one for both where they are the same pipe, so that its order stays. */
export function openOutlets(): readonly [Outlet, Outlet] {
  const out = new Outlet(1);
  return [out, areSame(1, 2) ? out : new Outlet(2)];
}

function areSame(a: number, b: number): boolean {
  const [x, y] = [fstatSync(a), fstatSync(b)];
  return x.dev === y.dev && x.ino === y.ino;
}

/**
 * A terminal's descriptor is the shell's too and blocks, so it is opened anew. For pipes and sockets Node has
 * seen to it, when the main thread first looked at process.stdout; files are never slow in this sense.
 */
function nonBlocking(fd: number): number {
  if (!fstatSync(fd).isCharacterDevice()) return fd;
  try {
    const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
    return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    return fd;
  }
}

function sleep(ms: number): void {
  Atomics.wait(pause, 0, 0, ms);
}
