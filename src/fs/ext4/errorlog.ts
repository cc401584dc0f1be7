/**
 * What the superblock remembers of errors: when the first and the last came,
 * and how many; e2fsck(8) and dumpe2fs(8) read it. Source: fs/ext4/super.c.
 */
import { STATE_ERROR, SuperBlock } from "./layout.ts";

const FUNC_SIZE = 32;
const COUNT_MAX = 0xffffffff;

/** Notes an error called `what` in the superblock at `view`, which needs its checksum anew. */
export function noteError(view: DataView, sec: number, what: string): void {
  const sb = SuperBlock;
  const name = new Uint8Array(FUNC_SIZE);
  // The last byte stays a NUL.
  for (let i = 0; i < Math.min(what.length, FUNC_SIZE - 1); i++) name[i] = what.charCodeAt(i);
  const count = sb.s_error_count.get(view, 0);
  sb.s_state.set(view, 0, sb.s_state.get(view, 0) | STATE_ERROR);
  sb.s_error_count.set(view, 0, Math.min(count + 1, COUNT_MAX));
  if (sb.s_first_error_time.get(view, 0) === 0) {
    sb.s_first_error_time.set(view, 0, sec);
    sb.s_first_error_func.set(view, 0, name);
  }
  sb.s_last_error_time.set(view, 0, sec);
  sb.s_last_error_func.set(view, 0, name);
}

/** Copies what `from` remembers of errors to `to`: a replayed log may hold an older superblock. */
export function keepErrors(to: DataView, from: DataView): void {
  const sb = SuperBlock;
  if (sb.s_error_count.get(from, 0) <= sb.s_error_count.get(to, 0)) return;
  const start = sb.s_error_count.offset;
  const end = sb.s_last_error_func.offset + FUNC_SIZE;
  for (let at = start; at < end; at++) to.setUint8(at, from.getUint8(at));
  sb.s_state.set(to, 0, sb.s_state.get(to, 0) | (sb.s_state.get(from, 0) & STATE_ERROR));
}
