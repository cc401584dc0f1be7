/**
 * Calls of node:fs as a kernel wants them: a negative errno instead of an exception.
 *
 * Every architecture that Node runs on under Linux numbers errors as
 * asm-generic does, and so as the guest does.
 */
import { EINVAL, EIO } from "../../../abi/errno.ts";

const EINTR = 4;
const EAGAIN = 11;
const MAX_ERRNO = 133;

/** What `call` returns, or the errno that it throws. */
export function hostCall<T>(call: () => T): T | number {
  try {
    return call();
  } catch (e) {
    return errnoOf(e);
  }
}

/** As `hostCall`, for calls whose result is success. */
export function hostDo(call: () => void): number {
  try {
    call();
    return 0;
  } catch (e) {
    return errnoOf(e);
  }
}

function errnoOf(e: unknown): number {
  const { errno, code } = e as NodeJS.ErrnoException;
  if (typeof errno !== "number") return code?.startsWith("ERR_INVALID_ARG") ? EINVAL : EIO;
  // A regular file that is not ready (a lease, a file of procfs) is nothing that a guest could wait for.
  if (errno === -EAGAIN || errno === -EINTR) return EIO;
  return errno < 0 && errno >= -MAX_ERRNO ? errno : EIO;
}
