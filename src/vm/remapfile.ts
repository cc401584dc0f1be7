/**
 * remap_file_pages(2): shows other pages of what is shared at an address.
 *
 * As in Linux since 4.0 there are no maps out of order: the range becomes a
 * map of its own. It may reach over neighbours of the same file and kind.
 */
import { EINVAL } from "../abi/errno.ts";
import { MAP_FIXED, MAP_LOCKED, MAP_NONBLOCK, MAP_POPULATE, MAP_SHARED } from "../abi/mman.ts";
import type { MapEntry } from "./mapentry.ts";
import { VM_LOCKED } from "./mapentry.ts";
import { PAGE_SIZE, pageFloor } from "./param.ts";
import type { Vmspace } from "./vmspace.ts";

export function remapFilePages(
  vs: Vmspace,
  addr: number,
  size: number,
  prot: number,
  page: number,
  flags: number,
): number {
  const start = pageFloor(addr);
  const length = pageFloor(size);
  const end = start + length;
  if (prot !== 0 || end <= start || !(end <= Number.MAX_SAFE_INTEGER)) return EINVAL;
  const e = vs.entries.find(start);
  if (!e?.isShared || !e.object || !reachesTo(vs, e, end)) return EINVAL;
  const { object, file, maxProt } = e;
  let mapFlags = MAP_SHARED | MAP_FIXED | MAP_POPULATE | (flags & MAP_NONBLOCK);
  if ((e.flags & VM_LOCKED) !== 0) mapFlags |= MAP_LOCKED;
  const request = {
    ...{ addr: start, length, prot: e.prot, flags: mapFlags },
    ...{ object, offset: page * PAGE_SIZE, file, maxProt },
  };
  // What it replaces may be all that held them.
  object.hold();
  file?.hold();
  const r = vs.mmap(request);
  file?.release();
  object.release();
  return Math.min(r, 0);
}

function reachesTo(vs: Vmspace, first: MapEntry, end: number): boolean {
  let last = first;
  while (last.end < end) {
    const next = vs.entries.find(last.end);
    if (next?.object !== first.object || next.flags !== first.flags) return false;
    last = next;
  }
  return true;
}
