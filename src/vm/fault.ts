/**
 * Page faults: what makes a page present, or writable, when it is touched.
 *
 * Write permission is given late, and only when it is safe: to a private page
 * that nobody else holds, or to a page of a shared object that now knows it is
 * dirty. So copy-on-write needs no mark: it is an entry that allows writing
 * over a page table entry that does not.
 */
import { ENOMEM, type Errno, failed } from "../abi/errno.ts";
import { PROT_READ, PROT_WRITE } from "../abi/mman.ts";
import { HOME_BYTES } from "../machine/layout.ts";
import { PTE_CONTIG, PTE_D, PTE_FLAGS, PTE_W } from "../machine/mmu/pagetable.ts";
import type { Paddr } from "../machine/physmem.ts";
import { FAULT_ACCERR, FAULT_BUS, FAULT_OK, FAULT_OOM } from "./faultcode.ts";
import { type MapEntry, VM_RAND_READ, VM_SEQ_READ } from "./mapentry.ts";
import type { VmObject } from "./object.ts";
import { CHUNK_SIZE, PAGE_SIZE } from "./param.ts";
import { ownRights, PTE_ANON, PTE_SHMEM, PTE_ZERO, readRights } from "./pte.ts";
import { allocPrivate, hasPrivate } from "./reservation.ts";
import type { Vmspace } from "./vmspace.ts";

const TWO32 = 2 ** 32;
/** More children than these, or children of a child, are not asked whether they share a page. */
const MAX_HEIRS = 8;

/** Read at once of a map that is read in order: 1 MiB. */
const SEQ_PAGES = 256;

/** Resolves an access to a page of `e`, which holds `addr`: a FAULT_*. */
export function faultIn(vs: Vmspace, e: MapEntry, addr: number, access: number): number {
  if (!isAllowed(e.prot, access)) {
    vs.frames.meter.refusedFaults++;
    return FAULT_ACCERR;
  }
  const va = addr - (addr % PAGE_SIZE);
  const pte = vs.pageTable.get(va);
  const isWrite = access === PROT_WRITE;
  if (pte !== 0) {
    if (isWrite && (pte & PTE_W) === 0) {
      return e.isShared ? shareWrite(vs, e, va) : copyOnWrite(vs, e, va, pte);
    }
    // Nothing was missing: another thread's fault brought it, or the machine remembered too little.
    return FAULT_OK;
  }
  if (e.object === null) return isWrite ? zeroFill(vs, e, va) : mapZeroPage(vs, e, va);
  if (isWrite) return e.isShared ? shareWrite(vs, e, va) : copyFromObject(vs, e, va);
  return mapObject(vs, e, va);
}

/**
 * A page of one's own at `addr`, whatever the rights of the private map `e`: a debugger
 * writes to code. The rights stay what they are, so that the program itself still cannot.
 */
export function ownPage(vs: Vmspace, e: MapEntry, addr: number): number {
  const va = addr - (addr % PAGE_SIZE);
  const pte = vs.pageTable.get(va);
  if (pte === 0) return e.object === null ? zeroFillOne(vs, e, va) : copyFromObject(vs, e, va);
  const pa = ((pte & ~PTE_FLAGS) >>> 0) as Paddr;
  if ((pte & PTE_ANON) !== 0 && vs.frames.refs(pa) === 1) return FAULT_OK;
  return copyOnWrite(vs, e, va, pte);
}

/** As RISC-V has no write-only pages, writable means readable too. */
function isAllowed(prot: number, access: number): boolean {
  if (access === PROT_READ) return (prot & (PROT_READ | PROT_WRITE)) !== 0;
  return (prot & access) !== 0;
}

function mapZeroPage(vs: Vmspace, e: MapEntry, va: number): number {
  const zero = vs.frames.zeroPage;
  vs.frames.meter.zeroFaults++;
  vs.frames.hold(zero);
  const r = vs.pageTable.enter(va, zero, readRights(e.prot) | PTE_ZERO);
  if (failed(r)) {
    vs.frames.release(zero);
    return FAULT_OOM;
  }
  return FAULT_OK;
}

/**
 * A fresh page of zeroes. With the second private page in an aligned 64 KiB come the rest
 * of the map's pages there: they are likely wanted, and then one TLB entry covers all.
 */
function zeroFill(vs: Vmspace, e: MapEntry, va: number): number {
  vs.frames.meter.zeroFaults++;
  const isFirst = !hasPrivate(vs, va);
  const r = zeroFillOne(vs, e, va);
  if (r !== FAULT_OK || isFirst) return r;
  if (!vs.frames.isPlentiful) vs.frames.makeRoom(CHUNK_SIZE / PAGE_SIZE);
  if (!vs.frames.isPlentiful) return r;
  const run = va - (va % CHUNK_SIZE);
  const end = Math.min(run + CHUNK_SIZE, e.end);
  for (let at = Math.max(run, e.start); at < end; at += PAGE_SIZE) {
    if (vs.pageTable.get(at) === 0 && zeroFillOne(vs, e, at) !== FAULT_OK) break;
  }
  vs.pageTable.promote(run);
  return FAULT_OK;
}

function zeroFillOne(vs: Vmspace, e: MapEntry, va: number): number {
  const pa = allocPrivate(vs, va);
  if (failed(pa)) return FAULT_OOM;
  vs.frames.zero(pa);
  return enterOwn(vs, e, va, pa);
}

/** Maps a fresh frame, whose one reference the page table takes over. */
function enterOwn(vs: Vmspace, e: MapEntry, va: number, pa: Paddr): number {
  if (failed(vs.pageTable.enter(va, pa, ownRights(e.prot)))) {
    vs.frames.release(pa);
    return FAULT_OOM;
  }
  vs.rssAnon++;
  return FAULT_OK;
}

/** A write to a private page that is mapped read-only. */
function copyOnWrite(vs: Vmspace, e: MapEntry, va: number, pte: number): number {
  const { frames, pageTable } = vs;
  const from = ((pte & ~PTE_FLAGS) >>> 0) as Paddr;
  frames.meter.cowFaults++;
  if ((pte & PTE_ANON) !== 0 && frames.refs(from) === 1) {
    pageTable.setFlags(va, (pte & PTE_FLAGS) | PTE_W);
    return FAULT_OK;
  }
  const taker = heirsOf(vs, va, from)?.[0] ?? vs;
  // Allocation may reclaim: the hold keeps the source, though its mapping may go.
  frames.hold(from);
  const pa = allocPrivate(taker, va);
  if (failed(pa)) {
    frames.release(from);
    return FAULT_OOM;
  }
  if ((pte & PTE_ZERO) !== 0) frames.zero(pa);
  else frames.copy(from, pa);
  frames.release(from);
  // Once more: who is killed for memory is none any more.
  const heirs = taker === vs ? null : heirsOf(vs, va, from);
  if (heirs) {
    for (const heir of heirs) leaveTo(heir, va, pa, heirs.length > 1);
    frames.release(pa);
    pageTable.setFlags(va, (pageTable.get(va) & PTE_FLAGS) | (ownRights(e.prot) & PTE_W));
    return FAULT_OK;
  }
  const old = pageTable.get(va);
  const r = enterOwn(vs, e, va, pa);
  if (r === FAULT_OK && old !== 0) vs.drop(old);
  pageTable.invalidate(va, PAGE_SIZE);
  return r;
}

/**
 * Who takes the copy of a page that is at home: its children and theirs, if they are few, and nobody else shares it. So
 * a program that forks stays at home. Null for nobody.
 */
function heirsOf(vs: Vmspace, va: number, frame: Paddr): Vmspace[] | null {
  if (vs.forks === null || va >= HOME_BYTES) return null;
  if ((va + vs.pageTable.home - frame) % TWO32 !== 0) return null;
  const wanted = vs.frames.refs(frame) - 1;
  if (wanted > MAX_HEIRS || vs.forks.size > MAX_HEIRS) return null;
  const heirs: Vmspace[] = [];
  for (const child of vs.forks) {
    if (hasPrivateAt(child, va, frame)) heirs.push(child);
    if (child.forks === null || child.forks.size > MAX_HEIRS) continue;
    for (const next of child.forks) if (hasPrivateAt(next, va, frame)) heirs.push(next);
  }
  return heirs.length === wanted && wanted > 0 ? heirs : null;
}

function hasPrivateAt(vs: Vmspace, va: number, frame: Paddr): boolean {
  const pte = vs.pageTable.get(va);
  return (pte & PTE_ANON) !== 0 && (pte & ~PTE_FLAGS) >>> 0 === frame;
}

/** Puts a copy in the place of the private page at `va`. */
function leaveTo(vs: Vmspace, va: number, copy: Paddr, isShared: boolean): void {
  const { frames, pageTable } = vs;
  const pte = pageTable.get(va);
  const mayWrite = !isShared && (vs.entries.find(va)!.prot & PROT_WRITE) !== 0;
  frames.hold(copy);
  // There is a table, so this cannot fail.
  pageTable.enter(va, copy, (pte & PTE_FLAGS & ~PTE_CONTIG) | PTE_D | (mayWrite ? PTE_W : 0));
  frames.release(((pte & ~PTE_FLAGS) >>> 0) as Paddr);
  pageTable.invalidate(va, PAGE_SIZE);
}

/** The object's page for `va`, held once; or -FAULT_*. */
function objectPage(vs: Vmspace, e: MapEntry, va: number, isWrite: boolean): number {
  const object = e.object!;
  const pindex = e.pindexOf(va);
  if (pindex * PAGE_SIZE >= object.sizeBytes) return -FAULT_BUS;
  if (!object.isShmem && object.lookup(pindex) === 0) {
    vs.majorFaults++;
    vs.frames.meter.majorFaults++;
    const { payer } = vs.frames.charges;
    if (payer !== null) payer.majorFaults++;
    vs.minorFaults--;
    fillAhead(e, object, pindex);
  }
  const pa: Paddr | Errno = object.getPage(pindex, isWrite);
  if (failed(pa)) return pa === ENOMEM ? -FAULT_OOM : -FAULT_BUS;
  vs.frames.hold(pa);
  return pa;
}

/** Reads as madvise(2) asked for; else getPage reads what is around. */
function fillAhead(e: MapEntry, object: VmObject, pindex: number): void {
  if ((e.flags & VM_RAND_READ) !== 0) object.fill(pindex, pindex + 1);
  else if ((e.flags & VM_SEQ_READ) !== 0) object.fill(pindex, pindex + SEQ_PAGES);
}

/** Maps a page of the object, which the caller holds for the page table. */
function enterShared(vs: Vmspace, e: MapEntry, va: number, pa: Paddr, rights: number): number {
  const isShmem = e.object!.isShmem;
  // Whoever may write has been told of, or has nobody to tell.
  const dirty = (rights & PTE_W) !== 0 ? PTE_D : 0;
  if (failed(vs.pageTable.enter(va, pa, rights | (isShmem ? PTE_SHMEM : 0) | dirty))) {
    vs.frames.release(pa);
    return FAULT_OOM;
  }
  if (isShmem) vs.rssShmem++;
  else vs.rssFile++;
  return FAULT_OK;
}

/** A read or fetch: maps the object's page, and its neighbours in 64 KiB that are in memory. */
function mapObject(vs: Vmspace, e: MapEntry, va: number): number {
  const pa = objectPage(vs, e, va, false);
  if (pa < 0) return -pa;
  const object = e.object!;
  // Shared memory has no backing store to tell of writes, so it may be writable at once.
  const isWritable = e.isShared && object.isShmem && (e.prot & PROT_WRITE) !== 0;
  const rights = readRights(e.prot) | (isWritable ? PTE_W : 0);
  const r = enterShared(vs, e, va, pa as Paddr, rights);
  if (r !== FAULT_OK || (e.flags & VM_RAND_READ) !== 0) return r;
  const run = va - (va % CHUNK_SIZE);
  const first = Math.max(run, e.start);
  const end = Math.min(
    run + CHUNK_SIZE,
    e.end,
    va - (e.pindexOf(va) * PAGE_SIZE - object.sizeBytes),
  );
  for (let at = first; at < end; at += PAGE_SIZE) {
    if (vs.pageTable.get(at) !== 0) continue;
    const near = object.lookup(e.pindexOf(at));
    if (near === 0) continue;
    vs.frames.hold(near);
    if (enterShared(vs, e, at, near, rights) !== FAULT_OK) break;
  }
  vs.pageTable.promote(va);
  return FAULT_OK;
}

/** A write to a page of a shared object, mapped read-only or not at all. */
function shareWrite(vs: Vmspace, e: MapEntry, va: number): number {
  // Before, not after: it may write the very page, and protect it.
  e.object!.throttle();
  const pa = objectPage(vs, e, va, true);
  if (pa < 0) return -pa;
  const old = vs.pageTable.get(va);
  const r = enterShared(vs, e, va, pa as Paddr, readRights(e.prot) | PTE_W);
  if (r !== FAULT_OK) return r;
  if (old !== 0) vs.drop(old);
  // A table may have had to be made, and memory for it by writing this page: then it is clean again.
  if (!failed(e.object!.mayStore(e.pindexOf(va)))) return FAULT_OK;
  vs.writeProtect(va);
  return FAULT_BUS;
}

/** The first write to a page of a private map of an object: a copy of one's own. */
function copyFromObject(vs: Vmspace, e: MapEntry, va: number): number {
  const from = objectPage(vs, e, va, false);
  if (from < 0) return -from;
  vs.frames.meter.cowFaults++;
  const pa = allocPrivate(vs, va);
  if (failed(pa)) {
    vs.frames.release(from as Paddr);
    return FAULT_OOM;
  }
  vs.frames.copy(from as Paddr, pa);
  vs.frames.release(from as Paddr);
  return enterOwn(vs, e, va, pa);
}
