/**
 * NETLINK_KOBJECT_UEVENT: devices that come and go, as udev(7) wants to hear of them.
 *
 * An event is text: what happened to which device, then a variable per line, each
 * ended by a NUL. Group 1 is the kernel's; udev sends its own findings to group 2.
 */
import { NETLINK_KOBJECT_UEVENT } from "../../abi/netlink.ts";
import { bytesOf } from "../../lib/bytes.ts";
import type { Ifnet } from "../ifnet.ts";
import type { NetObserver, NetStack } from "../netstack.ts";
import type { NetlinkPorts } from "./ports.ts";
import type { NetlinkProtocol } from "./protocol.ts";

const GROUPS = 32;
const KERNEL_GROUP = 1;

export class UeventProtocol implements NetlinkProtocol {
  readonly protocol = NETLINK_KOBJECT_UEVENT;
  readonly groups = GROUPS;
  readonly mayAnyoneListen = true;
  readonly mayAnyoneSend = false;
  readonly hasKernelEnd = true;

  attached(stack: NetStack, ports: NetlinkPorts): void {
    stack.observers.add(new UeventNotifier(ports));
  }

  /** What programs send is for the groups; the kernel takes no requests. */
  serve(): number {
    return 0;
  }
}

class UeventNotifier implements NetObserver {
  readonly #ports: NetlinkPorts;
  /** Names of interfaces that were told of. */
  readonly #known = new Map<Ifnet, string>();
  #seqnum = 0;

  constructor(ports: NetlinkPorts) {
    this.#ports = ports;
  }

  linkChanged(ifp: Ifnet): void {
    const old = this.#known.get(ifp);
    if (old === ifp.name) return;
    this.#known.set(ifp, ifp.name);
    if (old === undefined) this.#tell(ifp, "add", []);
    else this.#tell(ifp, "move", [`DEVPATH_OLD=${pathOf(old)}`]);
  }

  linkGone(ifp: Ifnet): void {
    this.#known.delete(ifp);
    this.#tell(ifp, "remove", []);
  }

  addressChanged(): void {}
  routeChanged(): void {}
  ruleChanged(): void {}

  #tell(ifp: Ifnet, action: string, more: readonly string[]): void {
    const path = pathOf(ifp.name);
    const lines = [
      `${action}@${path}`,
      `ACTION=${action}`,
      `DEVPATH=${path}`,
      "SUBSYSTEM=net",
      ...more,
      `INTERFACE=${ifp.name}`,
      `IFINDEX=${ifp.index}`,
      `SEQNUM=${++this.#seqnum}`,
    ];
    this.#ports.multicast(bytesOf(lines.map((l) => `${l}\0`).join("")), KERNEL_GROUP);
  }
}

function pathOf(name: string): string {
  return `/devices/virtual/net/${name}`;
}
