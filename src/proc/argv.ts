/**
 * The first stack of a program: strings, auxiliary vector, environment,
 * arguments, count. Source: elf(5), Linux fs/binfmt_elf.c create_elf_tables.
 */
import { AT_NULL } from "../abi/elf.ts";
import { E2BIG, EFAULT, ENAMETOOLONG, type Errno, failed } from "../abi/errno.ts";
import type { UserMemory } from "../vm/usermem.ts";

/** Longest single string, its NUL included. */
const MAX_STRING_BYTES = 32 * 4096;
/** Argument space that is always granted. */
const MIN_ARGUMENT_BYTES = 32 * 4096;
const MAX_STRINGS = 0x7fff;
const POINTER_BYTES = 8;
const RANDOM_BYTES = 16;

/** Bytes that arguments and environment may take together, with their pointers. */
export function argumentSpace(stackLimitBytes: number): number {
  return Math.max(MIN_ARGUMENT_BYTES, Math.min(stackLimitBytes / 4, (8 << 20) * 0.75));
}

/** A NULL-terminated array of strings in user memory; a null array is empty. E2BIG, EFAULT. */
export function copyinStrings(mem: UserMemory, array: number, room: number): string[] | Errno {
  const out: string[] = [];
  if (array === 0) return out;
  let left = room;
  for (let at = array; ; at += POINTER_BYTES) {
    const pointer = mem.loadU64(at);
    if (failed(pointer)) return EFAULT;
    if (pointer === 0) return out;
    if (out.length >= MAX_STRINGS * 64) return E2BIG;
    const s = mem.copyinstr(pointer, Math.min(MAX_STRING_BYTES, Math.max(left, 1)));
    if (typeof s !== "string") return s === ENAMETOOLONG ? E2BIG : s;
    left -= s.length + 1 + POINTER_BYTES;
    if (left < 0) return E2BIG;
    out.push(s);
  }
}

export interface StackRequest {
  /** First address past the stack. */
  readonly top: number;
  readonly argv: readonly string[];
  readonly envp: readonly string[];
  readonly fileName: string;
  readonly random: Uint8Array;
  /** Type and value; AT_RANDOM and AT_EXECFN are added with the addresses they get here. */
  readonly auxv: readonly (readonly [number, number])[];
  readonly atRandom: number;
  readonly atExecfn: number;
}

export interface StackImage {
  readonly sp: number;
  /** What goes to [sp, top). */
  readonly bytes: Uint8Array;
  readonly argStart: number;
  readonly argEnd: number;
  readonly envStart: number;
  readonly envEnd: number;
  readonly auxv: Uint8Array;
}

/** Lays the first stack out. */
export function buildStack(r: StackRequest): StackImage {
  const argBytes = stringBytes(r.argv);
  const envBytes = stringBytes(r.envp);
  const fileNameAt = r.top - POINTER_BYTES - (r.fileName.length + 1);
  const envStart = fileNameAt - envBytes;
  const argStart = envStart - argBytes;
  const randomAt = floor16(argStart - RANDOM_BYTES);
  const auxv: (readonly [number, number])[] = [
    ...r.auxv,
    [r.atRandom, randomAt],
    [r.atExecfn, fileNameAt],
    [AT_NULL, 0],
  ];
  const words = 1 + r.argv.length + 1 + r.envp.length + 1 + 2 * auxv.length;
  const sp = floor16(randomAt - words * POINTER_BYTES);

  const bytes = new Uint8Array(r.top - sp);
  const v = new DataView(bytes.buffer);
  putString(bytes, fileNameAt - sp, r.fileName);
  bytes.set(r.random, randomAt - sp);
  let at = 0;
  const word = (n: number): void => {
    v.setUint32(at, n >>> 0, true);
    v.setUint32(at + 4, Math.floor(n / 2 ** 32), true);
    at += POINTER_BYTES;
  };
  const strings = (list: readonly string[], from: number): void => {
    let to = from;
    for (const s of list) {
      word(to);
      putString(bytes, to - sp, s);
      to += s.length + 1;
    }
    word(0);
  };
  word(r.argv.length);
  strings(r.argv, argStart);
  strings(r.envp, envStart);
  const auxvAt = at;
  for (const [type, value] of auxv) {
    word(type);
    word(value);
  }
  return {
    sp,
    bytes,
    argStart,
    argEnd: envStart,
    envStart,
    envEnd: fileNameAt,
    auxv: bytes.slice(auxvAt, at),
  };
}

function stringBytes(list: readonly string[]): number {
  let n = 0;
  for (const s of list) n += s.length + 1;
  return n;
}

function putString(bytes: Uint8Array, at: number, s: string): void {
  for (let i = 0; i < s.length; i++) bytes[at + i] = s.charCodeAt(i);
}

function floor16(n: number): number {
  return n - (n % 16);
}
