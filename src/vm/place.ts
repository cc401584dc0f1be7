/** Where a map goes: as it was asked for, or into a gap that suits the TLB. See mmap(2). */
import { EEXIST, EINVAL, ENOMEM, EPERM } from "../abi/errno.ts";
import { MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_SHARED } from "../abi/mman.ts";
import type { EntryList } from "./entrylist.ts";
import { type MapEntry, VM_GROWSDOWN } from "./mapentry.ts";
import type { MmapRequest } from "./mmap.ts";
import {
  CHUNK_SIZE,
  MMAP_MIN_ADDR,
  PAGE_SIZE,
  pageFloor,
  STACK_GUARD_GAP,
  USER_END,
} from "./param.ts";

/** Of a map that mmap places low: two of the C library's arenas, of which it cuts one off to align the other. */
const MAX_LOW_BYTES = (128 << 20) + 2 * CHUNK_SIZE;

/** The address, or an error: EINVAL, ENOMEM, EPERM, EEXIST. */
export function placeFor(
  entries: EntryList,
  { addr: hint, prot, flags, object = null }: MmapRequest,
  length: number,
): number {
  if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0) {
    if (hint % PAGE_SIZE !== 0) return EINVAL;
    if (!(hint <= USER_END - length)) return ENOMEM;
    if (hint < MMAP_MIN_ADDR) return EPERM;
    if ((flags & MAP_FIXED_NOREPLACE) !== 0 && !entries.isFree(hint, hint + length)) {
      return EEXIST;
    }
    return hint;
  }
  if (hint > 0 && hint <= USER_END - length) {
    const at = Math.max(pageFloor(hint), MMAP_MIN_ADDR);
    if (isGap(entries, at, length)) return at;
  }
  const mayJoin = object === null && (flags & MAP_SHARED) === 0;
  return findGap(entries, length, mayJoin ? prot : -1);
}

/**
 * Where mmap would put `length` bytes of its own choice: an address, or ENOMEM. A map gets granules
 * (64 KiB) of its own, as a TLB holds one window of each; a short one may follow below private
 * anonymous memory of the same `prot` (-1: it is something else). Long ones begin where a granule does.
 */
export function findGap(entries: EntryList, length: number, prot: number): number {
  const room = length + 2 * CHUNK_SIZE;
  const gap = findRoom(entries, room);
  if (gap < 0) {
    const at = findRoom(entries, length);
    return at < 0 ? ENOMEM : at;
  }
  const top = gap + room;
  const isLong = length >= CHUNK_SIZE;
  if (!isLong && entries.find(top)?.mayContinueAnon(prot)) return top - length;
  const at = top - (top % CHUNK_SIZE) - length;
  return isLong ? at - (at % CHUNK_SIZE) : at;
}

/**
 * The highest gap of `length` bytes where mmap may choose; -1 if there is none. What is no longer than
 * programs use from end to end goes where it can be at home (homes.ts), the rest, mostly reserved for something, elsewhere.
 */
export function findRoom(entries: EntryList, length: number): number {
  const isLow = length <= MAX_LOW_BYTES;
  const at = entries.findGap(length, isLow);
  return at >= 0 ? at : entries.findGap(length, !isLow);
}

function isGap(entries: EntryList, start: number, length: number): boolean {
  const e = entries.at(entries.indexAfter(start));
  return e === undefined || start + length <= gapLimit(e);
}

/** How far up a gap below `e` reaches for those who look for one. */
export function gapLimit(e: MapEntry): number {
  return (e.flags & VM_GROWSDOWN) !== 0 ? e.start - STACK_GUARD_GAP : e.start;
}
