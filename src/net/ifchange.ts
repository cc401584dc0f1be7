/** What an administrator may change of an interface, by netlink or ioctl: IFF_*. See netdevice(7). */
import {
  IFF_ALLMULTI,
  IFF_DEBUG,
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_NOTRAILERS,
  IFF_PROMISC,
  IFF_UP,
} from "../abi/netdevice.ts";
import type { Ifnet } from "./ifnet.ts";

/** What a virtual interface takes of the kernel's memory, about. */
export const LINK_BYTES = 8192;

const IFF_PORTSEL = 0x2000;
const IFF_AUTOMEDIA = 0x4000;
const IFF_DYNAMIC = 0x8000;

/** Flags that are simply kept. */
const SETTABLE =
  IFF_UP |
  IFF_DEBUG |
  IFF_NOTRAILERS |
  IFF_NOARP |
  IFF_MULTICAST |
  IFF_PORTSEL |
  IFF_AUTOMEDIA |
  IFF_DYNAMIC;

/** Sets those of `flags` that are in `mask`, as dev_change_flags. */
export function changeFlags(ifp: Ifnet, flags: number, mask: number): void {
  const kept = SETTABLE & mask;
  let next = (ifp.flags & ~kept) | (flags & kept);
  // Modes that packet sockets ask for too are counted: this is the administrator's share.
  for (const mode of [IFF_PROMISC, IFF_ALLMULTI]) {
    if ((mask & mode) === 0 || ((flags ^ ifp.flags) & mode) === 0) continue;
    const step = (flags & mode) !== 0 ? 1 : -1;
    if (mode === IFF_PROMISC) ifp.promiscuity += step;
    else ifp.allmulti += step;
    next ^= mode;
  }
  if (next !== ifp.flags) ifp.stack.setFlags(ifp, next);
}
