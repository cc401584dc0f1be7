/**
 * The argument types of system calls. Registers are 64 bits; what a C
 * prototype declares narrower is cut as the C ABI says.
 */
import { EBADF, type Errno } from "../abi/errno.ts";
import type { Lwp } from "../proc/lwp.ts";
import type { File } from "../vfs/file.ts";
import type { ArgType } from "./declare.ts";

/** First argument register, a0 = x10. */
const A0 = 10;
const PATH_MAX = 4096;

const hex = (n: number): string => (n === 0 ? "NULL" : `0x${n.toString(16)}`);

function plain(
  name: string,
  decode: (td: Lwp, index: number) => number,
  show: (n: number) => string = String,
): ArgType<number> {
  return { name, isFallible: false, decode, format: (td, i) => show(decode(td, i)) };
}

/** C int. */
export const int = plain("int", (td, i) => td.context.xlo(A0 + i));
/** C unsigned int. */
export const uint = plain("uint", (td, i) => td.context.xlo(A0 + i) >>> 0);
/** Flag words and modes, shown in hexadecimal and octal. */
export const flags = plain("flags", (td, i) => td.context.xlo(A0 + i), hex);
export const mode = plain(
  "mode",
  (td, i) => td.context.xlo(A0 + i) & 0xffff,
  (n) => `0${n.toString(8)}`,
);
/** C long, off_t: signed, exact to 2^53 and imprecise beyond (no such offset is valid). */
export const long = plain("long", (td, i) => td.context.getX(A0 + i));
/** size_t: unsigned; huge values are imprecise but stay huge. */
export const size = plain("size", (td, i) => td.context.getSize(A0 + i));
/** A user address; any value may come. */
export const uaddr = plain("uaddr", (td, i) => td.context.getXu(A0 + i), hex);

/** A descriptor that must be open: its File, or EBADF. A call made again keeps the file it had. */
export const fd: ArgType<File> = {
  name: "fd",
  isFallible: true,
  decode: (td, i): File | Errno => {
    if (!td.heldArgs.isEmpty) return td.heldArgs.fileAt(i) ?? EBADF;
    return td.fdtable.get(td.context.xlo(A0 + i)) ?? EBADF;
  },
  format: (td, i) => String(td.context.xlo(A0 + i)),
};

/** As `fd`, for the calls that take an O_PATH descriptor too. */
export const anyFd: ArgType<File> = {
  ...fd,
  decode: (td, i): File | Errno => {
    if (!td.heldArgs.isEmpty) return td.heldArgs.fileAt(i) ?? EBADF;
    return td.fdtable.getAny(td.context.xlo(A0 + i)) ?? EBADF;
  },
};

/** A path: NUL-terminated bytes; EFAULT, ENAMETOOLONG. A call made again keeps the path it had. */
export const upath: ArgType<string> = {
  name: "upath",
  isFallible: true,
  decode: (td, i) => {
    const held = td.heldArgs.isEmpty ? null : td.heldArgs.pathAt(i);
    return held ?? td.proc.vmspace.copyinstr(td.context.getXu(A0 + i), PATH_MAX);
  },
  format: (td, i) => {
    const s = td.proc.vmspace.copyinstr(td.context.getXu(A0 + i), PATH_MAX);
    return typeof s === "string" ? JSON.stringify(s) : hex(td.context.getXu(A0 + i));
  },
};

/** A buffer whose length is the argument named `_lengthArg`, which strace may show. */
export function ubuf(_lengthArg: string): ArgType<number> {
  return uaddr;
}
