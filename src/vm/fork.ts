/**
 * fork(2) of an address space: every page is shared, and read-only to both
 * sides where it is private, so that the first to write makes a copy.
 */
import { ENOMEM, type Errno, failed } from "../abi/errno.ts";
import { PROT_WRITE } from "../abi/mman.ts";
import { PTE_FLAGS, PTE_W } from "../machine/mmu/pagetable.ts";
import type { Paddr } from "../machine/physmem.ts";
import {
  type MapEntry,
  VM_DONTFORK,
  VM_LOCKED,
  VM_LOCKONFAULT,
  VM_WIPEONFORK,
} from "./mapentry.ts";
import { OVERCOMMIT_GUESS } from "./overcommit.ts";
import { PTE_ANON, PTE_SHMEM, PTE_ZERO } from "./pte.ts";
import { Vmspace } from "./vmspace.ts";

export function forkVmspace(vs: Vmspace): Vmspace | Errno {
  const { overcommit, kmem } = vs.frames;
  if (vs.frames.isScarce) return ENOMEM;
  // The child's promises are as many again.
  const isGuess = overcommit.mode === OVERCOMMIT_GUESS;
  if (!isGuess && !overcommit.allows(vs.committedBytes, vs.totalBytes, kmem.isAdmin)) return ENOMEM;
  // The child's pages are its parent's at first, so it is at home where that is.
  const home = vs.frames.homes.hold(vs.pageTable.home);
  const child = new Vmspace(vs.source, vs.frames, { ...vs.limits }, vs.entries.layout, home);
  if (!child.payEntries(vs.entries.length)) {
    child.destroy();
    return ENOMEM;
  }
  child.brkStart = vs.brkStart;
  child.brkEnd = vs.brkEnd;
  child.stackTop = vs.stackTop;
  child.hasSeals = vs.hasSeals;
  child.isThpDisabled = vs.isThpDisabled;
  let isCovered = true;
  for (const e of vs.entries) {
    if ((e.flags & VM_DONTFORK) !== 0) continue;
    const c = e.clone(child, e.start, e.end);
    c.flags &= ~(VM_LOCKED | VM_LOCKONFAULT);
    child.account(c, 1);
    child.entries.append(c);
    if ((e.flags & VM_WIPEONFORK) === 0 && !sharePages(vs, child, e)) {
      isCovered = false;
      break;
    }
  }
  if (isCovered) {
    vs.forks ??= new Set();
    vs.forks.add(child);
    child.forkedFrom = vs;
    return child;
  }
  child.destroy();
  return ENOMEM;
}

/** Maps the pages of `e` in the child too; false for want of memory. */
function sharePages(vs: Vmspace, child: Vmspace, e: MapEntry): boolean {
  const { frames, pageTable } = vs;
  const shared = frames.batch;
  const clear = e.isShared ? 0 : PTE_W;
  let mayHaveLostWrite = false;
  for (let at = e.start; at < e.end; at = pageTable.cursor) {
    const n = pageTable.shareRange(child.pageTable, at, e.end, clear, shared);
    if (failed(n)) {
      pageTable.invalidate(e.start, e.end - e.start);
      return false;
    }
    if (n > 0 && clear !== 0 && (e.prot & PROT_WRITE) !== 0) mayHaveLostWrite = true;
    let anon = 0;
    let shmem = 0;
    let zero = 0;
    for (let i = 0; i < n; i++) {
      const pte = shared[i]!;
      if ((pte & PTE_ANON) !== 0) anon++;
      else if ((pte & PTE_SHMEM) !== 0) shmem++;
      else if ((pte & PTE_ZERO) !== 0) zero++;
      frames.hold(((pte & ~PTE_FLAGS) >>> 0) as Paddr);
    }
    child.rssAnon += anon;
    child.rssShmem += shmem;
    child.rssFile += n - anon - shmem - zero;
  }
  if (mayHaveLostWrite) pageTable.invalidate(e.start, e.end - e.start);
  return true;
}
