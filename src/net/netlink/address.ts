/** struct sockaddr_nl: a port, where 0 is the kernel's, and groups as bits. See netlink(7), "Address formats". */
import * as nl from "../../abi/netlink.ts";
import { AF_NETLINK } from "../../abi/socket.ts";
import { viewOf } from "../sockopt.ts";

export interface NetlinkAddress {
  readonly port: number;
  /** Its number; 0: none. */
  readonly group: number;
}

/** Of several groups in an address the first is meant. */
export function readAddress(view: DataView): NetlinkAddress {
  const groups = nl.SockaddrNl.nl_groups.get(view, 0);
  const port = nl.SockaddrNl.nl_pid.get(view, 0);
  return { port, group: groups === 0 ? 0 : 32 - Math.clz32(groups & -groups) };
}

/** `groups`: the first 32, as bits. */
export function makeAddress(port: number, groups: number): Uint8Array {
  const bytes = new Uint8Array(nl.SockaddrNl.sizeof);
  const view = viewOf(bytes);
  nl.SockaddrNl.nl_family.set(view, 0, AF_NETLINK);
  nl.SockaddrNl.nl_pid.set(view, 0, port);
  nl.SockaddrNl.nl_groups.set(view, 0, groups);
  return bytes;
}

/** A group as an address names it; those past the first 32 have no bit. */
export function maskOf(group: number): number {
  return group > 0 && group <= 32 ? (1 << (group - 1)) >>> 0 : 0;
}
