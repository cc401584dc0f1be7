/** /proc/net/igmp and igmp6: multicast groups that this host listens to. See proc_net(5). */
import { IFF_MULTICAST } from "../../abi/netdevice.ts";
import { ALL_HOSTS4, LINK_LOCAL_ALLNODES, NODE_LOCAL_ALLNODES } from "../address.ts";
import type { Ifnet } from "../ifnet.ts";
import type { NetStack } from "../netstack.ts";
import { bytes, word4 } from "./format.ts";

/** Everybody is in these. */
const IMPLICIT6 = [LINK_LOCAL_ALLNODES, NODE_LOCAL_ALLNODES];

export function igmp(stack: NetStack): string {
  let s = "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n";
  for (const ifp of stack.inOrder()) {
    const groups = groupsOf(ifp, 4);
    if (!listens(ifp) || groups.size === 0) continue;
    s += `${ifp.index}\t${ifp.name.padEnd(10)}: ${String(groups.size).padStart(5)}      V3\n`;
    for (const [group, users] of groups) {
      s += `\t\t\t\t${word4(group)} ${String(users).padStart(5)} 0:00000000\t\t0\n`;
    }
  }
  return s;
}

export function igmp6(stack: NetStack): string {
  let s = "";
  for (const ifp of stack.inOrder()) {
    if (!listens(ifp)) continue;
    for (const [group, users] of groupsOf(ifp, 16)) {
      const flags = IMPLICIT6.includes(group) ? "0000000C" : "00000004";
      s += `${String(ifp.index).padEnd(4)} ${ifp.name.padEnd(15)} ${bytes(group, 16)} ${String(users).padStart(5)} ${flags} 0\n`;
    }
  }
  return s;
}

function listens(ifp: Ifnet): boolean {
  return ifp.isUp && (ifp.isLoopback || (ifp.flags & IFF_MULTICAST) !== 0);
}

/** Groups of one family with their users, those that everybody is in among them. */
function groupsOf(ifp: Ifnet, length: number): Map<string, number> {
  const out = new Map<string, number>();
  for (const [group, users] of ifp.groups) if (group.length === length) out.set(group, users);
  const implicit = length === 4 ? [ALL_HOSTS4] : ifp.addrs6.length > 0 ? IMPLICIT6 : [];
  for (const group of implicit) if (!out.has(group)) out.set(group, 1);
  return out;
}
