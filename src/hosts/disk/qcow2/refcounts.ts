/**
 * How often each cluster of the file is referred to, and which are free.
 *
 * Counts reach the file before anything refers to a cluster that they newly
 * count, and a cluster that is let go keeps its count until nothing on the
 * file refers to it: a crash at any moment leaks clusters at worst. So
 * `free` only notes; `settle`, after the tables are on stable storage, counts
 * down.
 */
import { ENOSPC, type Errno, EUCLEAN, failed } from "../../../abi/errno.ts";
import { RangeSet } from "../../../lib/rangeset.ts";
import type { ImageFile } from "../imagefile.ts";
import { be64, setBe64 } from "./be64.ts";
import { type Qcow2Header, setRefTable } from "./header.ts";
import { type Table, TableCache } from "./tablecache.ts";

const CACHE_BYTES = 2 << 20;
const MAX_REFTABLE_BYTES = 8 << 20;
/** How far a free cluster is looked for, in the file and behind its end; a damaged image counts anything. */
const MAX_STEPS = 1 << 22;
const MAX_STEPS_BEHIND = 1 << 16;
/** So many clusters let go are enough to write the tables for. */
const MANY_LET_GO = 1 << 16;

/** A run of clusters, by index. */
export interface ClusterRun {
  readonly start: number;
  readonly count: number;
}

export class Refcounts {
  readonly #file: ImageFile;
  readonly #clusterBytes: number;
  readonly #order: number;
  /** Counts in one block. */
  readonly #perBlock: number;
  readonly #limitClusters: number;
  readonly #blocks: TableCache;
  /** The refcount table: offsets of blocks. */
  #table: DataView;
  #tableOffset: number;
  readonly #dirtyEntries = new Set<number>();
  /** No free cluster lies below. */
  #cursor = 1;
  /** While counts are made anew: what they will be. */
  #used: Uint16Array | null = null;
  /** Clusters that nothing refers to any more, but the tables on the file perhaps. */
  readonly #letGo: number[] = [];
  /** Clusters of the header, of L1, refcount and snapshot tables: never to be written as anything else. */
  readonly core = new RangeSet();
  /** Clusters of L2 tables in use. */
  readonly tables = new RangeSet();

  /** `table` holds the refcount table's clusters. `limitBytes` is how large the file may become. */
  constructor(file: ImageFile, header: Qcow2Header, table: Uint8Array, limitBytes: number) {
    this.#file = file;
    this.#clusterBytes = 2 ** header.clusterBits;
    this.#order = header.refcountOrder;
    this.#perBlock = (this.#clusterBytes * 8) >>> this.#order;
    this.#limitClusters = Math.floor(limitBytes / this.#clusterBytes);
    this.#blocks = new TableCache(file, this.#clusterBytes, CACHE_BYTES);
    this.#table = new DataView(table.buffer, table.byteOffset, table.byteLength);
    this.#tableOffset = header.refTableOffset;
    this.core.add(0, 1);
    this.addCore(header.refTableOffset, table.length);
    // In ascending order, in which ranges are added at the end.
    const offsets = new Float64Array(this.#tableSize);
    for (let i = 0; i < offsets.length; i++) offsets[i] = this.#blockOffset(i);
    for (const offset of offsets.sort()) {
      if (offset !== 0) this.addCore(offset, this.#clusterBytes);
    }
  }

  get isDirty(): boolean {
    return this.#blocks.isDirty || this.#dirtyEntries.size > 0;
  }

  get isFull(): boolean {
    return this.#blocks.isFull || this.#letGo.length >= MANY_LET_GO;
  }

  /** Clusters that the file has, the last perhaps in part. */
  get fileClusters(): number {
    return Math.ceil(this.#file.sizeBytes / this.#clusterBytes);
  }

  /** True of clusters that hold no data: a damaged image may say that they do. */
  isTable(cluster: number): boolean {
    return this.core.has(cluster) || this.tables.has(cluster);
  }

  /** What is at `offset` is part of the file's structure. */
  addCore(offset: number, length: number): void {
    const first = Math.floor(offset / this.#clusterBytes);
    this.core.add(first, first + Math.ceil(length / this.#clusterBytes));
  }

  get #tableSize(): number {
    return this.#table.byteLength / 8;
  }

  #blockOffset(index: number): number {
    return index < this.#tableSize ? be64(this.#table, index * 8) : 0;
  }

  count(cluster: number): number {
    const block = this.#block(Math.floor(cluster / this.#perBlock));
    if (typeof block === "number") return block;
    return block ? this.#get(block.view, cluster % this.#perBlock) : 0;
  }

  /** A run of 1 to `wanted` clusters, counted once each: free ones of the file, or behind its end. */
  allocate(wanted: number): ClusterRun | Errno {
    const start = this.#findFree();
    if (failed(start)) return start;
    this.#cursor = start;
    if (start >= this.#limitClusters) return ENOSPC;
    let count = 0;
    while (count < wanted && start + count < this.#limitClusters) {
      const isFree = this.#isFree(start + count);
      if (failed(isFree)) return isFree;
      if (isFree === 0) break;
      const r = this.#set(start + count, 1);
      if (failed(r)) {
        if (count > 0) break;
        return r;
      }
      // To count the cluster, one may have been taken for its counts.
      if (this.core.has(start + count)) break;
      count++;
    }
    if (count === 0) return this.allocate(wanted);
    this.#cursor = start + count;
    return { start, count };
  }

  /** One reference less, as soon as nothing on the file can say otherwise. */
  free(cluster: number): void {
    this.#letGo.push(cluster);
  }

  /** Takes back clusters that `allocate` gave and nobody came to refer to. */
  giveBack(run: ClusterRun): void {
    for (let i = 0; i < run.count; i++) this.#set(run.start + i, 0);
    this.#cursor = Math.min(this.#cursor, run.start);
  }

  /** Writes the counts. Before: sync what they count. After: sync, and then tables may refer to it. */
  writeBack(): number {
    let r = this.#blocks.writeBack();
    if (failed(r) || this.#dirtyEntries.size === 0) return r;
    // A block is there before the table knows it.
    r = this.#file.flush();
    const entry = new Uint8Array(8);
    for (const index of this.#dirtyEntries) {
      if (failed(r)) return r;
      setBe64(new DataView(entry.buffer), 0, this.#blockOffset(index));
      r = this.#file.write(this.#tableOffset + index * 8, entry);
      if (!failed(r)) this.#dirtyEntries.delete(index);
    }
    return r;
  }

  /** The tables on the file are as those in memory: what was let go is free. False if a count was wrong. */
  settle(): boolean {
    let isSound = true;
    const freed = new RangeSet();
    for (const cluster of this.#letGo.splice(0)) {
      const count = this.count(cluster);
      // A table that is in use is let go by nobody but a damaged image.
      if (count <= 0 || this.isTable(cluster)) {
        isSound = false;
        continue;
      }
      if (failed(this.#set(cluster, count - 1)) || count > 1) continue;
      freed.add(cluster, cluster + 1);
      this.#cursor = Math.min(this.#cursor, cluster);
    }
    const size = this.#clusterBytes;
    for (const [start, end] of freed) this.#file.punch(start * size, (end - start) * size);
    return isSound;
  }

  /** Sets all counts anew, from what refers to each cluster. */
  rebuild(counts: Uint16Array): number {
    const max = this.#order < 5 ? 2 ** (1 << this.#order) - 1 : 0xffff;
    this.#used = counts;
    for (let cluster = 0; cluster < counts.length; cluster++) {
      const is = this.count(cluster);
      if (failed(is)) return is;
      // What was added on the way counts as well.
      const should = Math.max(counts[cluster]!, this.core.has(cluster) ? 1 : 0);
      if (should > max) return EUCLEAN;
      if (is === should) continue;
      const r = this.#set(cluster, should);
      if (failed(r)) return r;
    }
    return 0;
  }

  #findFree(): number {
    const end = Math.max(this.#cursor, this.fileClusters);
    for (const [from, steps] of [
      [this.#cursor, Math.min(MAX_STEPS, end - this.#cursor)],
      [end, MAX_STEPS_BEHIND],
    ] as const) {
      for (let cluster = from; cluster < from + steps; cluster++) {
        const isFree = this.#isFree(cluster);
        if (failed(isFree)) return isFree;
        if (isFree === 1) return cluster;
      }
    }
    return ENOSPC;
  }

  /** 1, 0 or an error. Clusters of tables are never free, whatever a damaged image counts. */
  #isFree(cluster: number): number {
    const count = this.count(cluster);
    if (failed(count)) return count;
    return count === 0 && !this.isTable(cluster) ? 1 : 0;
  }

  /** The block that has the counts from index * perBlock on; null if there is none. */
  #block(index: number): Table | Errno | null {
    const offset = this.#blockOffset(index);
    if (offset === 0) return null;
    return offset % this.#clusterBytes === 0 ? this.#blocks.get(offset) : EUCLEAN;
  }

  #set(cluster: number, count: number): number {
    const index = Math.floor(cluster / this.#perBlock);
    let block = this.#block(index);
    if (block === null) {
      const r = this.#addBlock(index);
      if (failed(r)) return r;
      block = this.#block(index);
    }
    if (typeof block === "number" || block === null) return block ?? EUCLEAN;
    this.#put(block.view, cluster % this.#perBlock, count);
    this.#blocks.markDirty(block);
    return 0;
  }

  /**
   * A block for counts that had none: all of them are 0, so the first of its
   * own clusters that is no table's is free, and it begins by counting itself.
   */
  #addBlock(index: number): number {
    if (index >= this.#tableSize) return this.#growTable(index);
    let home = index * this.#perBlock;
    const end = home + this.#perBlock;
    while (home < end && (this.core.has(home) || (this.#used?.[home] ?? 0) > 0)) home++;
    if (home === end || home >= this.#limitClusters) return ENOSPC;
    const block = this.#blocks.create(home * this.#clusterBytes);
    if (typeof block === "number") return block;
    this.#put(block.view, home % this.#perBlock, 1);
    this.#blocks.markDirty(block);
    this.addCore(block.offset, this.#clusterBytes);
    setBe64(this.#table, index * 8, block.offset);
    this.#dirtyEntries.add(index);
    return 0;
  }

  /**
   * A larger table, behind all that the old one can count, with the blocks that
   * count it: written and synced before the header names it.
   */
  #growTable(index: number): number {
    const size = this.#clusterBytes;
    const base = this.#tableSize * this.#perBlock;
    const entries = Math.max(index + 1, Math.ceil(this.#tableSize * 1.5)) + 8;
    let blocks = 1;
    let tableClusters = 1;
    for (let before = 0; before !== blocks; ) {
      before = blocks;
      tableClusters = Math.ceil(((entries + blocks) * 8) / size);
      blocks = Math.ceil((blocks + tableClusters) / this.#perBlock);
    }
    if (tableClusters * size > MAX_REFTABLE_BYTES) return ENOSPC;
    const end = base + blocks + tableClusters;
    if (end > this.#limitClusters || this.core.has(base)) return ENOSPC;
    const bytes = new Uint8Array(tableClusters * size);
    bytes.set(new Uint8Array(this.#table.buffer, this.#table.byteOffset, this.#table.byteLength));
    const table = new DataView(bytes.buffer);
    for (let b = 0; b < blocks; b++) {
      const block = this.#blocks.create((base + b) * size);
      if (typeof block === "number") return block;
      setBe64(table, (this.#tableSize + b) * 8, block.offset);
      const first = base + b * this.#perBlock;
      for (let c = first; c < Math.min(end, first + this.#perBlock); c++) {
        this.#put(block.view, c - first, 1);
      }
      this.#blocks.markDirty(block);
    }
    const at = (base + blocks) * size;
    let r = this.#file.write(at, bytes);
    if (!failed(r)) r = this.#blocks.writeBack();
    if (!failed(r)) r = this.#file.flush();
    if (!failed(r)) r = setRefTable(this.#file, at, tableClusters);
    if (!failed(r)) r = this.#file.flush();
    if (failed(r)) return r;
    this.core.add(base, end);
    const old = { at: this.#tableOffset / size, clusters: this.#table.byteLength / size };
    this.#table = table;
    this.#tableOffset = at;
    this.#dirtyEntries.clear();
    this.core.remove(old.at, old.at + old.clusters);
    for (let i = 0; i < old.clusters; i++) this.free(old.at + i);
    return this.#blockOffset(index) === 0 ? this.#addBlock(index) : 0;
  }

  /** Counts of less than a byte fill it from its low bits; larger ones are big-endian. */
  #get(view: DataView, index: number): number {
    switch (this.#order) {
      case 3:
        return view.getUint8(index);
      case 4:
        return view.getUint16(index * 2);
      case 5:
        return view.getUint32(index * 4);
      case 6:
        return be64(view, index * 8);
      default: {
        const bits = 1 << this.#order;
        const at = index * bits;
        return (view.getUint8(at >>> 3) >>> (at & 7)) & ((1 << bits) - 1);
      }
    }
  }

  #put(view: DataView, index: number, count: number): void {
    switch (this.#order) {
      case 3:
        view.setUint8(index, count);
        break;
      case 4:
        view.setUint16(index * 2, count);
        break;
      case 5:
        view.setUint32(index * 4, count);
        break;
      case 6:
        setBe64(view, index * 8, count);
        break;
      default: {
        const bits = 1 << this.#order;
        const at = index * bits;
        const mask = ((1 << bits) - 1) << (at & 7);
        view.setUint8(at >>> 3, (view.getUint8(at >>> 3) & ~mask) | (count << (at & 7)));
      }
    }
  }
}
