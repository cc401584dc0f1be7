/**
 * One operation as one transaction.
 */
import { ENOSPC, type Errno, failed } from "../../abi/errno.ts";
import type { Volume } from "./volume.ts";

/**
 * Runs `body`, which changes at most `credits` blocks, or nothing if it fails.
 * When there is no room it is tried again after a commit, which is what makes
 * freed blocks available. `isPrivileged`: it may use what is kept for the superuser.
 */
export function operate<T>(
  volume: Volume,
  credits: number,
  body: () => T | Errno,
  isPrivileged = true,
): T | Errno {
  const { tx, alloc } = volume;
  for (let isAgain = false; ; isAgain = true) {
    const r = tx.start(credits);
    if (failed(r)) return r;
    alloc.isPrivilegedNow = isPrivileged;
    const result = body();
    alloc.isPrivilegedNow = true;
    tx.stop();
    if (result !== ENOSPC || isAgain || alloc.waitingForCommit === 0) return result;
    const committed = tx.commit();
    if (failed(committed)) return committed;
  }
}
