/** Modes of interfaces that a packet socket asked for: in each it is one of its interface's holders. See packet(7). */
import { EINVAL, ENOBUFS, ENODEV } from "../../abi/errno.ts";
import * as pk from "../../abi/packet.ts";
import type { Ifnet } from "../ifnet.ts";
import type { NetStack } from "../netstack.ts";
import { viewOf } from "../sockopt.ts";

const MAX_MEMBERSHIPS = 64;

interface Membership {
  readonly ifp: Ifnet;
  readonly type: number;
}

export class PacketMemberships {
  #all: Membership[] = [];

  /** PACKET_ADD_MEMBERSHIP, or PACKET_DROP_MEMBERSHIP: EINVAL, ENODEV, ENOBUFS. */
  change(stack: NetStack, isAdd: boolean, value: Uint8Array): number {
    if (value.length < pk.PacketMreq.sizeof) return EINVAL;
    const view = viewOf(value);
    const ifp = stack.byIndex(pk.PacketMreq.mr_ifindex.get(view, 0));
    const type = pk.PacketMreq.mr_type.get(view, 0);
    if (!ifp) return isAdd ? ENODEV : 0;
    if (type > pk.PACKET_MR_UNICAST) return EINVAL;
    if (isAdd) {
      if (this.#all.length >= MAX_MEMBERSHIPS) return ENOBUFS;
      this.#all.push({ ifp, type });
      count(ifp, type, 1);
      return 0;
    }
    const at = this.#all.findIndex((m) => m.ifp === ifp && m.type === type);
    if (at < 0) return 0;
    this.#all.splice(at, 1);
    count(ifp, type, -1);
    return 0;
  }

  /** Those at `of`; null: all. */
  drop(of: Ifnet | null): void {
    const gone = this.#all.filter(({ ifp }) => of === null || ifp === of);
    this.#all = this.#all.filter((m) => !gone.includes(m));
    for (const { ifp, type } of gone) count(ifp, type, -1);
  }
}

/** One holder more or less of a mode of an interface. */
function count(ifp: Ifnet, type: number, step: number): void {
  if (type === pk.PACKET_MR_PROMISC) ifp.promiscuity += step;
  else if (type === pk.PACKET_MR_ALLMULTI) ifp.allmulti += step;
  else return;
  ifp.stack.linkTouched(ifp);
}
