/**
 * What the image builder says when it cannot go on: one clear line.
 *
 * Everything that a user, a mirror or a disk can get wrong ends as an
 * `ImageError`; any other exception is a defect of the builder.
 */
import { getSystemErrorMap } from "node:util";

export class ImageError extends Error {
  override readonly name = "ImageError";
}

/** True of the error of opening what is not there. */
export function isMissing(e: unknown): boolean {
  const { code } = e as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENOTDIR";
}

/** The command line itself is wrong (exit status 64, EX_USAGE of sysexits.h). */
export class UsageError extends ImageError {}

/** One line for an error of a system call of the host (full disk, permissions …), else undefined. */
export function hostErrorLine(e: unknown): string | undefined {
  if (!(e instanceof Error)) return undefined;
  const { code, errno, path, syscall } = e as NodeJS.ErrnoException;
  const at = path === undefined ? "" : `: ${path}`;
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return `the disk is full${at}`;
    case "EACCES":
    case "EPERM":
      return `no permission${at}`;
    case "EMFILE":
    case "ENFILE":
      return "too many open files";
    default:
      if (syscall === undefined) return undefined;
      return `${path ?? syscall}: ${getSystemErrorMap().get(errno ?? 0)?.[1] ?? code}`;
  }
}
