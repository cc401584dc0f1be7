/**
 * Translations of earlier machines, found by the code they were made of; and this machine's, for later ones.
 *
 * A segment is what one machine made: records (record.ts) one after the other, then an index sorted by
 * entry, then a footer. Only the indexes are read at the start. Whatever a segment holds, what comes of it is a module
 * that WebAssembly accepted, for code that was compared with what is in memory.
 *
 *   index entry: f64 entry, u32 hash of the code there, u32 offset, u32 length and u32 sum of the record
 *   footer: u32 magic, u32 kind of machine (see kindOf), u32 entries, u32 sum of the index
 */
import { failed } from "../../../abi/errno.ts";
import { wordSum } from "../../../lib/wordsum.ts";
import type { TranslationSegment, TranslationStore } from "../../../platform/translations.ts";
import type { PageTable } from "../../mmu/pagetable.ts";
import { PAGE_SIZE, type PhysMem } from "../../physmem.ts";
import { HAS_FUSED_MADD } from "../softfloat/fusedmadd.ts";
import { codeHash, executableAt, pagesWith, type Span, spansOf } from "./code.ts";
import type { Compiled, Functions, Unlinked } from "./compile.ts";
import type { Graph } from "./graph.ts";
import { decodeRecord, encodeRecord, type RegionSource } from "./record.ts";
import type { Hope } from "./region.ts";

const MAGIC = 0x31544b56;
const INDEX_ENTRY = 24;
const FOOTER = 16;
/** Entries that an index may have; more than a machine ever makes. */
const MAX_ENTRIES = 1 << 17;
/** Most bytes that one machine leaves. */
const MAX_SEGMENT_BYTES = 96 << 20;
/** Modules that are kept at hand for their further regions. */
const MAX_LINKED = 512;
/** Regions that make a segment worth keeping; while there are few, those of the shortest program are. */
const MIN_REGIONS = 8;
const FEW_SEGMENTS = 8;

/** A region as an earlier machine made it. */
export interface Restored {
  readonly pages: ReadonlyMap<number, number>;
  readonly func: unknown;
  readonly innerLoops: readonly number[];
  /** The code it was made of. */
  readonly spans: readonly Span[];
}

/** Where a record is. */
interface Place {
  readonly segment: TranslationSegment;
  readonly offset: number;
  readonly length: number;
  readonly sum: number;
}

interface IndexEntry {
  readonly entry: number;
  readonly hash: number;
  readonly offset: number;
  readonly length: number;
  readonly sum: number;
}

interface Linked {
  readonly regions: readonly RegionSource[];
  readonly funcs: Functions;
}

export class Archive {
  readonly #store: TranslationStore;
  readonly #kind: number;
  readonly #link: (module: Unlinked) => Functions;
  readonly #indexes: Index[] = [];
  /** Modules that were looked at, in order of last use; null: damaged. Those that regions run in live without this. */
  readonly #linked = new Map<string, Linked | null>();
  readonly #mine: IndexEntry[] = [];
  #end = 0;
  #isBroken = false;

  /** What `store` has for a machine whose calls nest `depth` deep. */
  constructor(store: TranslationStore, depth: number, link: (module: Unlinked) => Functions) {
    this.#store = store;
    this.#kind = kindOf(depth);
    this.#link = link;
    for (const segment of store.segments) {
      const index = Index.read(segment, this.#kind);
      if (index) this.#indexes.push(index);
    }
  }

  /** A region for the code that is at `pc`, of those that may be had. */
  restore(
    pt: PageTable,
    pc: number,
    mayHave: (source: RegionSource) => boolean,
  ): Restored | undefined {
    if (this.#indexes.length === 0) return undefined;
    const pa = executableAt(pt, pc);
    if (pa < 0) return undefined;
    const hash = codeHash(pt.mem, pa);
    for (const index of this.#indexes) {
      for (const place of index.find(pc, hash)) {
        const linked = this.#at(place);
        const i = linked?.regions.findIndex((r) => r.entry === pc) ?? -1;
        if (!linked || i < 0) continue;
        const source = linked.regions[i]!;
        const pages = mayHave(source) ? pagesWith(pt, source.spans) : undefined;
        if (!pages) continue;
        const { innerLoops, spans } = source;
        return { pages, func: linked.funcs[`r${i}`], innerLoops, spans };
      }
    }
    return undefined;
  }

  /** Keeps a module for later machines: `graphs` are of what is in memory now. */
  keep(graphs: readonly Graph[], hopes: readonly Hope[], module: Compiled, mem: PhysMem): void {
    if (this.#isBroken) return;
    const regions = graphs.map((graph, i) => ({
      entry: graph.entry,
      hope: hopes[i]!,
      innerLoops: module.innerLoops[i]!,
      spans: spansOf(graph, mem),
    }));
    const bytes = encodeRecord({ module, regions });
    const length = bytes.length;
    if (this.#end + length > MAX_SEGMENT_BYTES) return;
    if (this.#mine.length + graphs.length > MAX_ENTRIES) return;
    if (failed(this.#store.append(bytes))) {
      this.#isBroken = true;
      return;
    }
    const sum = wordSum(bytes);
    for (const { entry, pages } of graphs) {
      const inPage = entry % PAGE_SIZE;
      const hash = codeHash(mem, pages.get(entry - inPage)! + inPage);
      this.#mine.push({ entry, hash, offset: this.#end, length, sum });
    }
    this.#end += length;
  }

  /** The machine is ending. */
  finish(): void {
    const least = this.#store.segments.length < FEW_SEGMENTS ? 1 : MIN_REGIONS;
    const isWorth = !this.#isBroken && this.#mine.length >= least;
    this.#store.finish(isWorth && !failed(this.#store.append(this.#index())));
    this.#isBroken = true;
  }

  /** The linked module of the record at a place; null if it is damaged. */
  #at(place: Place): Linked | null {
    const key = `${this.#store.segments.indexOf(place.segment)}+${place.offset}`;
    let linked = this.#linked.get(key);
    this.#linked.delete(key);
    if (linked === undefined) linked = this.#open(place);
    this.#linked.set(key, linked);
    if (this.#linked.size > MAX_LINKED) {
      for (const oldest of this.#linked.keys()) {
        this.#linked.delete(oldest);
        break;
      }
    }
    return linked;
  }

  #open({ segment, offset, length, sum }: Place): Linked | null {
    if (length > segment.sizeBytes) return null;
    const bytes = new Uint8Array(length);
    if (failed(segment.read(offset, bytes)) || wordSum(bytes) !== sum) return null;
    try {
      const { module, regions } = decodeRecord(bytes);
      const funcs = this.#link(module);
      // Copies, lest the code keep all of the record.
      const own = regions.map((r) => ({
        ...r,
        spans: r.spans.map(({ va, code }) => ({ va, code: code.slice() })),
      }));
      return { regions: own, funcs };
    } catch (e) {
      if (isRefusal(e)) return null;
      throw e;
    }
  }

  /** Index and footer of what was added. */
  #index(): Uint8Array {
    const list = this.#mine.sort((a, b) => a.entry - b.entry);
    const size = list.length * INDEX_ENTRY;
    const out = new Uint8Array(size + FOOTER);
    const view = new DataView(out.buffer);
    list.forEach(({ entry, hash, offset, length, sum }, i) => {
      const at = i * INDEX_ENTRY;
      view.setFloat64(at, entry, true);
      view.setUint32(at + 8, hash, true);
      view.setUint32(at + 12, offset, true);
      view.setUint32(at + 16, length, true);
      view.setUint32(at + 20, sum, true);
    });
    view.setUint32(size, MAGIC, true);
    view.setUint32(size + 4, this.#kind, true);
    view.setUint32(size + 8, list.length, true);
    view.setUint32(size + 12, wordSum(out.subarray(0, size)), true);
    return out;
  }
}

/** What code depends on beside the guest's: how deep calls nest, and how this host's processor multiplies and adds. */
const kindOf = (depth: number): number => depth * 2 + (HAS_FUSED_MADD ? 1 : 0);

/** It was no record, or no module. */
const isRefusal = (e: unknown): boolean =>
  e instanceof RangeError ||
  e instanceof WebAssembly.CompileError ||
  e instanceof WebAssembly.LinkError;

/** The index of one segment, as it was read. */
class Index {
  readonly #segment: TranslationSegment;
  readonly #view: DataView;
  readonly #count: number;

  private constructor(segment: TranslationSegment, view: DataView) {
    this.#segment = segment;
    this.#view = view;
    this.#count = view.byteLength / INDEX_ENTRY;
  }

  /** Undefined if the segment is damaged, or for other machines. */
  static read(segment: TranslationSegment, kind: number): Index | undefined {
    const { sizeBytes } = segment;
    const footer = new DataView(new ArrayBuffer(FOOTER));
    if (sizeBytes < FOOTER) return undefined;
    if (failed(segment.read(sizeBytes - FOOTER, new Uint8Array(footer.buffer)))) return undefined;
    const count = footer.getUint32(8, true);
    const length = count * INDEX_ENTRY;
    const isOurs = footer.getUint32(0, true) === MAGIC && footer.getUint32(4, true) === kind;
    if (!isOurs || count > MAX_ENTRIES || length + FOOTER > sizeBytes) return undefined;
    const bytes = new Uint8Array(length);
    if (failed(segment.read(sizeBytes - FOOTER - length, bytes))) return undefined;
    if (wordSum(bytes) !== footer.getUint32(12, true)) return undefined;
    return new Index(segment, new DataView(bytes.buffer));
  }

  /** Places of regions that may be the one at `entry`, the one made last first. */
  *find(entry: number, hash: number): Generator<Place> {
    const view = this.#view;
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (view.getFloat64(middle * INDEX_ENTRY, true) <= entry) low = middle + 1;
      else high = middle;
    }
    while (--low >= 0) {
      const at = low * INDEX_ENTRY;
      if (view.getFloat64(at, true) !== entry) return;
      if (view.getUint32(at + 8, true) !== hash) continue;
      yield {
        segment: this.#segment,
        offset: view.getUint32(at + 12, true),
        length: view.getUint32(at + 16, true),
        sum: view.getUint32(at + 20, true),
      };
    }
  }
}
