/** SOL_NETLINK: setsockopt(2) and getsockopt(2). See netlink(7). */
import { EINVAL, ENOPROTOOPT, EPERM, type Errno } from "../../abi/errno.ts";
import * as nl from "../../abi/netlink.ts";
import { CAP_NET_BROADCAST } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import { intOf, intValue } from "../sockopt.ts";
import type { NetlinkSocket } from "./netlinksocket.ts";

/** Options that are on or off. */
const SWITCHES: ReadonlySet<number> = new Set([
  nl.NETLINK_PKTINFO,
  nl.NETLINK_BROADCAST_ERROR,
  nl.NETLINK_NO_ENOBUFS,
  nl.NETLINK_LISTEN_ALL_NSID,
  nl.NETLINK_CAP_ACK,
  nl.NETLINK_EXT_ACK,
  nl.NETLINK_GET_STRICT_CHK,
]);

export function setNetlinkOption(
  td: Thread,
  s: NetlinkSocket,
  name: number,
  value: Uint8Array,
): number {
  const n = value.length < 4 ? 0 : intOf(value);
  if (name === nl.NETLINK_ADD_MEMBERSHIP || name === nl.NETLINK_DROP_MEMBERSHIP) {
    if (!s.mayListen(td)) return EPERM;
    if (n <= 0 || n > s.groups.room) return EINVAL;
    s.groups.set(n, name === nl.NETLINK_ADD_MEMBERSHIP);
    return 0;
  }
  if (!SWITCHES.has(name)) return ENOPROTOOPT;
  if (name === nl.NETLINK_LISTEN_ALL_NSID && !s.mayAct(td, CAP_NET_BROADCAST)) return EPERM;
  if (n === 0) s.switches.delete(name);
  else s.switches.add(name);
  if (name === nl.NETLINK_NO_ENOBUFS && n !== 0) s.inbox.isCongested = false;
  return 0;
}

export function getNetlinkOption(s: NetlinkSocket, name: number, room: number): Uint8Array | Errno {
  if (name === nl.NETLINK_LIST_MEMBERSHIPS) return s.groups.bytes();
  if (!SWITCHES.has(name)) return ENOPROTOOPT;
  return room < 4 ? EINVAL : intValue(s.switches.has(name) ? 1 : 0);
}
