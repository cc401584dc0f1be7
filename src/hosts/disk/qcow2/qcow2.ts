/**
 * A qcow2 image as a disk: clusters that are allocated as they are written,
 * above a backing image that never changes.
 *
 * Crash safety is an order of writes, with the file synced between the steps
 * (`flush`): data and refcounts, then L2 tables, then L1, and only then are
 * the counts of what was let go taken down. A crash at any point loses what
 * was not flushed, as a disk may, and leaks clusters at worst. Tables stay in
 * memory until the guest flushes or there are many.
 * Source: docs/interop/qcow2.rst of qemu.
 */
import { EIO, EROFS, EUCLEAN, failed } from "../../../abi/errno.ts";
import type { BlockStore } from "../../../platform/host.ts";
import { DiskImageError, type ImageFile } from "../imagefile.ts";
import { CompressedClusters, type Decompressor } from "./compressed.ts";
import {
  CORRUPT_BIT,
  clearAutoclear,
  DIRTY_BIT,
  type Qcow2Header,
  readHeader,
  setIncompatible,
} from "./header.ts";
import { Mapping, type Run } from "./mapping.ts";
import { Refcounts } from "./refcounts.ts";
import { repairRefcounts } from "./repair.ts";
import { readSnapshots } from "./snapshots.ts";

export interface Qcow2Options {
  /** What shows through holes; closed with the image. Null if it stands alone. */
  readonly backing: BlockStore | null;
  readonly decompressor: Decompressor;
  /** How large the file may become; as large as it likes if absent. */
  readonly limitBytes?: number | undefined;
}

export class Qcow2 implements BlockStore {
  readonly sizeBytes: number;
  readonly discardBytes: number;
  readonly header: Qcow2Header;
  readonly #file: ImageFile;
  readonly #backing: BlockStore | null;
  readonly #mapping: Mapping;
  /** Null if the image is only read. */
  readonly #refcounts: Refcounts | null;
  readonly #compressed: CompressedClusters;
  readonly #clusterBytes: number;
  readonly #scratch: Uint8Array;
  /** Something in the file contradicts itself: nothing more is written. */
  #isBroken = false;

  /** Opens the image in `file`, writable if the file is. Throws a DiskImageError. */
  constructor(file: ImageFile, options: Qcow2Options) {
    let header = readHeader(file);
    if (header.compression === "zstd" && !options.decompressor.zstd) {
      throw new DiskImageError("it is compressed with zstd, which this Node.js cannot read");
    }
    this.#file = file;
    this.#backing = options.backing;
    this.#clusterBytes = 2 ** header.clusterBits;
    this.#scratch = new Uint8Array(this.#clusterBytes);
    if (!file.isReadOnly) header = makeWritable(file, header);
    this.header = header;
    this.sizeBytes = header.sizeBytes;
    const limit = options.limitBytes ?? Number.MAX_SAFE_INTEGER;
    this.#refcounts = file.isReadOnly ? null : openRefcounts(file, header, limit);
    const l1 = readTable(file, header.l1Offset, header.l1Size * 8);
    this.#mapping = new Mapping(file, header, l1, this.#refcounts);
    this.#compressed = new CompressedClusters(
      file,
      this.#clusterBytes,
      header.compression,
      options.decompressor,
    );
    this.discardBytes = file.isReadOnly ? 0 : this.#clusterBytes;
  }

  get isReadOnly(): boolean {
    return this.#file.isReadOnly || this.#isBroken;
  }

  /** Size of the file. */
  get heldBytes(): number {
    return this.#file.sizeBytes;
  }

  read(offset: number, into: Uint8Array): number {
    for (let done = 0; done < into.length; ) {
      const run = this.#mapping.run(offset + done, into.length - done);
      if (typeof run === "number") return this.#damaged(run);
      const r = this.#readRun(run, offset + done, into.subarray(done, done + run.length));
      if (failed(r)) return r;
      done += run.length;
    }
    return 0;
  }

  write(offset: number, from: Uint8Array): number {
    if (this.isReadOnly) return EROFS;
    for (let done = 0; done < from.length; ) {
      const run = this.#mapping.run(offset + done, from.length - done);
      if (typeof run === "number") return this.#damaged(run);
      const part = from.subarray(done, done + run.length);
      const n =
        run.kind === "data" && run.isOwn
          ? this.#writeInPlace(run, part)
          : this.#writeFresh(run, offset + done, part);
      if (failed(n)) return n;
      done += n;
    }
    return this.#syncIfMuch();
  }

  /** Whole clusters go back to the file; they read as zeroes then. */
  discard(offset: number, length: number): number {
    // Without zero clusters, what lies below would show through.
    if (this.header.version === 2 && this.#backing) return 0;
    return this.#empty(offset, length, false);
  }

  writeZeroes(offset: number, length: number): number {
    const size = this.#clusterBytes;
    const first = Math.ceil(offset / size) * size;
    const end = this.#wholeEnd(offset + length);
    const hasZeroes = this.header.version > 2 || !this.#backing;
    if (first >= end || !hasZeroes) return this.#writeZeroBytes(offset, length);
    let r = this.#writeZeroBytes(offset, first - offset);
    if (!failed(r)) r = this.#empty(first, end - first, true);
    if (!failed(r)) r = this.#writeZeroBytes(end, offset + length - end);
    return r;
  }

  flush(): number {
    if (this.#isBroken) return EIO;
    if (this.#refcounts === null) return 0;
    const mapping = this.#mapping;
    const file = this.#file;
    let r = this.#refcounts.writeBack();
    if (!failed(r)) r = file.flush();
    if (failed(r)) return r;
    if (mapping.isDirty) {
      r = mapping.writeTables();
      if (!failed(r) && mapping.isL1Dirty) r = file.flush();
      if (!failed(r)) r = mapping.writeL1();
      if (!failed(r)) r = file.flush();
      if (failed(r)) return r;
    }
    return this.#refcounts.settle() ? 0 : this.#damaged(EUCLEAN);
  }

  close(): void {
    // The second time for the counts of what the first has let go.
    if (!failed(this.flush()) && this.#refcounts?.isDirty) this.flush();
    this.#file.close();
    this.#backing?.close();
  }

  /** What is at `offset`, for tools that compare images. */
  runAt(offset: number, length: number): Run | number {
    return this.#mapping.run(offset, length);
  }

  #readRun(run: Run, offset: number, into: Uint8Array): number {
    switch (run.kind) {
      case "zero":
        into.fill(0);
        return 0;
      case "hole":
        return this.#readBacking(offset, into);
      case "data":
        return this.#file.read(run.at, into);
      case "compressed": {
        const place = this.#mapping.compressed(offset);
        if (typeof place === "number") return this.#damaged(place);
        return this.#compressed.read(place.at, place.length, offset % this.#clusterBytes, into);
      }
    }
  }

  /** A backing image may be smaller: zeroes follow it. */
  #readBacking(offset: number, into: Uint8Array): number {
    const backed = this.#backing ? Math.max(0, this.#backing.sizeBytes - offset) : 0;
    into.subarray(Math.min(backed, into.length)).fill(0);
    if (backed === 0) return 0;
    return this.#backing!.read(offset, into.subarray(0, backed));
  }

  #writeInPlace(run: Run, from: Uint8Array): number {
    const first = Math.floor(run.at / this.#clusterBytes);
    const last = Math.floor((run.at + from.length - 1) / this.#clusterBytes);
    for (let c = first; c <= last; c++) {
      if (this.#refcounts!.isTable(c)) return this.#damaged(EUCLEAN);
    }
    const r = this.#file.write(run.at, from);
    return failed(r) ? r : from.length;
  }

  /** Writes to clusters that are not there yet, or not ours to write; how many bytes. */
  #writeFresh(run: Run, offset: number, from: Uint8Array): number {
    let r = this.#mapping.prepare(offset);
    if (failed(r)) return this.#damaged(r);
    const size = this.#clusterBytes;
    const inCluster = offset % size;
    if (inCluster !== 0 || from.length < size) {
      const part = from.subarray(0, size - inCluster);
      r = this.#writeCluster(run, offset - inCluster, inCluster, part);
      return failed(r) ? r : part.length;
    }
    const clusters = this.#refcounts!.allocate(Math.floor(from.length / size));
    if (typeof clusters === "number") return this.#damaged(clusters);
    const at = clusters.start * size;
    r = this.#file.write(at, from.subarray(0, clusters.count * size));
    if (failed(r)) this.#refcounts!.giveBack(clusters);
    for (let i = 0; !failed(r) && i < clusters.count; i++) {
      r = this.#relocate(offset + i * size, at + i * size);
    }
    return failed(r) ? r : clusters.count * size;
  }

  /** One cluster, of which `part` is new. */
  #writeCluster(run: Run, offset: number, inCluster: number, part: Uint8Array): number {
    const bytes = this.#scratch;
    bytes.fill(0);
    let r = this.read(offset, bytes.subarray(0, this.sizeBytes - offset));
    if (failed(r)) return r;
    bytes.set(part, inCluster);
    if (run.kind === "zero" && run.at !== 0 && run.isOwn) {
      r = this.#writeInPlace({ ...run, at: run.at - inCluster }, bytes);
      return failed(r) ? r : this.#mapping.unzero(offset);
    }
    const clusters = this.#refcounts!.allocate(1);
    if (typeof clusters === "number") return this.#damaged(clusters);
    const at = clusters.start * this.#clusterBytes;
    r = this.#file.write(at, bytes);
    if (!failed(r)) return this.#relocate(offset, at);
    this.#refcounts!.giveBack(clusters);
    return r;
  }

  #relocate(offset: number, at: number): number {
    const r = this.#mapping.release(offset);
    return failed(r) ? this.#damaged(r) : this.#mapping.setData(offset, at);
  }

  /** Takes whole clusters out of the image; `mustBeZero` if they are to read as zeroes for certain. */
  #empty(offset: number, length: number, mustBeZero: boolean): number {
    if (this.isReadOnly) return EROFS;
    const size = this.#clusterBytes;
    const end = this.#wholeEnd(offset + length);
    for (let at = Math.ceil(offset / size) * size; at < end; ) {
      const run = this.#mapping.run(at, end - at);
      if (typeof run === "number") return this.#damaged(run);
      const isHole = run.kind === "hole" && !(mustBeZero && this.#backing);
      const isDone = isHole || (run.kind === "zero" && run.at === 0);
      for (let done = 0; !isDone && done < run.length; done += size) {
        const r = this.#emptyOne(at + done);
        if (failed(r)) return r;
      }
      at += run.length;
    }
    return this.#syncIfMuch();
  }

  #emptyOne(offset: number): number {
    let r = this.#mapping.prepare(offset);
    if (!failed(r)) r = this.#mapping.release(offset);
    if (failed(r)) return this.#damaged(r);
    r = this.#mapping.setEmpty(offset, this.#backing !== null);
    return failed(r) ? r : this.#syncIfMuch();
  }

  /** End of the last whole cluster before `end`; the disk's last cluster need not be whole. */
  #wholeEnd(end: number): number {
    const size = this.#clusterBytes;
    return end >= this.sizeBytes ? Math.ceil(end / size) * size : Math.floor(end / size) * size;
  }

  #writeZeroBytes(offset: number, length: number): number {
    const zeroes = new Uint8Array(Math.min(Math.max(0, length), 1 << 20));
    for (let done = 0; done < length; done += zeroes.length) {
      const r = this.write(offset + done, zeroes.subarray(0, length - done));
      if (failed(r)) return r;
    }
    return 0;
  }

  #syncIfMuch(): number {
    return this.#mapping.isFull || this.#refcounts!.isFull ? this.flush() : 0;
  }

  /** If the image contradicts itself, it is marked so and written no more. The guest is told EIO. */
  #damaged(errno: number): number {
    if (errno !== EUCLEAN) return errno;
    if (this.#refcounts && !this.#isBroken && this.header.version > 2) {
      setIncompatible(this.#file, this.header.incompatible | CORRUPT_BIT);
    }
    this.#isBroken = this.#refcounts !== null;
    return EIO;
  }
}

/** Sees to what must be right before anything is written; the header as it is then. */
function makeWritable(file: ImageFile, header: Qcow2Header): Qcow2Header {
  if ((header.incompatible & CORRUPT_BIT) !== 0) {
    throw new DiskImageError("it is marked corrupt (qemu-img check -r all may help)");
  }
  if ((header.incompatible & DIRTY_BIT) !== 0) repairRefcounts(file, header);
  if (header.version === 2) return header;
  const incompatible = header.incompatible & ~DIRTY_BIT;
  const isWritten = !failed(setIncompatible(file, incompatible)) && !failed(clearAutoclear(file));
  if (!isWritten) throw new DiskImageError("cannot be written");
  return { ...header, incompatible };
}

function openRefcounts(file: ImageFile, header: Qcow2Header, limitBytes: number): Refcounts {
  const length = header.refTableClusters * 2 ** header.clusterBits;
  const table = readTable(file, header.refTableOffset, length);
  const refcounts = new Refcounts(file, header, table, limitBytes);
  refcounts.addCore(header.l1Offset, header.l1Size * 8);
  const { lengthBytes, l1Tables } = readSnapshots(file, header);
  refcounts.addCore(header.snapshotsOffset, lengthBytes);
  for (const { offset, entries } of l1Tables.toSorted((a, b) => a.offset - b.offset)) {
    refcounts.addCore(offset, entries * 8);
  }
  return refcounts;
}

export function readTable(file: ImageFile, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  if (file.read(offset, bytes) < 0) throw new DiskImageError("cannot be read");
  return bytes;
}
