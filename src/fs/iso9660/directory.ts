/**
 * Directories: their records in order, whole files at a time.
 *
 * A position is a byte of the directory, and the offset of readdir(3). No
 * record crosses the end of the directory, and a sector without one ends it.
 * Source: ECMA-119 6.8.1; fs/isofs/dir.c of Linux.
 */
import { type Errno, EUCLEAN } from "../../abi/errno.ts";
import { LOG_ERR } from "../../kern/log.ts";
import type { Buf } from "../../vfs/bio.ts";
import { FLAG_MULTI_EXTENT, SECTOR_BYTES } from "./layout.ts";
import { nameOf } from "./names.ts";
import { DirRecord } from "./record.ts";
import type { Volume } from "./volume.ts";

/** More than two million names; a directory that claims more would only cost time. */
const MAX_BYTES = 256 << 20;
/** Extents of 4 GiB in the largest file that Linux knows. */
const MAX_SECTIONS = 2048;

export interface Section {
  /** Its first block. */
  readonly start: number;
  readonly sizeBytes: number;
}

/** Reads a directory file by file, from any position that it gave. */
export class DirectoryReader {
  /** Where the next file's records begin. */
  position: number;
  /** The file's first record, which is its identity, and its last, which names it. */
  first: DirRecord | null = null;
  last: DirRecord | null = null;
  /** Its records after the first; most files have none. */
  #more: DirRecord[] = [];
  readonly #volume: Volume;
  readonly #start: number;
  readonly #size: number;
  #bp: Buf | null = null;

  /** The directory at block `start`. */
  constructor(volume: Volume, start: number, sizeBytes: number, position = 0) {
    this.#volume = volume;
    this.#start = start;
    this.#size = sizeBytes;
    this.position = Math.max(0, position);
  }

  /** Moves to the next file: 1, or 0 at the end, or EUCLEAN, EIO. */
  next(): number {
    if (this.#size > MAX_BYTES) {
      this.#volume.say(LOG_ERR, `directory of ${this.#size} bytes`);
      return EUCLEAN;
    }
    let record = this.#record();
    if (!(record instanceof DirRecord)) return record;
    this.first = record;
    if (this.#more.length > 0) this.#more = [];
    while (record.has(FLAG_MULTI_EXTENT)) {
      const more = this.#record();
      if (!(more instanceof DirRecord)) return more === 0 ? this.#unended(record) : more;
      if (this.#more.push(more) >= MAX_SECTIONS) return this.#unended(more);
      record = more;
    }
    this.last = record;
    return 1;
  }

  /** The file's extents, in order. */
  get sections(): readonly Section[] {
    return [this.first!, ...this.#more].map(sectionOf);
  }

  /** The name of the file, or null if it is not to be seen. */
  name(): string | null {
    return nameOf(this.#volume, this.last!);
  }

  /** The record at the position, which moves behind it; 0 at the end. */
  #record(): DirRecord | 0 | Errno {
    const { blockSize } = this.#volume;
    while (this.position < this.#size) {
      const at = this.position;
      const block = this.#start + Math.floor(at / blockSize);
      const bp = this.#bp?.blkno === block ? this.#bp : this.#volume.bread(block);
      if (typeof bp === "number") return bp;
      this.#bp = bp;
      const length = bp.data[at % blockSize]!;
      if (length === 0) {
        if (at % SECTOR_BYTES === 0) break;
        this.position = at - (at % SECTOR_BYTES) + SECTOR_BYTES;
        continue;
      }
      if (at + length > this.#size) return this.#volume.corrupt(block);
      const record = this.#volume.recordIn(bp, at % blockSize);
      if (record instanceof DirRecord) this.position = at + length;
      return record;
    }
    this.position = Math.max(this.position, this.#size);
    return 0;
  }

  #unended(record: DirRecord): Errno {
    return this.#volume.corrupt(record.block);
  }
}

function sectionOf(record: DirRecord): Section {
  return { start: record.start, sizeBytes: record.sizeBytes };
}
