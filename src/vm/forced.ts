/**
 * Memory as a debugger reaches it: what is mapped, whatever the program itself
 * may do there. See ptrace(2) PTRACE_POKEDATA, proc_pid_mem(5); Linux FOLL_FORCE.
 *
 * Writing to a private map makes a page of its own, so that a breakpoint never
 * reaches the file or another process; a shared map must be writable.
 */
import { EFAULT, ENOMEM, failed } from "../abi/errno.ts";
import { PROT_READ, PROT_WRITE } from "../abi/mman.ts";
import { PTE_FLAGS } from "../machine/mmu/pagetable.ts";
import type { Paddr } from "../machine/physmem.ts";
import { ownPage } from "./fault.ts";
import { FAULT_OK, FAULT_OOM } from "./faultcode.ts";
import type { MapEntry } from "./mapentry.ts";
import { PAGE_SIZE, USER_END } from "./param.ts";
import type { Vmspace } from "./vmspace.ts";

/** Reads as far as there is memory: how many bytes, or EFAULT, ENOMEM if none. */
export function readForced(vs: Vmspace, from: number, into: Uint8Array): number {
  return eachPage(from, into.length, (at, done, n) => {
    const e = entryAt(vs, at);
    if (e === null || (e.maxProt & PROT_READ) === 0) return EFAULT;
    const piece = into.subarray(done, done + n);
    const pte = vs.pageTable.get(at);
    if (pte !== 0) {
      const pa = ((pte & ~PTE_FLAGS) >>> 0) + (at % PAGE_SIZE);
      piece.set(vs.frames.mem.u8.subarray(pa, pa + n));
      return 0;
    }
    return readAbsent(vs, e, at, piece);
  });
}

/** Writes as far as it may: how many bytes, or EFAULT, ENOMEM if none. */
export function writeForced(vs: Vmspace, to: number, bytes: Uint8Array): number {
  return eachPage(to, bytes.length, (at, done, n) => {
    const e = entryAt(vs, at);
    if (e === null || (e.maxProt & PROT_WRITE) === 0) return EFAULT;
    const piece = bytes.subarray(done, done + n);
    if ((e.prot & PROT_WRITE) !== 0) return vs.copyout(at, piece);
    if (e.isShared) return EFAULT;
    const r = ownPage(vs, e, at);
    if (r !== FAULT_OK) return r === FAULT_OOM ? ENOMEM : EFAULT;
    const pa = ((vs.pageTable.get(at) & ~PTE_FLAGS) >>> 0) + (at % PAGE_SIZE);
    vs.frames.mem.u8.set(piece, pa);
    vs.frames.codeWritten(pa as Paddr, n);
    return 0;
  });
}

/** A page that nothing was put into yet; it is not brought in for this. */
function readAbsent(vs: Vmspace, e: MapEntry, at: number, into: Uint8Array): number {
  if (e.object === null) {
    into.fill(0);
    return 0;
  }
  const pindex = e.pindexOf(at);
  if (pindex * PAGE_SIZE >= e.object.sizeBytes) return EFAULT;
  const page = e.object.getPage(pindex, false);
  if (failed(page)) return page === ENOMEM ? ENOMEM : EFAULT;
  const pa = page + (at % PAGE_SIZE);
  into.set(vs.frames.mem.u8.subarray(pa, pa + into.length));
  return 0;
}

function entryAt(vs: Vmspace, at: number): MapEntry | null {
  return at >= 0 && at < USER_END ? vs.entries.find(at) : null;
}

function eachPage(
  start: number,
  length: number,
  move: (at: number, done: number, n: number) => number,
): number {
  if (!(start >= 0 && start < USER_END)) return EFAULT;
  let done = 0;
  while (done < length) {
    const at = start + done;
    const n = Math.min(length - done, PAGE_SIZE - (at % PAGE_SIZE));
    const r = move(at, done, n);
    if (r < 0) return done > 0 ? done : r;
    done += n;
  }
  return done;
}
