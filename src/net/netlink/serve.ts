/**
 * The requests of one message to the kernel, one after the other.
 *
 * There may be thousands, and each may go through thousands of interfaces: so
 * they are served in turns, and others run in between. See netlink(7).
 */
import * as nl from "../../abi/netlink.ts";
import type { Thread } from "../../kern/thread.ts";
import { viewOf } from "../sockopt.ts";
import type { NetlinkSocket } from "./netlinksocket.ts";
import { DUMP_STARTED } from "./protocol.ts";
import { acknowledgement, Request } from "./request.ts";

/** After this time the rest waits for the next turn. */
const TURN_NS = 4e6;

/** Serves what is sound from `from` on, for a turn: where the rest begins, or -1 after the last. */
export function serveRequests(
  td: Thread,
  socket: NetlinkSocket,
  bytes: Uint8Array,
  from: number,
): number {
  const view = viewOf(bytes);
  const { clock } = td.cpu;
  const endNs = clock.monotonicNs() + TURN_NS;
  let at = from;
  while (bytes.length - at >= nl.NLMSG_HDRLEN) {
    const length = nl.NlMsgHdr.nlmsg_len.get(view, at);
    if (length < nl.NLMSG_HDRLEN || length > bytes.length - at) return -1;
    serve(new Request(td, socket, bytes.subarray(at, at + length)));
    at += (length + 3) & ~3;
    if (clock.isPast(endNs)) return at < bytes.length ? at : -1;
  }
  return -1;
}

function serve(request: Request): void {
  const { socket, flags } = request;
  const isServed = (flags & nl.NLM_F_REQUEST) !== 0 && request.type >= nl.NLMSG_MIN_TYPE;
  const r = isServed ? socket.ports.protocol.serve(request) : 0;
  if (r === DUMP_STARTED || (r >= 0 && (flags & nl.NLM_F_ACK) === 0)) return;
  socket.deliver(acknowledgement(request, r));
}
