/**
 * What an image has that its base has not: found block by block, but only
 * where the image holds anything of its own.
 */
import type { BlockStore } from "../../../platform/host.ts";
import { DiskImageError } from "../../disk/imagefile.ts";
import { Qcow2 } from "../../disk/qcow2/qcow2.ts";

const BLOCK = 4096;
const CHUNK = 1 << 20;

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** Ranges of `image` that may differ from what lies below it: everything, if it is no qcow2 image above `base`. */
export function* heldRanges(image: BlockStore, isAboveBase: boolean): Iterable<ByteRange> {
  if (!isAboveBase || !(image instanceof Qcow2)) {
    yield { offset: 0, length: image.sizeBytes };
    return;
  }
  for (let offset = 0; offset < image.sizeBytes; ) {
    const run = image.runAt(offset, image.sizeBytes - offset);
    if (typeof run === "number") throw new DiskImageError("it is damaged");
    if (run.kind !== "hole") yield { offset, length: run.length };
    offset += run.length;
  }
}

/** Where the two read differently, in blocks of 4 KiB; the smaller one counts as zeroes past its end. */
export function* differences(
  base: BlockStore,
  image: BlockStore,
  isAboveBase: boolean,
): Iterable<ByteRange> {
  let open: { offset: number; length: number } | null = null;
  for (const { offset, length } of chunks(base, image, isAboveBase)) {
    const a = readPadded(base, offset, length);
    const b = readPadded(image, offset, length);
    for (let at = 0; at < length; at += BLOCK) {
      const x = a.subarray(at, at + BLOCK);
      if (Buffer.compare(x, b.subarray(at, at + BLOCK)) === 0) continue;
      if (open && open.offset + open.length === offset + at) {
        open.length += x.length;
        continue;
      }
      if (open) yield open;
      open = { offset: offset + at, length: x.length };
    }
  }
  if (open) yield open;
}

/** What is to be compared, in pieces that begin at blocks. */
function* chunks(base: BlockStore, image: BlockStore, isAboveBase: boolean): Iterable<ByteRange> {
  let done = 0;
  for (const { offset, length } of heldRanges(image, isAboveBase)) {
    const end = Math.min(image.sizeBytes, Math.ceil((offset + length) / BLOCK) * BLOCK);
    for (let at = Math.max(done, Math.floor(offset / BLOCK) * BLOCK); at < end; at += CHUNK) {
      yield { offset: at, length: Math.min(CHUNK, end - at) };
    }
    done = Math.max(done, end);
  }
  for (let at = image.sizeBytes; at < base.sizeBytes; at += CHUNK) {
    yield { offset: at, length: Math.min(CHUNK, base.sizeBytes - at) };
  }
}

export function readPadded(store: BlockStore, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const there = Math.max(0, Math.min(length, store.sizeBytes - offset));
  if (store.read(offset, bytes.subarray(0, there)) < 0) {
    throw new DiskImageError(`cannot be read at ${offset}`);
  }
  return bytes;
}
