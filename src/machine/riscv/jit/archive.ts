/**
 * Translations of earlier machines, found by the code they were made of; and this machine's, for later ones.
 *
 * A segment is what one machine made: records (record.ts) in the order in which code got hot, then an index
 * (segmentindex.ts). Only the indexes are read at the start. A program mostly goes the way that it went before, so with
 * a region come those that follow in its segment, if they are warm and their code is there: as a file is read ahead.
 *
 * Whatever a segment holds, what comes of it is a module that WebAssembly accepted, for code that was compared with
 * what is in memory.
 */
import { failed } from "../../../abi/errno.ts";
import type { TranslationStore } from "../../../platform/translations.ts";
import type { PageTable } from "../../mmu/pagetable.ts";
import { PAGE_SIZE, type PhysMem } from "../../physmem.ts";
import { HAS_FUSED_MADD } from "../softfloat/fusedmadd.ts";
import { codeHash, executableAt, pagesWith, type Span, spansOf } from "./code.ts";
import { assemble, type Functions, isRefusal, type RegionCode, type Unlinked } from "./compile.ts";
import type { Graph } from "./graph.ts";
import { type IndexedSegment, mergeSmall } from "./merge.ts";
import {
  decodeRecord,
  encodeRecord,
  entryOf,
  MIN_RECORD_BYTES,
  RECORD_HEAD,
  type RegionRecord,
  recordBytes,
} from "./record.ts";
import type { Hope } from "./region.ts";
import { encodeIndex, type IndexEntry, SegmentIndex } from "./segmentindex.ts";

/** Entries that an index may have; more than a machine ever makes. */
const MAX_ENTRIES = 1 << 17;
/** Most bytes that one machine leaves. */
const MAX_SEGMENT_BYTES = 96 << 20;
/** Records that are looked at together, and bytes that are read for them. */
const MAX_AHEAD = 16;
const MIN_AHEAD = 4;
const AHEAD_BYTES = 64 << 10;

/** A region as an earlier machine made it. */
export interface Restored {
  readonly entry: number;
  readonly pages: ReadonlyMap<number, number>;
  readonly func: unknown;
  readonly innerLoops: readonly number[];
  readonly aways: readonly number[];
  /** The code it was made of. */
  readonly spans: readonly Span[];
}

/** A record that fits what is in memory. */
interface Fitting {
  readonly record: RegionRecord;
  readonly pages: ReadonlyMap<number, number>;
}

/** What one earlier machine left, and how well its order foretells what is wanted. */
interface Segment extends IndexedSegment {
  /** Records to look at together next time. */
  ahead: number;
}

export class Archive {
  readonly #store: TranslationStore;
  readonly #kind: number;
  readonly #link: (module: Unlinked) => Functions;
  /** The newest first. */
  readonly #segments: Segment[] = [];
  readonly #mine: IndexEntry[] = [];
  #end = 0;
  #isBroken = false;

  /** What `store` has for a machine whose calls nest `depth` deep. */
  constructor(store: TranslationStore, depth: number, link: (module: Unlinked) => Functions) {
    this.#store = store;
    this.#kind = kindOf(depth);
    this.#link = link;
    for (const file of store.segments) {
      const index = SegmentIndex.read(file, this.#kind, MAX_ENTRIES);
      if (index) this.#segments.push({ file, index, ahead: MAX_AHEAD });
    }
  }

  /**
   * A region for the code that is at `pc`, and with it those behind it that begin where `isWarm` says; nothing if there is none
   * at `pc`. `mayHave`: it hopes for nothing that was hoped for in vain.
   */
  restore(
    pt: PageTable,
    pc: number,
    mayHave: (record: RegionRecord) => boolean,
    isWarm: (entry: number) => boolean,
  ): readonly Restored[] {
    let hash: number | undefined;
    for (const segment of this.#segments) {
      if (!segment.index.mayHave(pc)) continue;
      hash ??= hashAt(pt, pc);
      if (hash === undefined) return [];
      for (const offset of segment.index.find(pc, hash)) {
        const found = this.#readAhead(segment, offset, pt, mayHave, isWarm);
        if (found.length > 0) return this.#linked(found);
      }
    }
    return [];
  }

  /** Keeps a region for later machines: `graph` is of what is in memory now. */
  keep(
    graph: Graph,
    hope: Hope,
    { code, innerLoops }: RegionCode,
    aways: readonly number[],
    mem: PhysMem,
  ): void {
    const { entry, pages } = graph;
    const spans = spansOf(graph, mem);
    const inPage = entry % PAGE_SIZE;
    const hash = codeHash(mem, pages.get(entry - inPage)! + inPage);
    this.#append(entry, hash, encodeRecord({ entry, hope, innerLoops, aways, spans, code }));
  }

  /** The machine is ending: what it made is kept, and what many small segments have goes with it. */
  finish(): void {
    const isWorth = !this.#isBroken && this.#mine.length > 0;
    const append = (entry: number, hash: number, record: Uint8Array): boolean =>
      this.#append(entry, hash, record);
    const merged = isWorth ? mergeSmall(this.#segments, this.#mine, append) : [];
    const index = (): Uint8Array => encodeIndex(this.#mine, this.#kind);
    const isWhole = isWorth && !this.#isBroken && !failed(this.#store.append(index()));
    this.#store.finish(isWhole, isWhole ? merged : []);
    this.#isBroken = true;
  }

  /** Appends a record to this machine's segment: false if that cannot be. */
  #append(entry: number, hash: number, record: Uint8Array): boolean {
    if (this.#isBroken || this.#end + record.length > MAX_SEGMENT_BYTES) return false;
    if (this.#mine.length === MAX_ENTRIES) return false;
    if (failed(this.#store.append(record))) {
      this.#isBroken = true;
      return false;
    }
    this.#mine.push({ entry, hash, offset: this.#end });
    this.#end += record.length;
    return true;
  }

  /** The record at `offset` and those behind it that fit; nothing if the first does not. */
  #readAhead(
    segment: Segment,
    offset: number,
    pt: PageTable,
    mayHave: (record: RegionRecord) => boolean,
    isWarm: (entry: number) => boolean,
  ): Fitting[] {
    const found: Fitting[] = [];
    const comesAlong = (at: number, entry: number): boolean =>
      isWarm(entry) &&
      !found.some(({ record }) => record.innerLoops.includes(entry)) &&
      this.#isNewest(segment, at, entry, pt);
    for (const { at, bytes } of recordsFrom(segment, offset)) {
      const isFirst = at === offset;
      if (!isFirst && !comesAlong(at, entryOf(bytes))) continue;
      const record = decoded(bytes);
      const pages = record && mayHave(record) ? pagesWith(pt, record.spans) : undefined;
      if (record && pages) found.push({ record, pages });
      else if (isFirst) return found;
    }
    segment.ahead = Math.min(MAX_AHEAD, Math.max(MIN_AHEAD, 2 * found.length));
    return found;
  }

  /** Of the code that is at `entry` no region was made later than the one whose record is at `offset` of a segment. */
  #isNewest(segment: Segment, offset: number, entry: number, pt: PageTable): boolean {
    const hash = hashAt(pt, entry);
    if (hash === undefined) return false;
    for (const s of this.#segments) {
      const [newest] = s.index.find(entry, hash);
      if (newest !== undefined) return s === segment && newest === offset;
    }
    return false;
  }

  /** As a module; if that is refused, what was asked for alone. */
  #linked(found: readonly Fitting[]): readonly Restored[] {
    try {
      const funcs = this.#link(assemble(found.map(({ record }) => record.code)));
      return found.map(({ record: { entry, innerLoops, aways, spans }, pages }, i) => {
        return { entry, pages, func: funcs[`r${i}`], innerLoops, aways, spans };
      });
    } catch (e) {
      if (!isRefusal(e)) throw e;
      return found.length > 1 ? this.#linked(found.slice(0, 1)) : [];
    }
  }
}

/** A hash of the code at `pc`, if there is any. */
function hashAt(pt: PageTable, pc: number): number | undefined {
  const pa = executableAt(pt, pc);
  return pa < 0 ? undefined : codeHash(pt.mem, pa);
}

/** The records from `offset` on, as many as are to be looked at. */
function* recordsFrom(
  { file, index, ahead }: Segment,
  offset: number,
): Generator<{ at: number; bytes: Uint8Array<ArrayBuffer> }> {
  const rest = index.start - offset;
  if (rest < MIN_RECORD_BYTES) return;
  let chunk = new Uint8Array(Math.min(AHEAD_BYTES, rest));
  if (failed(file.read(offset, chunk))) return;
  let at = 0;
  for (let n = 0; n < ahead && at + RECORD_HEAD <= chunk.length; n++) {
    const length = recordBytes(chunk, at);
    if (n === 0 && length > chunk.length && length <= rest) {
      chunk = new Uint8Array(length);
      if (failed(file.read(offset, chunk))) return;
    }
    if (length < MIN_RECORD_BYTES || at + length > chunk.length) return;
    yield { at: offset + at, bytes: chunk.subarray(at, at + length) };
    at += length;
  }
}

/** Undefined for what is damaged. */
function decoded(bytes: Uint8Array<ArrayBuffer>): RegionRecord | undefined {
  try {
    return decodeRecord(bytes);
  } catch (e) {
    if (e instanceof RangeError) return undefined;
    throw e;
  }
}

/** What code depends on beside the guest's: how deep calls nest, and how this host's processor multiplies and adds. */
const kindOf = (depth: number): number => depth * 2 + (HAS_FUSED_MADD ? 1 : 0);
