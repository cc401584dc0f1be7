/** dummy: an Ethernet interface that throws away what is sent over it. See ip-link(8). */
import { IFF_BROADCAST, IFF_NOARP } from "../../abi/netdevice.ts";
import type { NetStack } from "../netstack.ts";
import { EtherIf } from "./etherif.ts";

const NO_LIMIT = 0x7fffffff;

export class Dummy extends EtherIf {
  override readonly kind = "dummy";

  constructor(stack: NetStack) {
    super(stack, IFF_BROADCAST | IFF_NOARP, NO_LIMIT);
  }

  protected transmitFrame(): void {}
}
