/**
 * Where the disk's clusters are in the file: the L1 table, held whole, and L2
 * tables of one cluster each. EUCLEAN: the tables contradict themselves.
 *
 * A table that a snapshot shares is copied before it is changed. The order in
 * which changes reach the file is the store's business (qcow2.ts).
 */
import { type Errno, EUCLEAN, failed } from "../../../abi/errno.ts";
import type { ImageFile } from "../imagefile.ts";
import { be64, COMPRESSED, entryOffset, isCopied, setCopied, ZERO } from "./be64.ts";
import type { Qcow2Header } from "./header.ts";
import type { Refcounts } from "./refcounts.ts";
import { type Table, TableCache } from "./tablecache.ts";

const CACHE_BYTES = 8 << 20;

/** What a run of the disk's clusters is. */
export type RunKind = "hole" | "zero" | "data" | "compressed";

export interface Run {
  readonly kind: RunKind;
  /** From the byte asked for to the end of the run, or to what was asked. */
  readonly length: number;
  /** Of "data", and of "zero" with a cluster behind it: where the byte asked for is in the file; else 0. */
  readonly at: number;
  /** Nobody else refers to what is there. */
  readonly isOwn: boolean;
}

export class Mapping {
  readonly clusterBytes: number;
  readonly #file: ImageFile;
  readonly #l1: DataView;
  readonly #l1Offset: number;
  readonly #l1Size: number;
  readonly #tables: TableCache;
  readonly #perTable: number;
  readonly #dirtyL1 = new Set<number>();
  /** Null of an image that is only read. */
  readonly #refcounts: Refcounts | null;

  constructor(file: ImageFile, header: Qcow2Header, l1: Uint8Array, refcounts: Refcounts | null) {
    this.#file = file;
    this.clusterBytes = 2 ** header.clusterBits;
    this.#perTable = this.clusterBytes / 8;
    this.#l1 = new DataView(l1.buffer, l1.byteOffset, l1.byteLength);
    this.#l1Offset = header.l1Offset;
    this.#l1Size = header.l1Size;
    this.#tables = new TableCache(file, this.clusterBytes, CACHE_BYTES);
    this.#refcounts = refcounts;
    if (refcounts) this.#noteTables(refcounts);
  }

  #noteTables({ core, tables }: Refcounts): void {
    const offsets = new Float64Array(this.#l1Size);
    for (let i = 0; i < offsets.length; i++) offsets[i] = entryOffset(this.#l1, i * 8);
    for (const offset of offsets.sort()) {
      const cluster = Math.floor(offset / this.clusterBytes);
      if (offset !== 0 && !core.has(cluster)) tables.add(cluster, cluster + 1);
    }
  }

  get isDirty(): boolean {
    return this.#tables.isDirty || this.#dirtyL1.size > 0;
  }

  get isFull(): boolean {
    return this.#tables.isFull;
  }

  /** What is at byte `offset` of the disk, and for how many bytes of at most `length` it goes on so. */
  run(offset: number, length: number): Run | Errno {
    const { clusterBytes } = this;
    const inCluster = offset % clusterBytes;
    const cluster = (offset - inCluster) / clusterBytes;
    const first = cluster % this.#perTable;
    const table = this.#tableOf(cluster);
    const spanLeft = (this.#perTable - first) * clusterBytes - inCluster;
    if (typeof table === "number") return table;
    if (!table) return { kind: "hole", length: Math.min(length, spanLeft), at: 0, isOwn: false };
    const { view } = table;
    const kind = kindOf(view, first * 8);
    const isOwn = isCopied(view, first * 8);
    if (kind === "compressed") {
      return { kind, length: Math.min(length, clusterBytes - inCluster), at: 0, isOwn };
    }
    const at = entryOffset(view, first * 8);
    if (at % clusterBytes !== 0) return EUCLEAN;
    let bytes = clusterBytes - inCluster;
    const end = Math.min(this.#perTable, first + Math.ceil((inCluster + length) / clusterBytes));
    for (let i = first + 1; i < end; i++) {
      if (kindOf(view, i * 8) !== kind || isCopied(view, i * 8) !== isOwn) break;
      if (kind === "data" && entryOffset(view, i * 8) !== at + (i - first) * clusterBytes) break;
      bytes += clusterBytes;
    }
    return { kind, length: Math.min(length, bytes), at: at === 0 ? 0 : at + inCluster, isOwn };
  }

  /** Where a compressed cluster's bytes are, and how many sectors' worth of them. */
  compressed(offset: number): { readonly at: number; readonly length: number } | Errno {
    const table = this.#tableOf(Math.floor(offset / this.clusterBytes));
    if (typeof table === "number" || !table) return table ?? EUCLEAN;
    return this.#descriptor(table.view, this.#slotOf(offset));
  }

  #slotOf(offset: number): number {
    return (Math.floor(offset / this.clusterBytes) % this.#perTable) * 8;
  }

  #descriptor(view: DataView, slot: number): { readonly at: number; readonly length: number } {
    // The offset has as many bits as the number of sectors leaves.
    const bits = 62 - (Math.log2(this.clusterBytes) - 8);
    const high = view.getUint32(slot) & 0x3fffffff;
    const at = (high % 2 ** (bits - 32)) * 2 ** 32 + view.getUint32(slot + 4);
    const sectors = Math.floor(high / 2 ** (bits - 32)) + 1;
    return { at, length: sectors * 512 - (at % 512) };
  }

  /** Makes the cluster at `offset` the file's cluster at `at`, which is its alone. */
  setData(offset: number, at: number): number {
    return this.#change(offset, (view, slot) => setCopied(view, slot, at));
  }

  /** Makes the cluster a hole, or, if `isZero`, one that reads as zeroes whatever lies below. */
  setEmpty(offset: number, isZero: boolean): number {
    return this.#change(offset, (view, slot) => {
      view.setUint32(slot, 0);
      view.setUint32(slot + 4, isZero ? ZERO : 0);
    });
  }

  /** A zero cluster with a cluster of its own behind it becomes that cluster. */
  unzero(offset: number): number {
    return this.#change(offset, (view, slot) => {
      view.setUint32(slot + 4, (view.getUint32(slot + 4) & ~ZERO) >>> 0);
    });
  }

  /** The caller sees to it that what the entry referred to is let go, by `release`. */
  #change(offset: number, edit: (view: DataView, slot: number) => void): number {
    const table = this.#tableToChange(offset);
    if (typeof table === "number") return table;
    edit(table.view, this.#slotOf(offset));
    this.#tables.markDirty(table);
    return 0;
  }

  /** Makes sure that the table for `offset` can be changed: afterwards setting an entry cannot fail. */
  prepare(offset: number): number {
    const table = this.#tableToChange(offset);
    return typeof table === "number" ? table : 0;
  }

  /** Lets go of what the entry of `offset` refers to; then it is to be set anew. */
  release(offset: number): number {
    const table = this.#tableOf(Math.floor(offset / this.clusterBytes));
    if (typeof table === "number" || !table) return table ?? 0;
    const slot = this.#slotOf(offset);
    if ((table.view.getUint32(slot) & COMPRESSED) !== 0) {
      const { at, length } = this.#descriptor(table.view, slot);
      const last = Math.floor((at + length - 1) / this.clusterBytes);
      for (let c = Math.floor(at / this.clusterBytes); c <= last; c++) this.#refcounts!.free(c);
      return 0;
    }
    const at = entryOffset(table.view, slot);
    if (at % this.clusterBytes !== 0) return EUCLEAN;
    if (at !== 0) this.#refcounts!.free(at / this.clusterBytes);
    return 0;
  }

  /** Writes L2 tables. Before: the counts are on stable storage. */
  writeTables(): number {
    return this.#tables.writeBack();
  }

  get isL1Dirty(): boolean {
    return this.#dirtyL1.size > 0;
  }

  /** Writes changed L1 entries. Before: the tables are on stable storage. */
  writeL1(): number {
    for (const index of this.#dirtyL1) {
      const entry = new Uint8Array(this.#l1.buffer, this.#l1.byteOffset + index * 8, 8);
      const r = this.#file.write(this.#l1Offset + index * 8, entry);
      if (failed(r)) return r;
      this.#dirtyL1.delete(index);
    }
    return 0;
  }

  /** The L2 table for a cluster; null if there is none. */
  #tableOf(cluster: number): Table | Errno | null {
    const index = Math.floor(cluster / this.#perTable);
    if (index >= this.#l1Size) return EUCLEAN;
    if (be64(this.#l1, index * 8) === 0) return null;
    const offset = entryOffset(this.#l1, index * 8);
    if (offset === 0) return null;
    return offset % this.clusterBytes === 0 ? this.#tables.get(offset) : EUCLEAN;
  }

  /** The table, made if there is none, and copied if it is not ours alone. */
  #tableToChange(diskOffset: number): Table | Errno {
    const cluster = Math.floor(diskOffset / this.clusterBytes);
    const old = this.#tableOf(cluster);
    if (typeof old === "number") return old;
    const slot = Math.floor(cluster / this.#perTable) * 8;
    const refcounts = this.#refcounts!;
    if (old && isCopied(this.#l1, slot)) {
      return refcounts.core.has(old.offset / this.clusterBytes) ? EUCLEAN : old;
    }
    const run = refcounts.allocate(1);
    if (typeof run === "number") return run;
    const fresh = this.#tables.create(run.start * this.clusterBytes);
    if (typeof fresh === "number") {
      refcounts.giveBack(run);
      return fresh;
    }
    if (old) {
      fresh.bytes.set(old.bytes);
      refcounts.free(old.offset / this.clusterBytes);
      refcounts.tables.remove(old.offset / this.clusterBytes, old.offset / this.clusterBytes + 1);
    }
    refcounts.tables.add(run.start, run.start + 1);
    this.#tables.markDirty(fresh);
    setCopied(this.#l1, slot, fresh.offset);
    this.#dirtyL1.add(slot / 8);
    return fresh;
  }
}

function kindOf(view: DataView, slot: number): RunKind {
  if ((view.getUint32(slot) & COMPRESSED) !== 0) return "compressed";
  if ((view.getUint32(slot + 4) & ZERO) !== 0) return "zero";
  return entryOffset(view, slot) === 0 ? "hole" : "data";
}
