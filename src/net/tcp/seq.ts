/**
 * Sequence numbers.
 *
 * On the wire they are 32 bits and wrap; a connection counts on, exact to 2^53,
 * so that inside "before" is `<`. `unwrap` finds the number near a known one
 * that looks like that on the wire, `wire` is what the wire sees. See RFC 9293, 3.4.
 */

const TWO32 = 4294967296;

/** Where counting begins for an initial sequence number: no number before it is negative. */
export function firstSeq(isn: number): number {
  return TWO32 + (isn >>> 0);
}

/** The number within 2^31 of `near` that is `seq` on the wire. */
export function unwrap(near: number, seq: number): number {
  return near + ((seq - wire(near)) | 0);
}

export function wire(seq: number): number {
  return seq % TWO32;
}

/** True if the timestamp or sequence number `a` of the wire is older than `b`. */
export function isOlder(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}
