/**
 * mseal(2): memory that stays as it is mapped, whatever the program is made to do.
 *
 * A seal is for good: it ends with the address space. Contents may be written
 * where the rights allow it.
 */
import { EINVAL, ENOMEM, failed } from "../abi/errno.ts";
import { VM_SEALED } from "./mapentry.ts";
import { PAGE_SIZE, pageCeil, USER_END } from "./param.ts";
import type { Vmspace } from "./vmspace.ts";

/** Seals all of the range, or nothing: ENOMEM if not all of it is mapped. */
export function sealRange(vs: Vmspace, addr: number, length: number): number {
  if (addr % PAGE_SIZE !== 0 || !(addr + length < Number.MAX_SAFE_INTEGER)) return EINVAL;
  const end = addr + pageCeil(length);
  if (end === addr) return 0;
  if (!(end <= USER_END) || vs.mappedBytes(addr, end) < end - addr) return ENOMEM;
  for (let at = addr; at < end; ) {
    const e = vs.entries.find(at)!;
    const stop = Math.min(end, e.end);
    if ((e.flags & VM_SEALED) === 0) {
      const i = vs.clip(at, stop);
      if (failed(i)) return i;
      vs.entries.at(i)!.flags |= VM_SEALED;
      vs.hasSeals = true;
    }
    at = stop;
  }
  vs.mergeRange(addr, end);
  return 0;
}

export function isAnySealed(vs: Vmspace, start: number, end: number): boolean {
  for (let i = vs.entries.indexAfter(start); ; i++) {
    const e = vs.entries.at(i);
    if (!e || e.start >= end) return false;
    if ((e.flags & VM_SEALED) !== 0) return true;
  }
}
