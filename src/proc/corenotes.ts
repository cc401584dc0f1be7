/**
 * The notes of a core file: threads with their registers, the process, the
 * signal, and which files are mapped where. See core(5); Linux fs/binfmt_elf.c
 * fill_note_info for their order.
 */
import {
  ElfPrpsinfo,
  ElfPrstatus,
  NoteHeader,
  NT_AUXV,
  NT_FILE,
  NT_PRPSINFO,
  NT_SIGINFO,
} from "../abi/elf.ts";
import { NT_PRFPREG, NT_PRSTATUS } from "../abi/ptrace.ts";
import { byteString, bytesOf } from "../lib/bytes.ts";
import { File } from "../vfs/file.ts";
import { shownPath } from "../vfs/namei.ts";
import { readForced } from "../vm/forced.ts";
import { PAGE_SIZE } from "../vm/param.ts";
import type { Lwp } from "./lwp.ts";
import type { Proc } from "./proc.ts";
import { getRegset } from "./regset.ts";
import { encodeSiginfo, type SigInfo } from "./siginfo.ts";

const NAME = "CORE\0";
const PSARGS_MAX = 79;
/** Longer lists of files are left out, as in Linux. */
const FILES_MAX_BYTES = 4 << 20;
/** "RSDTZW" */
const STATE_RUNNING = 0;
const NS_PER_USEC = 1000;
const NS_PER_SEC = 1e9;

/** All notes, `td` being the thread that `info` killed. */
export function coreNotes(td: Lwp, info: SigInfo): Uint8Array {
  const p = td.proc;
  const notes: Uint8Array[] = [];
  const add = (type: number, bytes: Uint8Array): void => void notes.push(note(type, bytes));
  add(NT_PRSTATUS, prstatus(td, info.signo));
  add(NT_PRPSINFO, prpsinfo(p, td));
  add(NT_SIGINFO, encodeSiginfo(info));
  add(NT_AUXV, p.auxv);
  const files = mappedFiles(p, td);
  if (files) add(NT_FILE, files);
  add(NT_PRFPREG, getRegset(td, NT_PRFPREG)!);
  for (const other of p.threads) {
    if (other === td) continue;
    add(NT_PRSTATUS, prstatus(other, info.signo));
    add(NT_PRFPREG, getRegset(other, NT_PRFPREG)!);
  }
  return concat(notes);
}

function note(type: number, bytes: Uint8Array): Uint8Array {
  const nameAt = NoteHeader.sizeof;
  const at = nameAt + align4(NAME.length);
  const out = new Uint8Array(at + align4(bytes.length));
  const v = new DataView(out.buffer);
  NoteHeader.n_namesz.set(v, 0, NAME.length);
  NoteHeader.n_descsz.set(v, 0, bytes.length);
  NoteHeader.n_type.set(v, 0, type);
  out.set(bytesOf(NAME), nameAt);
  out.set(bytes, at);
  return out;
}

function prstatus(td: Lwp, signo: number): Uint8Array {
  const p = td.proc;
  const out = new Uint8Array(ElfPrstatus.sizeof);
  const v = new DataView(out.buffer);
  ElfPrstatus.si_signo.set(v, 0, signo);
  ElfPrstatus.pr_cursig.set(v, 0, signo);
  setWords(v, ElfPrstatus.pr_sigpend.offset, td.pending.set);
  setWords(v, ElfPrstatus.pr_sighold.offset, td.sigmask);
  ElfPrstatus.pr_pid.set(v, 0, td.ownTid);
  ElfPrstatus.pr_ppid.set(v, 0, p.parent ? td.numberOf(p.parent.id) : 0);
  ElfPrstatus.pr_pgrp.set(v, 0, td.numberOf(p.pgrp.id));
  ElfPrstatus.pr_sid.set(v, 0, td.numberOf(p.pgrp.session.id));
  const own = td.isLeader ? p.usage() : td;
  setTime(v, ElfPrstatus.utime_sec.offset, own.userNs);
  setTime(v, ElfPrstatus.stime_sec.offset, own.systemNs);
  setTime(v, ElfPrstatus.cutime_sec.offset, p.childUsage.userNs);
  setTime(v, ElfPrstatus.cstime_sec.offset, p.childUsage.systemNs);
  ElfPrstatus.pr_reg.set(v, 0, getRegset(td, NT_PRSTATUS)!);
  ElfPrstatus.pr_fpvalid.set(v, 0, 1);
  return out;
}

function prpsinfo(p: Proc, td: Lwp): Uint8Array {
  const out = new Uint8Array(ElfPrpsinfo.sizeof);
  const v = new DataView(out.buffer);
  ElfPrpsinfo.pr_state.set(v, 0, STATE_RUNNING);
  ElfPrpsinfo.pr_sname.set(v, 0, "R".charCodeAt(0));
  ElfPrpsinfo.pr_nice.set(v, 0, td.nice);
  ElfPrpsinfo.pr_uid.set(v, 0, td.cred.uid);
  ElfPrpsinfo.pr_gid.set(v, 0, td.cred.gid);
  ElfPrpsinfo.pr_pid.set(v, 0, p.ownPid);
  ElfPrpsinfo.pr_ppid.set(v, 0, p.parent ? td.numberOf(p.parent.id) : 0);
  ElfPrpsinfo.pr_pgrp.set(v, 0, td.numberOf(p.pgrp.id));
  ElfPrpsinfo.pr_sid.set(v, 0, td.numberOf(p.pgrp.session.id));
  ElfPrpsinfo.pr_fname.set(v, 0, bytesOf(p.comm.slice(0, 15)));
  const args = new Uint8Array(Math.min(Math.max(0, p.argEnd - p.argStart), PSARGS_MAX));
  const got = Math.max(0, readForced(p.vmspace, p.argStart, args));
  const shown = byteString(args, 0, got).replaceAll("\0", " ");
  ElfPrpsinfo.pr_psargs.set(v, 0, bytesOf(shown));
  return out;
}

/** Count and page size, then start, end and page of the file for each, then the names; null if that is too long. */
function mappedFiles(p: Proc, td: Lwp): Uint8Array | null {
  const places: number[] = [];
  let names = "";
  for (const e of p.vmspace.entries) {
    if (!(e.file instanceof File) || !e.file.path) continue;
    places.push(e.start, e.end, e.offset / PAGE_SIZE);
    names += `${shownPath(td.fs.root, e.file.path)}\0`;
    if (names.length + places.length * 8 > FILES_MAX_BYTES) return null;
  }
  const head = 16 + places.length * 8;
  const out = new Uint8Array(head + names.length);
  const v = new DataView(out.buffer);
  [places.length / 3, PAGE_SIZE, ...places].forEach((n, i) => {
    v.setUint32(8 * i, n >>> 0, true);
    v.setUint32(8 * i + 4, Math.floor(n / 2 ** 32), true);
  });
  out.set(bytesOf(names), head);
  return out;
}

function setWords(
  v: DataView,
  at: number,
  set: { readonly lo: number; readonly hi: number },
): void {
  v.setInt32(at, set.lo, true);
  v.setInt32(at + 4, set.hi, true);
}

/** struct timeval */
function setTime(v: DataView, at: number, ns: number): void {
  v.setUint32(at, Math.floor(ns / NS_PER_SEC), true);
  v.setUint32(at + 8, Math.floor((ns % NS_PER_SEC) / NS_PER_USEC), true);
}

function align4(n: number): number {
  return Math.ceil(n / 4) * 4;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
