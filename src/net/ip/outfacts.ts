/** What is known of a packet on its way out, apart from its bytes: for taps, rules, and errors about it. */
import type { Mbuf } from "../mbuf.ts";
import type { IpHow } from "./output.ts";
import type { IpPath } from "./path.ts";

/** Of a packet whose IP header is being written. */
export function noteOutgoing(m: Mbuf, path: IpPath, how: IpHow, networkBytes: number): void {
  // For who must say that it could not be delivered.
  m.src = how.src || path.src;
  m.dst = how.dst;
  m.proto = how.proto;
  m.networkBytes = networkBytes;
  m.mark = how.mark ?? 0;
  m.priority = how.priority ?? 0;
}

/** Of a fragment of `whole`, with its IP header of so many bytes at `at`. */
export function noteFragment(part: Mbuf, whole: Mbuf, at: number, networkBytes: number): void {
  part.network = at;
  part.networkBytes = networkBytes;
  part.src = whole.src;
  part.dst = whole.dst;
  part.proto = whole.proto;
  part.family = whole.family;
  part.type = whole.type;
  part.mark = whole.mark;
  part.priority = whole.priority;
}
