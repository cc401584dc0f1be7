/**
 * From a path to the program that execve(2) will run: permission, scripts and
 * their interpreters, ELF headers. Nothing is changed here.
 */
import { EACCES, ELIBBAD, ELOOP, ENOENT, ENOEXEC, type Errno, failed } from "../abi/errno.ts";
import { FMODE_EXEC, O_RDONLY } from "../abi/fcntl.ts";
import { S_IFLNK, S_IFREG } from "../abi/stat.ts";
import { byteString } from "../lib/bytes.ts";
import { access, MAY_EXEC } from "../vfs/access.ts";
import type { File } from "../vfs/file.ts";
import { MS_NOEXEC } from "../vfs/mount.ts";
import { namei, WALK_FOLLOW } from "../vfs/namei.ts";
import { openAt } from "../vfs/open.ts";
import type { Path } from "../vfs/path.ts";
import { Uio } from "../vm/uio.ts";
import { type Elf, readElf } from "./elf.ts";
import { checkExe } from "./exe.ts";
import type { Lwp } from "./lwp.ts";

/** Bytes of a file that decide what it is, as in Linux. */
const HEAD_BYTES = 256;
const MAX_INTERPRETERS = 5;

export interface ProgramRequest {
  readonly path: string;
  /** Where a relative path starts; null: the working directory. */
  readonly start: Path | null;
  /** WALK_*. */
  readonly walk: number;
  /** What AT_EXECFN and a script's argument say; /dev/fd/N/… for execveat. */
  readonly shownPath: string;
  readonly argv: readonly string[];
}

/** A program found, opened (the caller releases `fp`) and understood. */
export interface Program {
  readonly fp: File;
  readonly elf: Elf;
  /** With a script's interpreter and argument in front. */
  readonly argv: readonly string[];
}

/** Follows "#!" to a real program. */
export function findProgram(td: Lwp, request: ProgramRequest): Program | Errno {
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
      return { fp, elf, argv: argv.length > 0 ? argv : [""] };
    }
    fp.release();
    if (failed(script)) return script;
    if (depth === MAX_INTERPRETERS) return ELOOP;
    argv = [script.path, ...script.argument, shown, ...argv.slice(1)];
    shown = script.path;
    fp = openProgram(td, script.path, null, WALK_FOLLOW);
  }
}

/** Opens the dynamic loader that a program names. */
export function openLoader(td: Lwp, path: string): Program | Errno {
  const fp = openProgram(td, path, null, WALK_FOLLOW);
  if (failed(fp)) return fp;
  const elf = readElf(td, fp);
  if (failed(elf)) return released(fp, elf === ENOEXEC ? ELIBBAD : elf);
  return { fp, elf, argv: [] };
}

/** Opens a file that the caller may execute; it need not be readable to him. */
function openProgram(td: Lwp, path: string, start: Path | null, walk: number): File | Errno {
  const { fs } = td;
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
  return openAt(td, fs.vfs, at, O_RDONLY | FMODE_EXEC, true);
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
