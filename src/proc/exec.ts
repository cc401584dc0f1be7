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
  AT_RSEQ_ALIGN,
  AT_RSEQ_FEATURE_SIZE,
  AT_SECURE,
  AT_SYSINFO_EHDR,
  AT_UID,
  HWCAP_IMAFDC,
  ProgramHeader,
} from "../abi/elf.ts";
import { E2BIG, ENOMEM, type Errno, failed } from "../abi/errno.ts";
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_GROWSDOWN,
  MAP_PRIVATE,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from "../abi/mman.ts";
import { RSEQ_ALIGN, RSEQ_FEATURE_BYTES } from "../abi/rseq.ts";
import { RtSigframe } from "../abi/sigframe.ts";
import { SS_DISABLE } from "../abi/signal.ts";
import { CAP_SYS_PTRACE, type Cred } from "../kern/cred.ts";
import type { UserNamespace } from "../kern/userns.ts";
import { access, MAY_READ } from "../vfs/access.ts";
import { MS_NOSUID } from "../vfs/mount.ts";
import { PAGE_SIZE } from "../vm/param.ts";
import { Vmspace } from "../vm/vmspace.ts";
import { argumentSpace, buildStack, type StackImage } from "./argv.ts";
import { type Elf, type LoadedElf, loadElf, lowEnd } from "./elf.ts";
import { enterTime, VVAR_NAME } from "./entertime.ts";
import { setExe } from "./exe.ts";
import { type ExecCred, execCred } from "./execcred.ts";
import { endOtherThreads, leaveMemory, releaseVforkParent } from "./exit.ts";
import { countsFor, parseFileCaps, XATTR_NAME_CAPS } from "./filecaps.ts";
import { layoutFor } from "./layout.ts";
import type { Lwp } from "./lwp.ts";
import { findProgram, openLoader, type Program, type ProgramRequest } from "./program.ts";
import { RLIMIT_STACK, vmLimits } from "./rlimit.ts";
import { killProc } from "./signal.ts";

const COMM_BYTES = 15;
/** ADDR_NO_RANDOMIZE, MMAP_PAGE_ZERO, ADDR_COMPAT_LAYOUT, READ_IMPLIES_EXEC */
const PER_CLEAR_ON_SETID = 0x0740000;
const USER_HZ = 100;
const SP = 2;
/** Of the first stack that is mapped at once, below what arguments take. */
const STACK_MARGIN = 128 * 1024;

export interface ExecRequest extends ProgramRequest {
  readonly envp: readonly string[];
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
  const { pages } = table;
  const layout = layoutFor(lowEnd(program.elf), p.rlimits.soft(RLIMIT_STACK));
  const vs = new Vmspace(
    table.machine,
    pages,
    vmLimits(p.rlimits),
    layout.mmap,
    pages.homes.take(),
  );
  vs.stackTop = layout.stackTop;
  vs.isThpDisabled = p.vmspace.isThpDisabled;
  const image = populate(td, vs, request, program, loader, next);
  if (failed(image)) {
    vs.release();
    return image;
  }
  commit(td, vs, request, { program, loader, next, image });
  td.cpu.meter.execs++;
  return 0;
}

/** All that a program needs to begin. */
interface Prepared {
  readonly program: Program;
  readonly loader: Program | null;
  readonly next: ExecCred;
  readonly image: NewImage;
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
    top: vs.stackTop,
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
  const size = vs.stackTop - (stack.sp - (stack.sp % PAGE_SIZE)) + STACK_MARGIN;
  const r = vs.mmap({
    addr: vs.stackTop - size,
    length: size,
    prot: PROT_READ | PROT_WRITE | (isExecutable ? PROT_EXEC : 0),
    flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN,
  });
  if (failed(r)) return r as Errno;
  return failed(vs.copyout(stack.sp, stack.bytes)) ? ENOMEM : 0;
}

/** Maps vvar and text next to each other; the address of the text. */
function mapVdso(td: Lwp, vs: Vmspace): number | Errno {
  const { vdso } = td.proc.table;
  const page = vdso.vvarOf(td.ns.timeForChildren);
  if (failed(page)) return page;
  const room = vs.findGap(2 * PAGE_SIZE);
  if (failed(room)) return ENOMEM;
  const vvar = vs.mmap({
    addr: room,
    length: PAGE_SIZE,
    prot: PROT_READ,
    maxProt: PROT_READ,
    flags: MAP_PRIVATE | MAP_FIXED,
    object: page,
    name: VVAR_NAME,
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
    [AT_UID, cred.userns.shownUid(cred.uid)],
    [AT_EUID, cred.userns.shownUid(cred.euid)],
    [AT_GID, cred.userns.shownGid(cred.gid)],
    [AT_EGID, cred.userns.shownGid(cred.egid)],
    [AT_SECURE, next.isSecure ? 1 : 0],
    [AT_HWCAP2, 0],
    [AT_RSEQ_FEATURE_SIZE, RSEQ_FEATURE_BYTES],
    [AT_RSEQ_ALIGN, RSEQ_ALIGN],
  ];
}

/** The point of no return lies behind: nothing here can fail. */
function commit(td: Lwp, vs: Vmspace, request: ExecRequest, prepared: Prepared): void {
  const { program, loader, next, image } = prepared;
  const p = td.proc;
  const formerId = td.id;
  endOtherThreads(td);
  p.table.adoptLeader(td);
  td.leaveKeyrings(false);
  p.leaveKeyring();
  leaveMemory(td);
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
  td.rseq = null;
  td.altStackBase = td.altStackSize = 0;
  td.altStackFlags = SS_DISABLE;
  if (td.fdtable.refs > 1) {
    const own = td.fdtable.copy();
    // Too late to fail: without memory for descriptors of its own the process ends.
    if (failed(own)) killProc(p);
    else {
      td.fdtable.release();
      td.fdtable = own;
    }
  }
  if (td.fdtable.refs === 1) td.fdtable.closeOnExec();

  const old = td.cred;
  td.cred = next.cred;
  enterTime(td);
  const isGuarded = next.isChanged || old.euid !== old.uid || old.egid !== old.gid;
  const { suidDumpable } = p.table.settings;
  p.dumpable = isGuarded ? suidDumpable : 1;
  p.memoryUserns = old.userns;
  for (const each of loader ? [program, loader] : [program]) {
    if (mayRead(old, each)) continue;
    p.dumpable = suidDumpable;
    p.memoryUserns = ownerOf(p.memoryUserns, each);
  }
  if (next.isRaised) p.personality &= ~PER_CLEAR_ON_SETID;
  p.membarriers = 0;
  if (next.isSecure || next.isChanged) td.parentDeathSignal = 0;
  p.execs++;
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
  if (td.trace) td.trace.execFrom = formerId;
}

function newCred(td: Lwp, program: Program): ExecCred | Errno {
  const attr = program.fp.stat();
  if (failed(attr)) return attr;
  const isNosuid = !mayRaise(td, program);
  const isHeldBack =
    td.trace !== null && !td.trace.tracerCred.hasCapIn(td.cred.userns, CAP_SYS_PTRACE);
  const isShared =
    isHeldBack || td.fs.refs > td.proc.threads.filter((other) => other.fs === td.fs).length;
  if (isNosuid) return execCred(td.cred, null, null, isShared);
  const value = program.fp.path?.entry.vnode?.getxattr(XATTR_NAME_CAPS);
  const caps = value instanceof Uint8Array ? parseFileCaps(value) : null;
  const counts = caps !== null && countsFor(caps, td.cred.userns);
  return execCred(td.cred, attr, counts ? caps : null, isShared);
}

/**
 * Whether a program can make its caller somebody else: where its mount is of
 * the caller's own name space, and its file system made by who rules over him.
 */
function mayRaise(td: Lwp, { fp }: Program): boolean {
  const mount = fp.path?.mount;
  if (!mount || (mount.flags & MS_NOSUID) !== 0 || mount.ns !== td.fs.ns) return false;
  return !mount.fs.userns || td.cred.userns.isWithin(mount.fs.userns);
}

/** The user name space, from `userns` up, whose root may read any file of the program's owner. */
function ownerOf(userns: UserNamespace, program: Program): UserNamespace {
  const a = program.fp.stat();
  let at = userns;
  while (at.parent && (failed(a) || !at.knows(a.uid, a.gid))) at = at.parent;
  return at;
}

/** Who may not read a program may not read its memory either. */
function mayRead(cred: Cred, program: Program): boolean {
  const vp = program.fp.path?.entry.vnode;
  return !vp || !failed(access(vp, cred, MAY_READ));
}

function random16(td: Lwp): Uint8Array {
  const bytes = new Uint8Array(16);
  td.proc.table.entropy.fill(bytes);
  return bytes;
}

function commOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).slice(0, COMM_BYTES);
}
