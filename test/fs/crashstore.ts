/**
 * A disk that remembers what was written to it and when it was flushed, so that
 * a test can have the image as a crash at any moment may leave it: what was
 * flushed is there; of what was written since, each sector is or is not.
 */
import { EIO } from "../../src/abi/errno.ts";
import type { BlockStore } from "../../src/platform/host.ts";
import type { Random } from "../fuzz/random.ts";

const SECTOR = 512;

interface Write {
  readonly offset: number;
  readonly data: Uint8Array;
}

export class CrashStore implements BlockStore {
  readonly isReadOnly = false;
  readonly bytes: Uint8Array;
  /** Writes since the image that `new` was given; null is a flush. */
  readonly log: (Write | null)[] = [];
  /** Reads and writes before one fails; Infinity: none does. */
  readsLeft = Number.POSITIVE_INFINITY;
  writesLeft = Number.POSITIVE_INFINITY;
  /** The one that fails is the only one; else all that follow fail too. */
  isTransient = false;
  /** Requests that failed. */
  failures = 0;
  readonly #start: Uint8Array;

  constructor(image: Uint8Array) {
    this.#start = image;
    this.bytes = image.slice();
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  read(offset: number, into: Uint8Array): number {
    if (this.readsLeft-- <= 0) {
      this.failures++;
      if (this.isTransient) this.readsLeft = Number.POSITIVE_INFINITY;
      return EIO;
    }
    into.set(this.bytes.subarray(offset, offset + into.length));
    return 0;
  }

  write(offset: number, from: Uint8Array): number {
    if (this.writesLeft-- <= 0) {
      this.failures++;
      if (this.isTransient) this.writesLeft = Number.POSITIVE_INFINITY;
      return EIO;
    }
    this.bytes.set(from, offset);
    this.log.push({ offset, data: from.slice() });
    return 0;
  }

  flush(): number {
    if (this.writesLeft < 0) return EIO;
    this.log.push(null);
    return 0;
  }

  close(): void {}

  /**
   * The images that a crash may leave, in order: `each` is given one for every place in the
   * log at which `isWanted` says so, with the number of log entries before it.
   */
  crashes(
    random: Random,
    isWanted: (place: number) => boolean,
    each: (image: Uint8Array, place: number) => void,
  ): void {
    const stable = this.#start.slice();
    let flushed = 0;
    for (let place = 0; place <= this.log.length; place++) {
      if (isWanted(place)) {
        const image = stable.slice();
        const style = random.below(4);
        for (let i = flushed; i < place; i++) tear(image, this.log[i] as Write, style, random);
        each(image, place);
      }
      if (place === this.log.length || this.log[place] !== null) continue;
      for (; flushed < place; flushed++) {
        const w = this.log[flushed] as Write;
        stable.set(w.data, w.offset);
      }
      flushed = place + 1;
    }
  }
}

/** Has some of a write reach the disk: all, none, all of some writes, or some sectors. */
function tear(image: Uint8Array, w: Write, style: number, random: Random): void {
  if (style === 0) image.set(w.data, w.offset);
  else if (style === 1 && random.oneIn(2)) image.set(w.data, w.offset);
  else if (style === 2) {
    for (let at = 0; at < w.data.length; at += SECTOR) {
      if (random.oneIn(2)) image.set(w.data.subarray(at, at + SECTOR), w.offset + at);
    }
  } else if (style === 3) {
    // Few writes are lost: the hardest case for what should have been flushed.
    if (!random.oneIn(8)) image.set(w.data, w.offset);
  }
}
