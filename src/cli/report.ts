/**
 * What the command itself says: answers on standard output, one clear line for
 * any error on standard error.
 *
 * Both are written before the call returns, whatever they lead to: process.exit
 * may be next.
 */
import { writeSync } from "node:fs";
import { getSystemErrorMap } from "node:util";
import { EX_FAILURE, EX_OSERR } from "./exitcodes.ts";

const SIGPIPE = 13;
const pause = new Int32Array(new SharedArrayBuffer(4));

/** To standard output; throws an OutputError if it cannot be written. */
export function answer(text: string): void {
  try {
    writeFully(1, text);
  } catch (e) {
    throw new OutputError(e as NodeJS.ErrnoException);
  }
}

/** A line on standard error; if that is gone too, nobody wanted to know. */
export function complain(message: string): void {
  try {
    writeFully(2, `vkernel: ${message}\n`);
  } catch {}
}

/** Text on standard error that was asked for. */
export function note(text: string): void {
  try {
    writeFully(2, text);
  } catch {}
}

/** Standard output is full or gone. */
export class OutputError extends Error {
  override readonly name = "OutputError";
  readonly isReaderGone: boolean;

  constructor(e: NodeJS.ErrnoException) {
    super(fileError("standard output", e));
    this.isReaderGone = e.code === "EPIPE";
  }
}

/** Says what nothing more special has dealt with; the exit status for it. */
export function reportError(e: unknown): number {
  if (e instanceof OutputError) {
    if (e.isReaderGone) return 128 + SIGPIPE;
    complain(e.message);
    return EX_OSERR;
  }
  const { path, message = String(e) } = e as NodeJS.ErrnoException;
  complain(path === undefined ? message : fileError(path, e));
  return EX_FAILURE;
}

/** A failed file operation as a person would say it: "root.img: no such file or directory". */
export function fileError(path: string, e: unknown): string {
  const { errno, code, message } = e as NodeJS.ErrnoException;
  if (code === "EISDIR") return `${path}: is a directory`;
  const words = errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1];
  return `${path || "''"}: ${words ?? message}`;
}

function writeFully(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  let done = 0;
  while (done < bytes.length) {
    try {
      done += writeSync(fd, bytes, done);
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== "EAGAIN") throw e;
      Atomics.wait(pause, 0, 0, 1);
    }
  }
}
