/**
 * NETLINK_KOBJECT_UEVENT: devices that come and go, as udev(7) wants to hear of them.
 *
 * An event is text: what happened to which device, then a variable per line, each
 * ended by a NUL. Group 1 is the kernel's; udev sends its own findings to group 2.
 */
import { NETLINK_KOBJECT_UEVENT } from "../../abi/netlink.ts";
import { bytesOf } from "../../lib/bytes.ts";
import type { UeventListener, Uevents } from "../../vfs/uevents.ts";
import type { Ifnet } from "../ifnet.ts";
import type { NetObserver, NetStack } from "../netstack.ts";
import type { Network } from "../network.ts";
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

  readonly #network: Network;

  constructor(network: Network) {
    this.#network = network;
  }

  /** Devices other than interfaces are the first network's. */
  attached(stack: NetStack, ports: NetlinkPorts): void {
    const { uevents } = this.#network.vfs;
    const notifier = new UeventNotifier(ports, uevents);
    stack.observers.add(notifier);
    if (stack === this.#network.initial) uevents.listeners.add(notifier);
  }

  /** What programs send is for the groups; the kernel takes no requests. */
  serve(): number {
    return 0;
  }
}

class UeventNotifier implements NetObserver, UeventListener {
  readonly #ports: NetlinkPorts;
  readonly #uevents: Uevents;
  /** Names of interfaces that were told of. */
  readonly #known = new Map<Ifnet, string>();

  constructor(ports: NetlinkPorts, uevents: Uevents) {
    this.#ports = ports;
    this.#uevents = uevents;
  }

  uevent(lines: readonly string[]): void {
    this.#ports.multicast(bytesOf(lines.map((l) => `${l}\0`).join("")), KERNEL_GROUP);
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
    const { name, index } = ifp;
    const variables = ["SUBSYSTEM=net", ...more, `INTERFACE=${name}`, `IFINDEX=${index}`];
    this.uevent(this.#uevents.lines(action, pathOf(name), variables));
  }
}

function pathOf(name: string): string {
  return `/devices/virtual/net/${name}`;
}
