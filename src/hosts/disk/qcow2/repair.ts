/**
 * Counts anew what refers to each cluster, for an image whose refcounts were
 * left behind: "dirty" is what qemu marks so with lazy_refcounts.
 *
 * Every L2 table is read once, however many L1 entries name it; what does not
 * fit into the file is a damage that this does not mend.
 */
import { failed } from "../../../abi/errno.ts";
import { DiskImageError, type ImageFile } from "../imagefile.ts";
import { be64, COMPRESSED, COPIED, entryOffset } from "./be64.ts";
import type { Qcow2Header } from "./header.ts";
import { readTable } from "./qcow2.ts";
import { Refcounts } from "./refcounts.ts";
import { readSnapshots } from "./snapshots.ts";

const MAX_CLUSTERS = 2 ** 27;
const MAX_COUNT = 0xffff;

/** Mends the refcounts and the flags that depend on them; the dirty bit is the caller's. Throws a DiskImageError. */
export function repairRefcounts(file: ImageFile, header: Qcow2Header): void {
  const tally = new Tally(file, header);
  const size = 2 ** header.clusterBits;
  const tableBytes = header.refTableClusters * size;
  const table = readTable(file, header.refTableOffset, tableBytes);
  tally.add(0, size);
  tally.add(header.refTableOffset, tableBytes);
  const view = new DataView(table.buffer);
  for (let at = 0; at < tableBytes; at += 8) {
    if (be64(view, at) !== 0) tally.add(be64(view, at), size);
  }
  const snapshots = readSnapshots(file, header);
  tally.add(header.snapshotsOffset, snapshots.lengthBytes);
  const l1 = readTable(file, header.l1Offset, header.l1Size * 8);
  tally.addL1(header.l1Offset, l1);
  for (const { offset, entries } of snapshots.l1Tables) {
    tally.addL1(offset, readTable(file, offset, entries * 8));
  }
  tally.addL2Tables();
  const refcounts = new Refcounts(file, header, table, Number.MAX_SAFE_INTEGER);
  let r = refcounts.rebuild(tally.counts);
  if (!failed(r)) r = refcounts.writeBack();
  if (!failed(r)) r = fixFlags(file, header, l1, tally.counts);
  if (!failed(r)) r = file.flush();
  if (failed(r)) {
    throw new DiskImageError("it was not closed, and cannot be repaired (qemu-img check -r all)");
  }
}

class Tally {
  readonly counts: Uint16Array;
  readonly #file: ImageFile;
  readonly #clusterBytes: number;
  /** How many L1 entries name each L2 table. */
  readonly #l2 = new Map<number, number>();

  constructor(file: ImageFile, header: Qcow2Header) {
    this.#file = file;
    this.#clusterBytes = 2 ** header.clusterBits;
    const clusters = Math.ceil(file.sizeBytes / this.#clusterBytes);
    if (clusters > MAX_CLUSTERS) {
      throw new DiskImageError("it was not closed, and is too large to repair here");
    }
    this.counts = new Uint16Array(clusters);
  }

  add(offset: number, length: number, times = 1): void {
    const first = Math.floor(offset / this.#clusterBytes);
    const end = Math.min(this.counts.length, Math.ceil((offset + length) / this.#clusterBytes));
    for (let c = first; c < end; c++) {
      this.counts[c] = Math.min(MAX_COUNT, this.counts[c]! + times);
    }
  }

  addL1(offset: number, l1: Uint8Array): void {
    this.add(offset, l1.length);
    const view = new DataView(l1.buffer);
    for (let at = 0; at < l1.length; at += 8) {
      const l2 = entryOffset(view, at);
      if (l2 !== 0) this.#l2.set(l2, (this.#l2.get(l2) ?? 0) + 1);
    }
  }

  addL2Tables(): void {
    const size = this.#clusterBytes;
    for (const [offset, times] of this.#l2) {
      this.add(offset, size, times);
      if (offset % size !== 0 || offset >= this.#file.sizeBytes) continue;
      const l2 = readTable(this.#file, offset, size);
      const view = new DataView(l2.buffer);
      for (let at = 0; at < size; at += 8) this.#addEntry(view, at, times);
    }
  }

  #addEntry(view: DataView, at: number, times: number): void {
    if ((view.getUint32(at) & COMPRESSED) === 0) {
      const offset = entryOffset(view, at);
      if (offset !== 0) this.add(offset, 1, times);
      return;
    }
    const bits = 62 - (Math.log2(this.#clusterBytes) - 8);
    const high = view.getUint32(at) & 0x3fffffff;
    const start = (high % 2 ** (bits - 32)) * 2 ** 32 + view.getUint32(at + 4);
    const sectors = Math.floor(high / 2 ** (bits - 32)) + 1;
    this.add(start, sectors * 512 - (start % 512), times);
  }
}

/** "Copied" in the active tables says that the count is one, no more and no less. */
function fixFlags(
  file: ImageFile,
  header: Qcow2Header,
  l1: Uint8Array,
  counts: Uint16Array,
): number {
  const size = 2 ** header.clusterBits;
  const fixed = fixTable(l1, size, counts);
  let r = fixed ? file.write(header.l1Offset, l1) : 0;
  const view = new DataView(l1.buffer);
  for (let at = 0; at < l1.length && !failed(r); at += 8) {
    const offset = entryOffset(view, at);
    if (offset === 0 || offset % size !== 0 || counts[offset / size] !== 1) continue;
    const l2 = readTable(file, offset, size);
    if (fixTable(l2, size, counts)) r = file.write(offset, l2);
  }
  return r;
}

/** True if a flag was wrong. */
function fixTable(table: Uint8Array, clusterBytes: number, counts: Uint16Array): boolean {
  const view = new DataView(table.buffer);
  let isChanged = false;
  for (let at = 0; at < table.length; at += 8) {
    const high = view.getUint32(at);
    const offset = entryOffset(view, at);
    if (offset === 0 || (high & COMPRESSED) !== 0) continue;
    const should = counts[Math.floor(offset / clusterBytes)] === 1;
    if (should === ((high & COPIED) !== 0)) continue;
    view.setUint32(at, (should ? high | COPIED : high & ~COPIED) >>> 0);
    isChanged = true;
  }
  return isChanged;
}
