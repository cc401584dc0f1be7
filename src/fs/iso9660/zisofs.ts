/**
 * zisofs: files that were stored compressed, and are read as they were before.
 *
 * A header, a table of where each block's zlib stream begins, and the streams;
 * a block without one is zeroes. What Rock Ridge's ZF says counts, but for the
 * header, which must be there. Source: zisofs-tools; fs/isofs/compress.c of Linux.
 */
import { EIO, failed } from "../../abi/errno.ts";
import { LOG_ERR } from "../../kern/log.ts";
import { inflateZlib } from "../../lib/inflate.ts";
import { readStored } from "./data.ts";
import type { IsoInode } from "./inode.ts";
import { u32At } from "./layout.ts";
import type { Volume } from "./volume.ts";

const MAGIC = [0x37, 0xe4, 0x53, 0x96, 0xc9, 0xdb, 0xd6, 0x07];
const MIN_HEADER_BYTES = 16;
/** Of a block: a page to 128 KiB, as Linux has it. */
const MIN_SHIFT = 12;
const MAX_SHIFT = 17;
/** A block that would not shrink is a little larger than itself. */
const OVERHEAD = 1024;

/** True if this file can be read so; else it is shown as it is stored. */
export function isReadable(volume: Volume, inode: IsoInode): boolean {
  const c = inode.compression;
  if (!c || c.blockShift < MIN_SHIFT || c.blockShift > MAX_SHIFT) return false;
  if (c.headerBytes < MIN_HEADER_BYTES) return false;
  const head = new Uint8Array(MIN_HEADER_BYTES);
  if (failed(readStored(volume, inode, inode.storedBytes, 0, head))) return false;
  return MAGIC.every((b, i) => head[i] === b);
}

/** Reads files of one volume; keeps the last block, for the pages of it that come next. */
export class Zisofs {
  readonly #volume: Volume;
  #ino = -1;
  #block = -1;
  #bytes = new Uint8Array(0);

  constructor(volume: Volume) {
    this.#volume = volume;
  }

  /** Fills `into` with contents from `offset`, zeroes past the end. 0, or EIO. */
  read(inode: IsoInode, offset: number, into: Uint8Array): number {
    const size = 1 << inode.compression!.blockShift;
    const wanted = Math.max(0, Math.min(into.length, inode.sizeBytes - offset));
    if (wanted < into.length) into.fill(0, wanted);
    for (let done = 0; done < wanted; ) {
      const at = offset + done;
      const block = Math.floor(at / size);
      if (block !== this.#block || inode.ino !== this.#ino) {
        const r = this.#load(inode, block, size);
        if (failed(r)) return r;
      }
      const inBlock = at % size;
      const n = Math.min(size - inBlock, wanted - done);
      into.set(this.#bytes.subarray(inBlock, inBlock + n), done);
      done += n;
    }
    return 0;
  }

  #load(inode: IsoInode, block: number, size: number): number {
    this.#ino = -1;
    if (this.#bytes.length !== size) this.#bytes = new Uint8Array(size);
    const r = this.#inflate(inode, block, size);
    if (failed(r)) return r;
    this.#ino = inode.ino;
    this.#block = block;
    return 0;
  }

  #inflate(inode: IsoInode, block: number, size: number): number {
    const stored = inode.storedBytes;
    const pointers = new Uint8Array(8);
    const at = inode.compression!.headerBytes + block * 4;
    if (at + 8 > stored) return this.#damaged(inode);
    let r = readStored(this.#volume, inode, stored, at, pointers);
    if (failed(r)) return r;
    const start = u32At(pointers, 0);
    const length = u32At(pointers, 4) - start;
    if (length < 0 || length > size + OVERHEAD || start + length > stored) {
      return this.#damaged(inode);
    }
    if (length === 0) {
      this.#bytes.fill(0);
      return 0;
    }
    const packed = new Uint8Array(length);
    r = readStored(this.#volume, inode, stored, start, packed);
    if (failed(r)) return r;
    const n = inflateZlib(packed, this.#bytes);
    if (n < 0) return this.#damaged(inode);
    this.#bytes.fill(0, n);
    return 0;
  }

  #damaged(inode: IsoInode): number {
    this.#volume.say(LOG_ERR, `inode ${inode.ino}: damaged compressed contents`);
    return EIO;
  }
}
