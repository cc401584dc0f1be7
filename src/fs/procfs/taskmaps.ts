/**
 * /proc/PID/maps, smaps and smaps_rollup: what is mapped where. See proc_pid_maps(5).
 */
import { PROT_EXEC, PROT_READ, PROT_WRITE } from "../../abi/mman.ts";
import { ShmAttachment } from "../../ipc/shm.ts";
import { PTE_FLAGS } from "../../machine/mmu/pagetable.ts";
import type { Paddr } from "../../machine/physmem.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { Proc } from "../../proc/proc.ts";
import { majorOf, minorOf } from "../../vfs/device.ts";
import { File } from "../../vfs/file.ts";
import { shownPath } from "../../vfs/namei.ts";
import {
  type MapEntry,
  VM_DONTDUMP,
  VM_DONTFORK,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_NORESERVE,
  VM_RAND_READ,
  VM_SEQ_READ,
  VM_WIPEONFORK,
} from "../../vm/mapentry.ts";
import { PAGE_SIZE } from "../../vm/param.ts";
import { PTE_ANON } from "../../vm/pte.ts";
import type { Vmspace } from "../../vm/vmspace.ts";
import { hex, kibLine, octalEscaped } from "./format.ts";
import type { Task } from "./task.ts";
import { vmspaceOf } from "./taskstat.ts";
import { TEXT_END, type TextPiece } from "./textpiece.ts";

/** Column of the name in a line of maps. */
const NAME_COLUMN = 73;

/** Maps in one piece: a process may have tens of thousands. */
const PIECE_ENTRIES = 128;

export function mapsPiece(t: Task, caller: Lwp, cursor: number): TextPiece {
  return pieceOf(t, cursor, (vs, e) => mapLine(t.proc, vs, e, caller));
}

export function smapsPiece(t: Task, caller: Lwp, cursor: number): TextPiece {
  return pieceOf(t, cursor, (vs, e) => {
    const r = residency(vs, e);
    const size = kib("Size", e.end - e.start) + kib("KernelPageSize", PAGE_SIZE);
    const lines = size + kib("MMUPageSize", PAGE_SIZE) + residencyLines(r, false);
    const flags = `THPeligible:           0\nVmFlags: ${vmFlags(e)}\n`;
    return mapLine(t.proc, vs, e, caller) + lines + flags;
  });
}

/** What `show` says of the maps from address `cursor` on; the next piece begins where the last of them ends. */
function pieceOf(t: Task, cursor: number, show: (vs: Vmspace, e: MapEntry) => string): TextPiece {
  const vs = vmspaceOf(t.proc);
  if (!vs) return { text: "", next: TEXT_END };
  let text = "";
  let i = vs.entries.indexAfter(cursor);
  const stop = i + PIECE_ENTRIES;
  let next = cursor;
  for (let e = vs.entries.at(i); e && i < stop; e = vs.entries.at(++i)) {
    text += show(vs, e);
    next = e.end;
  }
  return { text, next: vs.entries.at(i) ? next : TEXT_END };
}

export function smapsRollupText(t: Task): string {
  const vs = vmspaceOf(t.proc);
  const first = vs?.entries.at(0);
  if (!vs || !first) return "";
  const sum = noResidency();
  let end = first.end;
  for (const e of vs.entries) {
    const r = residency(vs, e);
    for (const k of Object.keys(sum) as (keyof Residency)[]) sum[k] += r[k];
    end = e.end;
  }
  return `${padded(`${range(first.start, end)} ---p 00000000 00:00 0`)}[rollup]\n${residencyLines(sum, true)}`;
}

function mapLine(p: Proc, vs: Vmspace, e: MapEntry, caller: Lwp): string {
  let device = "00:00";
  let ino = 0;
  let name = e.name;
  if (e.file instanceof File) {
    const a = e.file.stat();
    if (typeof a !== "number") {
      device = `${hex(majorOf(a.dev), 2)}:${hex(minorOf(a.dev), 2)}`;
      ino = a.ino;
    }
    const { path } = e.file;
    if (path) name = octalEscaped(shownPath(caller.fs.root, path)).replaceAll("\\040", " ");
    else name = e.file.describe();
  } else if (e.file instanceof ShmAttachment) {
    const { segment } = e.file;
    device = "00:01";
    ino = segment.id;
    name = `/SYSV${hex(segment.key >>> 0, 8)} (deleted)`;
  } else if (e.object && name === "") {
    device = "00:01";
    name = "/dev/zero (deleted)";
  } else if (name === "") {
    name = placeName(p, vs, e);
  }
  const flags =
    ((e.prot & PROT_READ) !== 0 ? "r" : "-") +
    ((e.prot & PROT_WRITE) !== 0 ? "w" : "-") +
    ((e.prot & PROT_EXEC) !== 0 ? "x" : "-") +
    (e.isShared ? "s" : "p");
  const line = `${range(e.start, e.end)} ${flags} ${hex(e.file ? e.offset : 0, 8)} ${device} ${ino}`;
  return name === "" ? `${line} \n` : `${padded(line)}${name}\n`;
}

function placeName(p: Proc, vs: Vmspace, e: MapEntry): string {
  if (e.start < vs.brkEnd && e.end > vs.brkStart) return "[heap]";
  const isStack = e.start <= p.startStack && p.startStack < e.end;
  return isStack && (e.flags & VM_GROWSDOWN) !== 0 ? "[stack]" : "";
}

function range(start: number, end: number): string {
  return `${hex(start, 8)}-${hex(end, 8)}`;
}

function padded(line: string): string {
  return `${line} `.padEnd(NAME_COLUMN);
}

/** Bytes of one map that are in memory, by kind. */
interface Residency {
  rss: number;
  pss: number;
  pssAnon: number;
  pssDirty: number;
  sharedClean: number;
  sharedDirty: number;
  privateClean: number;
  privateDirty: number;
  anonymous: number;
  locked: number;
}

function noResidency(): Residency {
  return {
    rss: 0,
    pss: 0,
    pssAnon: 0,
    pssDirty: 0,
    sharedClean: 0,
    sharedDirty: 0,
    privateClean: 0,
    privateDirty: 0,
    anonymous: 0,
    locked: 0,
  };
}

/** Walks the present pages. An object's own reference to its page is not a user of it. */
function residency(vs: Vmspace, e: MapEntry): Residency {
  const r = noResidency();
  const pt = vs.pageTable;
  const isLocked = (e.flags & VM_LOCKED) !== 0;
  for (let va = pt.nextPresent(e.start, e.end); va >= 0; ) {
    const pte = pt.get(va);
    const isAnon = (pte & PTE_ANON) !== 0;
    const refs = vs.frames.refs(((pte & ~PTE_FLAGS) >>> 0) as Paddr) - (isAnon ? 0 : 1);
    const users = Math.max(1, refs);
    const share = PAGE_SIZE / users;
    r.rss += PAGE_SIZE;
    r.pss += share;
    if (isAnon) {
      r.anonymous += PAGE_SIZE;
      r.pssAnon += share;
      r.pssDirty += share;
    }
    if (users > 1) r[isAnon ? "sharedDirty" : "sharedClean"] += PAGE_SIZE;
    else r[isAnon ? "privateDirty" : "privateClean"] += PAGE_SIZE;
    if (isLocked) r.locked += share;
    va = va + PAGE_SIZE < e.end ? pt.nextPresent(va + PAGE_SIZE, e.end) : -1;
  }
  return r;
}

function kib(name: string, bytes: number): string {
  return kibLine(`${name}:`.padEnd(16), bytes, 8);
}

function residencyLines(r: Residency, isRollup: boolean): string {
  const rollup = isRollup
    ? kib("Pss_Anon", r.pssAnon) + kib("Pss_File", r.pss - r.pssAnon) + kib("Pss_Shmem", 0)
    : "";
  return (
    kib("Rss", r.rss) +
    kib("Pss", r.pss) +
    kib("Pss_Dirty", r.pssDirty) +
    rollup +
    kib("Shared_Clean", r.sharedClean) +
    kib("Shared_Dirty", r.sharedDirty) +
    kib("Private_Clean", r.privateClean) +
    kib("Private_Dirty", r.privateDirty) +
    kib("Referenced", r.rss) +
    kib("Anonymous", r.anonymous) +
    kib("KSM", 0) +
    kib("LazyFree", 0) +
    kib("AnonHugePages", 0) +
    kib("ShmemPmdMapped", 0) +
    kib("FilePmdMapped", 0) +
    kib("Shared_Hugetlb", 0) +
    kib("Private_Hugetlb", 0) +
    kib("Swap", 0) +
    kib("SwapPss", 0) +
    kib("Locked", r.locked)
  );
}

function vmFlags(e: MapEntry): string {
  const out: string[] = [];
  const add = (isOn: boolean, letters: string): void => {
    if (isOn) out.push(`${letters} `);
  };
  add((e.prot & PROT_READ) !== 0, "rd");
  add((e.prot & PROT_WRITE) !== 0, "wr");
  add((e.prot & PROT_EXEC) !== 0, "ex");
  add(e.isShared, "sh");
  add((e.maxProt & PROT_READ) !== 0, "mr");
  add((e.maxProt & PROT_WRITE) !== 0, "mw");
  add((e.maxProt & PROT_EXEC) !== 0, "me");
  add(e.isShared, "ms");
  add((e.flags & VM_GROWSDOWN) !== 0, "gd");
  add((e.flags & VM_LOCKED) !== 0, "lo");
  add((e.flags & VM_SEQ_READ) !== 0, "sr");
  add((e.flags & VM_RAND_READ) !== 0, "rr");
  add((e.flags & VM_DONTFORK) !== 0, "dc");
  add((e.flags & VM_NORESERVE) !== 0, "nr");
  add((e.flags & VM_WIPEONFORK) !== 0, "wf");
  add((e.flags & VM_DONTDUMP) !== 0, "dd");
  return out.join("");
}
