/**
 * Random sequences of memory calls against a model that knows no page tables,
 * no sharing by reference and no laziness: a page is a cell with a number.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { EFAULT, EINVAL, ENOMEM, failed } from "../../src/abi/errno.ts";
import {
  MADV_DONTNEED,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PROT_READ,
  PROT_WRITE,
} from "../../src/abi/mman.ts";
import { PTE_A, PTE_CONTIG, PTE_FLAGS, PTE_W } from "../../src/machine/mmu/pagetable.ts";
import { AnonObject } from "../../src/vm/object.ts";
import type { PageAllocator } from "../../src/vm/page.ts";
import { CHUNK_SIZE, PAGE_SIZE, USER_END } from "../../src/vm/param.ts";
import { PTE_ANON, PTE_SHMEM, PTE_ZERO } from "../../src/vm/pte.ts";
import type { Vmspace } from "../../src/vm/vmspace.ts";

const BASE = 0x1000_0000;
const SLOTS = 48;
const FILE_PAGES = 20;
const MAX_SPACES = 4;

interface Cell {
  value: number;
}

/** One mapped page. */
interface Slot {
  readonly prot: number;
  readonly isShared: boolean;
  /** The object (0: private anonymous) and the page of it. */
  readonly object: number;
  readonly pindex: number;
  /** The pages of the object; null for private anonymous memory. */
  readonly cells: readonly Cell[] | null;
  /** A private page that was written. */
  own: Cell | null;
}

type Space = (Slot | null)[];

interface Model {
  readonly spaces: Space[];
  readonly file: Cell[];
  filePages: number;
  objects: number;
}

type Kind = "anon" | "sharedAnon" | "file" | "privateFile";
type Op =
  | { op: "mmap"; s: number; at: number; n: number; prot: number; kind: Kind; off: number }
  | { op: "munmap" | "dontneed"; s: number; at: number; n: number }
  | { op: "mprotect"; s: number; at: number; n: number; prot: number }
  | { op: "mremap"; s: number; at: number; n: number; to: number; m: number; fixed: boolean }
  | { op: "fork" | "exit"; s: number }
  | { op: "gather" | "fill"; s: number; at: number }
  | { op: "write"; s: number; at: number; v: number }
  | { op: "read"; s: number; at: number }
  | { op: "truncate"; n: number };

const s = fc.nat(MAX_SPACES - 1);
const at = fc.nat(SLOTS - 1);
const n = fc.integer({ min: 1, max: 32 });
const RW = PROT_READ | PROT_WRITE;
const prot = fc.constantFrom(RW, RW, RW, 0, PROT_READ, PROT_WRITE);
const kind = fc.constantFrom<Kind>("anon", "anon", "anon", "sharedAnon", "file", "privateFile");
const opArb: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant("mmap" as const),
      s,
      at,
      n,
      prot,
      kind,
      off: fc.nat(FILE_PAGES),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("munmap" as const), s, at, n }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("dontneed" as const), s, at, n }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant("mprotect" as const), s, at, n, prot }) },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant("mremap" as const),
      s,
      at,
      n,
      to: at,
      m: n,
      fixed: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ op: fc.constant("fork" as const), s }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("exit" as const), s }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("gather" as const), s, at }) },
  { weight: 5, arbitrary: fc.record({ op: fc.constant("fill" as const), s, at }) },
  { weight: 12, arbitrary: fc.record({ op: fc.constant("write" as const), s, at, v: fc.nat() }) },
  { weight: 6, arbitrary: fc.record({ op: fc.constant("read" as const), s, at }) },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant("truncate" as const), n: fc.nat(FILE_PAGES) }),
  },
);

/** How bytes are read and written: by the kernel, or by a program. */
export interface Access {
  load(vs: Vmspace, va: number): number;
  store(vs: Vmspace, va: number, value: number): number;
}

export interface ModelledWorld {
  readonly frames: PageAllocator;
  space(): Vmspace;
}

/** Checks `runs` random sequences, each in a fresh world. */
export function checkModel(runs: number, newWorld: () => ModelledWorld & Access): void {
  fc.assert(
    fc.property(fc.array(opArb, { minLength: 1, maxLength: 120, size: "max" }), (ops) => {
      const world = newWorld();
      const initialFree = world.frames.freePages;
      const file = new AnonObject(world.frames, FILE_PAGES * PAGE_SIZE);
      const spaces = [world.space()];
      const model: Model = {
        spaces: [new Array<Slot | null>(SLOTS).fill(null)],
        file: Array.from({ length: FILE_PAGES }, () => ({ value: 0 })),
        filePages: FILE_PAGES,
        objects: 1,
      };
      for (const op of ops) {
        step(op, spaces, model, file, world);
        for (const vs of spaces) checkInvariants(vs);
      }
      spaces.forEach((vs, i) => {
        model.spaces[i]!.forEach((slot, k) => {
          assert.equal(world.load(vs, BASE + k * PAGE_SIZE), readModel(model, slot), `page ${k}`);
        });
      });
      for (const vs of spaces) vs.destroy();
      file.release();
      assert.equal(world.frames.freePages, initialFree);
    }),
    { numRuns: runs },
  );
}

function step(op: Op, spaces: Vmspace[], model: Model, file: AnonObject, access: Access): void {
  if (op.op === "truncate") {
    file.truncate(op.n * PAGE_SIZE);
    truncateModel(model, op.n);
    return;
  }
  const i = op.s % spaces.length;
  const vs = spaces[i]!;
  const space = model.spaces[i]!;
  switch (op.op) {
    case "mmap": {
      const count = Math.min(op.n, SLOTS - op.at);
      const isFile = op.kind === "file" || op.kind === "privateFile";
      const isShared = op.kind === "file" || op.kind === "sharedAnon";
      const r = vs.mmap({
        addr: BASE + op.at * PAGE_SIZE,
        length: count * PAGE_SIZE,
        prot: op.prot,
        flags: MAP_FIXED | (isShared ? MAP_SHARED : MAP_PRIVATE) | (isFile ? 0 : MAP_ANONYMOUS),
        object: isFile ? file : null,
        offset: isFile ? op.off * PAGE_SIZE : 0,
      });
      assert.equal(r, BASE + op.at * PAGE_SIZE);
      const object = isFile ? 1 : isShared ? ++model.objects : 0;
      const fresh = Array.from({ length: count }, () => ({ value: 0 }));
      for (let k = 0; k < count; k++) {
        space[op.at + k] = {
          prot: op.prot,
          isShared,
          object,
          pindex: isFile ? op.off + k : k,
          cells: isFile ? model.file : isShared ? fresh : null,
          own: null,
        };
      }
      return;
    }
    case "munmap":
      assert.equal(vs.munmap(BASE + op.at * PAGE_SIZE, op.n * PAGE_SIZE), 0);
      for (let k = op.at; k < Math.min(SLOTS, op.at + op.n); k++) space[k] = null;
      return;
    case "dontneed": {
      const r = vs.madvise(BASE + op.at * PAGE_SIZE, op.n * PAGE_SIZE, MADV_DONTNEED);
      let hasHole = op.at + op.n > SLOTS;
      for (let k = op.at; k < Math.min(SLOTS, op.at + op.n); k++) {
        const slot = space[k];
        if (slot) space[k] = { ...slot, own: null };
        else hasHole = true;
      }
      assert.equal(r, hasHole ? ENOMEM : 0);
      return;
    }
    case "mprotect": {
      const r = vs.mprotect(BASE + op.at * PAGE_SIZE, op.n * PAGE_SIZE, op.prot);
      let k = op.at;
      for (; k < op.at + op.n && space[k]; k++) space[k] = { ...space[k]!, prot: op.prot };
      assert.equal(r, k === op.at + op.n ? 0 : ENOMEM);
      return;
    }
    case "mremap":
      mremapBoth(op, vs, space);
      return;
    case "fork": {
      if (spaces.length === MAX_SPACES) return;
      const child = vs.fork();
      assert.ok(!failed(child));
      spaces.push(child);
      model.spaces.push(space.map((x) => (x?.own ? { ...x, own: { ...x.own } } : x && { ...x })));
      return;
    }
    case "exit":
      if (spaces.length === 1) return;
      vs.destroy();
      spaces.splice(i, 1);
      model.spaces.splice(i, 1);
      return;
    case "write": {
      const r = access.store(vs, BASE + op.at * PAGE_SIZE, op.v);
      assert.equal(r, writeModel(model, space[op.at] ?? null, op.v));
      return;
    }
    case "gather":
      vs.gather(BASE + op.at * PAGE_SIZE);
      return;
    case "fill":
      // A whole granule, so that there are blocks.
      for (let k = op.at & ~15; k < (op.at | 15) + 1; k++) {
        const r = access.store(vs, BASE + k * PAGE_SIZE, k);
        assert.equal(r, writeModel(model, space[k] ?? null, k));
      }
      return;
    case "read":
      assert.equal(
        access.load(vs, BASE + op.at * PAGE_SIZE),
        readModel(model, space[op.at] ?? null),
      );
  }
}

function mremapBoth(op: Op & { op: "mremap" }, vs: Vmspace, space: Space): void {
  const oldCount = Math.min(op.n, SLOTS - op.at);
  const newCount = Math.min(op.m, SLOTS - (op.fixed ? op.to : op.at));
  const from = BASE + op.at * PAGE_SIZE;
  const to = BASE + op.to * PAGE_SIZE;
  const flags = op.fixed ? MREMAP_MAYMOVE | MREMAP_FIXED : 0;
  const r = vs.mremap(from, oldCount * PAGE_SIZE, newCount * PAGE_SIZE, flags, to);
  if (op.fixed && op.at < op.to + newCount && op.to < op.at + oldCount) {
    assert.equal(r, EINVAL);
    return;
  }
  const first = space[op.at];
  if (!first) {
    assert.equal(r, EFAULT);
    return;
  }
  if (op.fixed) for (let k = 0; k < newCount; k++) space[op.to + k] = null;
  let count = oldCount;
  if (oldCount > newCount) {
    for (let k = newCount; k < oldCount; k++) space[op.at + k] = null;
    count = newCount;
    if (!op.fixed) {
      assert.equal(r, from);
      return;
    }
  }
  if (!op.fixed && count === newCount) {
    assert.equal(r, from);
    return;
  }
  for (let k = 1; k < count; k++) {
    if (continues(space[op.at + k - 1] ?? null, space[op.at + k] ?? null)) continue;
    assert.equal(r, EFAULT);
    return;
  }
  const target = op.fixed ? op.to : op.at;
  if (!op.fixed) {
    const isEnd = !continues(space[op.at + count - 1] ?? null, space[op.at + count] ?? null);
    const isFree = space.slice(op.at + count, op.at + newCount).every((x) => x === null);
    if (!isEnd || !isFree) {
      assert.equal(r, ENOMEM);
      return;
    }
  }
  assert.equal(r, BASE + target * PAGE_SIZE);
  const moved = space.slice(op.at, op.at + count);
  if (op.fixed) for (let k = 0; k < count; k++) space[op.at + k] = null;
  for (let k = 0; k < newCount; k++)
    space[target + k] = moved[k] ?? { ...first, pindex: first.pindex + k, own: null };
}

function continues(a: Slot | null, b: Slot | null): boolean {
  if (!a || !b) return false;
  return (
    a.prot === b.prot &&
    a.isShared === b.isShared &&
    a.object === b.object &&
    (a.object === 0 || a.pindex + 1 === b.pindex)
  );
}

function truncateModel(model: Model, pages: number): void {
  for (const space of model.spaces) {
    space.forEach((slot, k) => {
      if (slot?.object === 1 && slot.pindex >= pages) space[k] = { ...slot, own: null };
    });
  }
  for (let k = pages; k < FILE_PAGES; k++) model.file[k]!.value = 0;
  model.filePages = pages;
}

/** The cell of the object behind a page; null past its end. */
function cellOf(model: Model, slot: Slot): Cell | null {
  if (slot.object === 1 && slot.pindex >= model.filePages) return null;
  return slot.cells![slot.pindex] ?? null;
}

function readModel(model: Model, slot: Slot | null): number {
  if (!slot || slot.prot === 0) return EFAULT;
  if (slot.own) return slot.own.value;
  if (!slot.cells) return 0;
  return cellOf(model, slot)?.value ?? EFAULT;
}

function writeModel(model: Model, slot: Slot | null, value: number): number {
  if (!slot || (slot.prot & PROT_WRITE) === 0) return EFAULT;
  const cell = slot.own ?? (slot.cells ? cellOf(model, slot) : { value: 0 });
  if (!cell) return EFAULT;
  if (slot.isShared) cell.value = value;
  else slot.own = { value };
  return 0;
}

function checkInvariants(vs: Vmspace): void {
  let i = 0;
  let anon = 0;
  let shmem = 0;
  let file = 0;
  let total = 0;
  for (const e of vs.entries) {
    const prev = vs.entries.at(i++ - 1);
    assert.ok(e.start < e.end && (prev?.end ?? 0) <= e.start, "entries are in order");
    assert.equal(prev?.continuesIn(e) ?? false, false, "neighbours that continue are merged");
    total += e.end - e.start;
    for (let va = e.start; va < e.end; va += PAGE_SIZE) {
      const pte = vs.pageTable.get(va);
      if (pte === 0) continue;
      if ((pte & PTE_ANON) !== 0) anon++;
      else if ((pte & PTE_SHMEM) !== 0) shmem++;
      else if ((pte & PTE_ZERO) === 0) file++;
      if ((pte & PTE_CONTIG) !== 0) checkBlock(vs, va);
      const isWritable = (pte & PTE_W) !== 0;
      assert.ok(!isWritable || (e.prot & PROT_WRITE) !== 0, "no more rights than the entry");
      if (isWritable && !e.isShared) {
        const pa = (pte & ~PTE_FLAGS) >>> 0;
        assert.equal(vs.frames.refs(pa as never), 1, "a writable private page is held once");
      }
    }
  }
  let present = 0;
  for (let va = vs.pageTable.nextPresent(0, USER_END); va >= 0; ) {
    assert.ok(vs.entries.find(va), "nothing is mapped outside of entries");
    present++;
    va = vs.pageTable.nextPresent(va + PAGE_SIZE, USER_END);
  }
  assert.ok(present >= anon + shmem + file);
  assert.deepEqual([vs.rssAnon, vs.rssShmem, vs.rssFile], [anon, shmem, file]);
  assert.equal(vs.totalBytes, total);
}

/** A block entry says that its 16 pages are contiguous frames, mapped alike. */
function checkBlock(vs: Vmspace, va: number): void {
  const run = va - (va % CHUNK_SIZE);
  const first = vs.pageTable.get(run);
  assert.equal(((first & ~PTE_FLAGS) >>> 0) % CHUNK_SIZE, 0);
  for (let i = 0; i < CHUNK_SIZE; i += PAGE_SIZE) {
    const pte = (vs.pageTable.get(run + i) & ~PTE_A) >>> 0;
    assert.equal(pte, ((first & ~PTE_A) + i) >>> 0, "a block is uniform");
  }
}
