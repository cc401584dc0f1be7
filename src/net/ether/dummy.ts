/** dummy: an Ethernet interface that throws away what is sent over it. See ip-link(8). */
import { ARPHRD_ETHER, IFF_BROADCAST, IFF_NOARP } from "../../abi/netdevice.ts";
import { LINK_BYTES } from "../ifchange.ts";
import { Ifnet } from "../ifnet.ts";
import type { Mbuf } from "../mbuf.ts";
import type { NetStack } from "../netstack.ts";
import { ETHER_BROADCAST, randomAddress } from "./address.ts";

const ETHER_MTU = 1500;

export class Dummy extends Ifnet {
  override readonly kind = "dummy";

  constructor(stack: NetStack) {
    super({
      name: "",
      type: ARPHRD_ETHER,
      flags: IFF_BROADCAST | IFF_NOARP,
      mtu: ETHER_MTU,
      minMtu: 0,
      maxMtu: 0x7fffffff,
      hwaddr: randomAddress(stack),
      hwbroadcast: ETHER_BROADCAST,
    });
  }

  override detached(): void {
    this.stack.kmem.give(LINK_BYTES);
  }

  protected transmit(m: Mbuf): number {
    this.tapOutput(m);
    this.counters.txPackets++;
    this.counters.txBytes += m.length;
    return 0;
  }
}
