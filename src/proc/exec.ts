/**
 * execve(2): another program in the same process.
 *
 * The new address space is complete before the old one is touched, so that
 * every failure leaves the caller as it was. Then, all at once: other threads
 * end, memory is swapped, handlers and descriptors are reset.
 */

import {
  AT_BASE,
  AT_CLKTCK,
  AT_EGID,
  AT_ENTRY,
  AT_EUID,
  AT_EXECFN,
  AT_FLAGS,
  AT_GID,
  AT_HWCAP,
  AT_HWCAP2,
  AT_MINSIGSTKSZ,
  AT_PAGESZ,
  AT_PHDR,
  AT_PHENT,
  AT_PHNUM,
  AT_RANDOM,
  AT_SECURE,
  AT_SYSINFO_EHDR,
  AT_UID,
  HWCAP_IMAFDC,
  ProgramHeader,
} from "../abi/elf.ts";
import {
  E2BIG,
  EACCES,
  ELIBBAD,
  ELOOP,
  ENOENT,
  ENOEXEC,
  ENOMEM,
  type Errno,
  failed,
} from "../abi/errno.ts";
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_GROWSDOWN,
  MAP_PRIVATE,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from "../abi/mman.ts";
import { RtSigframe } from "../abi/sigframe.ts";
import { SS_DISABLE } from "../abi/signal.ts";
import { byteString } from "../lib/bytes.ts";
import { access, MAY_EXEC } from "../vfs/access.ts";
import { S_IFLNK, S_IFREG } from "../vfs/attr.ts";
import { type File, O_RDONLY } from "../vfs/file.ts";
import { MS_NOEXEC, MS_NOSUID } from "../vfs/mount.ts";
import { namei, WALK_FOLLOW } from "../vfs/namei.ts";
import { openAt } from "../vfs/open.ts";
import type { Path } from "../vfs/path.ts";
import { PAGE_SIZE, USER_END } from "../vm/param.ts";
import { Uio } from "../vm/uio.ts";
import { Vmspace } from "../vm/vmspace.ts";
import { argumentSpace, buildStack, type StackImage } from "./argv.ts";
import { type Elf, type LoadedElf, loadElf, readElf } from "./elf.ts";
import { checkExe, setExe } from "./exe.ts";
import { type ExecCred, execCred } from "./execcred.ts";
import { endOtherThreads, leaveMemory, releaseVforkParent } from "./exit.ts";
import { parseFileCaps } from "./filecaps.ts";
import type { Lwp } from "./lwp.ts";
import { RLIMIT_STACK, vmLimits } from "./rlimit.ts";

/** Bytes of a file that decide what it is, as in Linux. */
const HEAD_BYTES = 256;
const MAX_INTERPRETERS = 5;
const COMM_BYTES = 15;
const USER_HZ = 100;
const SP = 2;
/** Room kept for the stack below its top: what the limit says, within reason. */
const MIN_STACK_GAP = 128 << 20;
const MAX_STACK_GAP = (USER_END / 6) * 5;
/**
 * TLB entries are chosen by address modulo 64 MiB: this keeps the top of the stack and the C library, which
 * are used together, half of that apart.
 */
const STACK_SKEW = 32 << 20;
/** Of the first stack that is mapped at once, below what arguments take. */
const STACK_MARGIN = 128 * 1024;

export interface ExecRequest {
  readonly path: string;
  /** Where a relative path starts; null: the working directory. */
  readonly start: Path | null;
  /** WALK_*. */
  readonly walk: number;
  /** What AT_EXECFN and a script's argument say; /dev/fd/N/… for execveat. */
  readonly shownPath: string;
  readonly argv: readonly string[];
  readonly envp: readonly string[];
}

/** A program found, opened and understood. */
interface Program {
  readonly fp: File;
  readonly elf: Elf;
  readonly argv: readonly string[];
  readonly isScript: boolean;
}

/** 0 with the thread at the new program's first instruction, or an error with nothing changed. */
export function exec(td: Lwp, request: ExecRequest): number {
  const program = findProgram(td, request);
  if (failed(program)) return program;
  const r = execProgram(td, request, program);
  program.fp.release();
  return r;
}

function execProgram(td: Lwp, request: ExecRequest, program: Program): number {
  let loader: Program | null = null;
  if (program.elf.interpreter !== null) {
    const found = openLoader(td, program.elf.interpreter);
    if (failed(found)) return found;
    loader = found;
  }
  const next = newCred(td, program);
  const r = failed(next) ? next : build(td, request, program, loader, next);
  loader?.fp.release();
  return r;
}

function build(
  td: Lwp,
  request: ExecRequest,
  program: Program,
  loader: Program | null,
  next: ExecCred,
): number {
  const p = td.proc;
  const { table } = p;
  const stackLimit = p.rlimits.soft(RLIMIT_STACK);
  const gap = Math.max(MIN_STACK_GAP, Math.min(stackLimit, MAX_STACK_GAP));
  const ceiling = USER_END - gap - (gap % PAGE_SIZE) - STACK_SKEW;
  const vs = new Vmspace(table.machine, table.pages, vmLimits(p.rlimits), ceiling);
  const image = populate(td, vs, request, program, loader, next);
  if (failed(image)) {
    vs.release();
    return image;
  }
  commit(td, vs, request, program, next, image);
  return 0;
}

interface NewImage {
  readonly entry: number;
  readonly stack: StackImage;
  readonly sigreturnAddr: number;
}

function populate(
  td: Lwp,
  vs: Vmspace,
  request: ExecRequest,
  program: Program,
  loader: Program | null,
  next: ExecCred,
): NewImage | Errno {
  const main = loadElf(vs, program.fp, program.elf, true);
  if (failed(main)) return main;
  const ld = loader ? loadElf(vs, loader.fp, loader.elf, false) : null;
  if (failed(ld)) return ld;
  const vdso = mapVdso(td, vs);
  if (failed(vdso)) return vdso;
  vs.setBrkStart(main.end);
  const stack = buildStack({
    top: USER_END,
    argv: program.argv,
    envp: request.envp,
    fileName: request.shownPath,
    random: random16(td),
    auxv: auxv(program.elf, main, ld, vdso, next),
    atRandom: AT_RANDOM,
    atExecfn: AT_EXECFN,
  });
  if (stack.bytes.length > argumentSpace(td.proc.rlimits.soft(RLIMIT_STACK))) return E2BIG;
  const mapped = mapStack(vs, stack, program.elf.isStackExecutable);
  if (failed(mapped)) return mapped;
  const entry = ld ? ld.entry : main.entry;
  return { entry, stack, sigreturnAddr: vdso + td.proc.table.vdso.sigreturn };
}

function mapStack(vs: Vmspace, stack: StackImage, isExecutable: boolean): number | Errno {
  const size = USER_END - (stack.sp - (stack.sp % PAGE_SIZE)) + STACK_MARGIN;
  const r = vs.mmap({
    addr: USER_END - size,
    length: size,
    prot: PROT_READ | PROT_WRITE | (isExecutable ? PROT_EXEC : 0),
    flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN,
  });
  if (failed(r)) return r as Errno;
  vs.stackTop = USER_END;
  return failed(vs.copyout(stack.sp, stack.bytes)) ? ENOMEM : 0;
}

/** Maps vvar and text next to each other; the address of the text. */
function mapVdso(td: Lwp, vs: Vmspace): number | Errno {
  const { vdso } = td.proc.table;
  const room = vs.entries.findGap(2 * PAGE_SIZE, PAGE_SIZE);
  if (room < 0) return ENOMEM;
  const vvar = vs.mmap({
    addr: room,
    length: PAGE_SIZE,
    prot: PROT_READ,
    maxProt: PROT_READ,
    flags: MAP_PRIVATE | MAP_FIXED,
    object: vdso.vvar,
    name: "[vvar]",
  });
  if (failed(vvar)) return vvar as Errno;
  const text = vs.mmap({
    addr: room + PAGE_SIZE,
    length: PAGE_SIZE,
    prot: PROT_READ | PROT_EXEC,
    flags: MAP_PRIVATE | MAP_FIXED,
    object: vdso.text,
    name: "[vdso]",
  });
  return text as number | Errno;
}

function auxv(
  elf: Elf,
  main: LoadedElf,
  ld: LoadedElf | null,
  vdso: number,
  next: ExecCred,
): (readonly [number, number])[] {
  const { cred } = next;
  return [
    [AT_SYSINFO_EHDR, vdso],
    [AT_MINSIGSTKSZ, RtSigframe.sizeof],
    [AT_HWCAP, HWCAP_IMAFDC],
    [AT_PAGESZ, PAGE_SIZE],
    [AT_CLKTCK, USER_HZ],
    [AT_PHDR, main.phdr],
    [AT_PHENT, ProgramHeader.sizeof],
    [AT_PHNUM, elf.phnum],
    [AT_BASE, ld ? ld.bias : 0],
    [AT_FLAGS, 0],
    [AT_ENTRY, main.entry],
    [AT_UID, cred.uid],
    [AT_EUID, cred.euid],
    [AT_GID, cred.gid],
    [AT_EGID, cred.egid],
    [AT_SECURE, next.isSecure ? 1 : 0],
    [AT_HWCAP2, 0],
  ];
}

/** The point of no return lies behind: nothing here can fail. */
function commit(
  td: Lwp,
  vs: Vmspace,
  request: ExecRequest,
  program: Program,
  next: ExecCred,
  image: NewImage,
): void {
  const p = td.proc;
  endOtherThreads(td);
  p.table.adoptLeader(td);
  leaveMemory(td);
  if (p.vmspace.refs === 1) p.table.futexes.forget(p.vmspace);
  p.ended.minorFaults += p.vmspace.faults;
  p.vmspace.release();
  p.vmspace = vs;
  releaseVforkParent(p);

  if (p.sigactions.refs > 1) {
    p.sigactions.refs--;
    p.sigactions = p.sigactions.clone();
  }
  p.sigactions.resetHandlers();
  p.timers.deletePosix();
  td.altStackBase = td.altStackSize = 0;
  td.altStackFlags = SS_DISABLE;
  if (p.fdtable.refs > 1) {
    const own = p.fdtable.copy();
    p.fdtable.release();
    p.fdtable = own;
  }
  p.fdtable.closeOnExec();

  td.cred = next.cred;
  p.dumpable = next.isSetId ? 0 : 1;
  if (next.isSetId) td.parentDeathSignal = 0;
  p.hasExecuted = true;
  setExe(p, program.fp.path);
  td.comm = commOf(request.path === "" ? request.shownPath : request.path);
  const { stack } = image;
  p.argStart = stack.argStart;
  p.argEnd = stack.argEnd;
  p.envStart = stack.envStart;
  p.envEnd = stack.envEnd;
  p.auxv = stack.auxv;
  p.startStack = stack.sp;
  p.sigreturnAddr = image.sigreturnAddr;

  td.context.clear();
  td.context.setX(SP, stack.sp);
  td.context.pc = image.entry;
  td.isContextReplaced = true;
}

/** Follows "#!" to a real program. */
function findProgram(td: Lwp, request: ExecRequest): Program | Errno {
  let { argv } = request;
  let fp = openProgram(td, request.path, request.start, request.walk);
  let shown = request.shownPath;
  for (let depth = 0; ; depth++) {
    if (failed(fp)) return fp;
    const head = readHead(td, fp);
    if (failed(head)) return released(fp, head);
    const script = parseScript(head);
    if (script === null) {
      const elf = readElf(td, fp);
      if (failed(elf)) return released(fp, elf);
      return { fp, elf, argv: argv.length > 0 ? argv : [""], isScript: depth > 0 };
    }
    fp.release();
    if (failed(script)) return script;
    if (depth === MAX_INTERPRETERS) return ELOOP;
    argv = [script.path, ...script.argument, shown, ...argv.slice(1)];
    shown = script.path;
    fp = openProgram(td, script.path, null, WALK_FOLLOW);
  }
}

function openLoader(td: Lwp, path: string): Program | Errno {
  const fp = openProgram(td, path, null, WALK_FOLLOW);
  if (failed(fp)) return fp;
  const elf = readElf(td, fp);
  if (failed(elf)) return released(fp, elf === ENOEXEC ? ELIBBAD : elf);
  return { fp, elf, argv: [], isScript: false };
}

/** Opens a file that the caller may execute; it need not be readable to him. */
function openProgram(td: Lwp, path: string, start: Path | null, walk: number): File | Errno {
  const { fs } = td.proc;
  const at = namei(fs, td, path, walk, start);
  if (failed(at)) return at;
  const vp = at.entry.vnode;
  if (!vp) return ENOENT;
  if (vp.type === S_IFLNK) return ELOOP;
  if (vp.type !== S_IFREG || (at.mount.flags & MS_NOEXEC) !== 0) return EACCES;
  const denied = access(vp, td.cred, MAY_EXEC);
  if (failed(denied)) return denied;
  const busy = checkExe(at);
  if (failed(busy)) return busy;
  return openAt(td, fs.vfs, at, O_RDONLY, true);
}

function newCred(td: Lwp, program: Program): ExecCred | Errno {
  const attr = program.fp.stat();
  if (failed(attr)) return attr;
  const isNosuid = ((program.fp.path?.mount.flags ?? MS_NOSUID) & MS_NOSUID) !== 0;
  if (isNosuid) return execCred(td.cred, null, null);
  const value = program.fp.path?.entry.vnode?.getxattr("security.capability");
  const caps = value instanceof Uint8Array ? parseFileCaps(value) : null;
  return execCred(td.cred, attr, caps);
}

function readHead(td: Lwp, fp: File): Uint8Array | Errno {
  const bytes = new Uint8Array(HEAD_BYTES);
  const n = fp.pread(td, Uio.kernel(bytes), 0);
  return failed(n) ? n : bytes.subarray(0, n);
}

interface Script {
  readonly path: string;
  /** At most one: everything after the path. */
  readonly argument: readonly string[];
}

/** What "#!" asks for; null if the file is no script. */
function parseScript(head: Uint8Array): Script | null | Errno {
  if (head[0] !== 0x23 || head[1] !== 0x21) return null;
  const text = byteString(head, 2);
  const end = text.indexOf("\n");
  const line = (end < 0 ? text : text.slice(0, end)).split("\0")[0]!;
  const words = /^[ \t]*([^ \t]+)[ \t]*(.*?)[ \t]*$/s.exec(line);
  if (!words) return ENOEXEC;
  const isCut = end < 0 && head.length === HEAD_BYTES;
  // A path that goes on past what was read must not be run cut short.
  if (isCut && words[2] === "" && !/[ \t]$/.test(line)) return ENOEXEC;
  return { path: words[1]!, argument: words[2] === "" ? [] : [words[2]!] };
}

function released(fp: File, why: Errno): Errno {
  fp.release();
  return why;
}

function random16(td: Lwp): Uint8Array {
  const bytes = new Uint8Array(16);
  td.proc.table.entropy.fill(bytes);
  return bytes;
}

function commOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).slice(0, COMM_BYTES);
}
