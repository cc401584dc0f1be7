/**
 * Small segments of translations are merged into the next that is written: they stay few, and a program that makes a region
 * or two at each run pushes out nobody else's. (Compaction, as of log-structured merge trees; large segments are left as they are.)
 *
 * Of a region only what was made last is taken, so that none that was replaced becomes the newest again.
 */
import { failed } from "../../../abi/errno.ts";
import type { TranslationSegment } from "../../../platform/translations.ts";
import { MIN_RECORD_BYTES, recordBytes } from "./record.ts";
import type { IndexEntry, SegmentIndex } from "./segmentindex.ts";

/** A segment below this is small. */
const SMALL_BYTES = 256 << 10;
/** So many small ones are merged. */
const MANY = 8;

/** What one earlier machine left. */
export interface IndexedSegment {
  readonly file: TranslationSegment;
  readonly index: SegmentIndex;
}

/**
 * Gives `append` the records of the small ones among `segments`, the newest first, if they are many: without those that are in `mine` or
 * in a newer segment. The segments that are not needed any more.
 */
export function mergeSmall(
  segments: readonly IndexedSegment[],
  mine: readonly IndexEntry[],
  append: (entry: number, hash: number, record: Uint8Array) => boolean,
): readonly TranslationSegment[] {
  const isSmall = ({ file }: IndexedSegment): boolean => file.sizeBytes < SMALL_BYTES;
  if (segments.filter(isSmall).length < MANY) return [];
  const made = new Set(mine.map(keyOf));
  return segments.flatMap((segment, i) => {
    if (!isSmall(segment)) return [];
    const newer = segments.slice(0, i);
    const latest = new Map(segment.index.entries().map((e) => [keyOf(e), e]));
    // Large segments may have very many: they are only asked.
    const wanted = [...latest].flatMap(([key, e]) =>
      made.has(key) || newer.some(({ index }) => index.has(e)) ? [] : [e],
    );
    return wanted.every(appender(segment, append)) ? [segment.file] : [];
  });
}

/** Appends the record of an entry of the segment: false if that cannot be. What is damaged is left out. */
function appender(
  { file, index }: IndexedSegment,
  append: (entry: number, hash: number, record: Uint8Array) => boolean,
): (e: IndexEntry) => boolean {
  const bytes = new Uint8Array(index.start);
  const isRead = !failed(file.read(0, bytes));
  return ({ entry, hash, offset }) => {
    if (!isRead) return false;
    if (offset + MIN_RECORD_BYTES > bytes.length) return true;
    const end = offset + recordBytes(bytes, offset);
    return end > bytes.length || append(entry, hash, bytes.slice(offset, end));
  };
}

const keyOf = ({ entry, hash }: IndexEntry): string => `${entry} ${hash}`;
