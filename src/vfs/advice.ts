/** What a program says of how it will use a file. See posix_fadvise(2), readahead(2). */
import type { VmObject } from "../vm/object.ts";
import { FADV_SEQUENTIAL } from "./readahead.ts";

export const FADV_WILLNEED = 3;
export const FADV_DONTNEED = 4;
export const FADV_NOREUSE = 5;

const PAGE = 4096;
/** Most pages read for one call: 16 MiB. Reading is not done in the background here. */
const WILLNEED_MAX = 4096;

/** WILLNEED and DONTNEED for [offset, end) of an object; other advice is about its open file. */
export function adviseObject(object: VmObject, advice: number, offset: number, end: number): void {
  if (object.isShmem || advice <= FADV_SEQUENTIAL) return;
  if (advice === FADV_WILLNEED) {
    const first = Math.floor(offset / PAGE);
    const stop = Math.ceil(Math.min(end, object.sizeBytes) / PAGE);
    object.fill(first, Math.min(stop, first + WILLNEED_MAX));
  } else if (advice === FADV_DONTNEED) {
    // Pages of which it is about a part only are kept, but for the file's last one.
    const first = Math.ceil(offset / PAGE);
    const stop = end >= object.sizeBytes ? Math.ceil(end / PAGE) : Math.floor(end / PAGE);
    object.sync(Math.floor(offset / PAGE), Math.ceil(end / PAGE));
    if (first < stop) object.dropClean(first, stop);
  }
}
