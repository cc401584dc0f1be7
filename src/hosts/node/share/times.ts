/**
 * Times for utimensat(2) by way of Node, which takes seconds as a double.
 *
 * A double of today's seconds has steps of 0.24 µs, and libuv cuts off what is
 * below a nanosecond (before 1.50: below a microsecond), so a time comes out up to
 * that much too early, never too late.
 */
import type { ShareTime } from "../../../platform/share.ts";

/** As a string, the only form in which Node takes times before 1970. */
export function secondsOf(time: ShareTime): string {
  let seconds = time.sec + time.nsec / 1e9;
  // Rounding up would make a file newer than the one it was copied from.
  if (nsecOf(seconds, time.sec) > time.nsec) seconds = below(seconds);
  return String(seconds);
}

function nsecOf(seconds: number, sec: number): number {
  return Math.floor((seconds - sec) * 1e9);
}

/** The next smaller double. */
function below(x: number): number {
  const bits = new BigInt64Array(1);
  const value = new Float64Array(bits.buffer);
  value[0] = x;
  bits[0] = bits[0]! + (x > 0 ? -1n : 1n);
  return value[0]!;
}
