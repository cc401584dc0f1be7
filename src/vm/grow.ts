/** What grows in place: the heap, by brk(2), and stacks, by touching what is below them. */
import { failed } from "../abi/errno.ts";
import { PROT_READ, PROT_WRITE } from "../abi/mman.ts";
import { MapEntry, PROT_ALL, VM_GROWSDOWN, VM_LOCKED } from "./mapentry.ts";
import { MMAP_MIN_ADDR, pageCeil, pageFloor, STACK_GUARD_GAP, USER_END } from "./param.ts";
import { gapLimit } from "./place.ts";
import type { Vmspace } from "./vmspace.ts";

/** The new end of the heap, or the old one if it could not move. */
export function moveBrk(vs: Vmspace, addr: number): number {
  if (!(addr >= vs.brkStart && addr < USER_END)) return vs.brkEnd;
  const oldEnd = pageCeil(vs.brkEnd);
  const newEnd = pageCeil(addr);
  if (addr - vs.brkStart > vs.limits.dataBytes) return vs.brkEnd;
  if (newEnd < oldEnd) {
    if (failed(vs.unmapRange(newEnd, oldEnd))) return vs.brkEnd;
  } else if (newEnd > oldEnd) {
    const above = vs.entries.at(vs.entries.indexAfter(oldEnd));
    const limit = above ? gapLimit(above) : USER_END;
    if (newEnd > limit) return vs.brkEnd;
    if (failed(vs.admit(newEnd - oldEnd, PROT_READ | PROT_WRITE, 0, oldEnd))) {
      return vs.brkEnd;
    }
    vs.add(
      new MapEntry(
        vs,
        oldEnd,
        newEnd,
        PROT_READ | PROT_WRITE,
        PROT_ALL,
        vs.lockFuture,
        null,
        0,
        null,
        "",
      ),
    );
    if ((vs.lockFuture & VM_LOCKED) !== 0) vs.populate(oldEnd, newEnd);
  }
  vs.brkEnd = addr;
  return addr;
}

/** Extends a MAP_GROWSDOWN entry down to `addr`, if it may: the entry, or null. */
export function growStack(vs: Vmspace, addr: number): MapEntry | null {
  const i = vs.entries.indexAfter(addr);
  const e = vs.entries.at(i);
  if (!e || (e.flags & VM_GROWSDOWN) === 0) return null;
  const start = pageFloor(addr);
  const grown = e.start - start;
  if (start < MMAP_MIN_ADDR || e.end - start > vs.limits.stackBytes) return null;
  if (vs.totalBytes + grown > vs.limits.asBytes) return null;
  if (failed(vs.mayGrow(grown, e.prot, e.flags))) return null;
  const below = vs.entries.at(i - 1);
  const isGuarded = below && below.prot !== 0 && (below.flags & VM_GROWSDOWN) === 0;
  if (isGuarded && start - below.end < STACK_GUARD_GAP) return null;
  vs.account(e, -1);
  e.setStart(start);
  vs.account(e, 1);
  return e;
}
