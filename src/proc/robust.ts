/**
 * Robust futexes: a thread that ends marks the locks it holds as ownerless.
 *
 * The list lies in user memory and is as hostile as anything there, so the
 * walk is bounded. See set_robust_list(2), get_robust_list(2).
 */
import { failed } from "../abi/errno.ts";
import { wakeWord } from "./futex.ts";
import type { Lwp } from "./lwp.ts";
import { FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS } from "./pifutex.ts";

const ROBUST_LIST_LIMIT = 2048;
/** struct robust_list_head: next, futex_offset, list_op_pending. */
const OFFSET_AT = 8;
const PENDING_AT = 16;

export function walkRobustList(td: Lwp): void {
  const head = td.robustListHead;
  if (head === 0) return;
  const mem = td.proc.vmspace;
  const offset = loadLong(td, head + OFFSET_AT);
  const pending = mem.loadU64(head + PENDING_AT);
  let entry = mem.loadU64(head);
  if (offset === null || failed(pending) || failed(entry)) return;
  for (let i = 0; i < ROBUST_LIST_LIMIT && untagged(entry) !== head; i++) {
    const next = mem.loadU64(untagged(entry));
    if (entry !== pending && !abandon(td, untagged(entry) + offset, false)) return;
    if (failed(next)) return;
    entry = next;
  }
  if (pending !== 0) abandon(td, untagged(pending) + offset, true);
}

/** Marks one lock; false if it cannot be reached. */
function abandon(td: Lwp, word: number, isPending: boolean): boolean {
  if (word % 4 !== 0) return false;
  const mem = td.proc.vmspace;
  const value = mem.loadU32(word);
  if (failed(value)) return false;
  if (isPending && value === 0) {
    wakeWord(mem, word, 1);
    return true;
  }
  if ((value & FUTEX_TID_MASK) !== td.ownTid) return true;
  const marked = ((value & FUTEX_WAITERS) | FUTEX_OWNER_DIED) >>> 0;
  if (failed(mem.storeU32(word, marked))) return false;
  if (value & FUTEX_WAITERS) wakeWord(mem, word, 1);
  return true;
}

/** Bit 0 says that the lock inherits priority. */
function untagged(entry: number): number {
  return entry - (entry % 2);
}

/** A signed 64-bit value: the offset from entry to lock is usually negative. */
function loadLong(td: Lwp, at: number): number | null {
  const bytes = new Uint8Array(8);
  if (failed(td.proc.vmspace.copyin(at, bytes))) return null;
  const v = new DataView(bytes.buffer);
  return v.getInt32(4, true) * 2 ** 32 + v.getUint32(0, true);
}
