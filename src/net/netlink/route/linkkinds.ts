/** The kinds of virtual interfaces that ip-link(8) can make: dummy, veth, bridge. */
import type { Errno } from "../../../abi/errno.ts";
import { Bridge } from "../../ether/bridge.ts";
import { Dummy } from "../../ether/dummy.ts";
import type { Ifnet } from "../../ifnet.ts";
import type { NetStack } from "../../netstack.ts";
import type { Attrs, Policy } from "../attributes.ts";
import type { Request } from "../request.ts";
import type { LinkWish } from "./linkset.ts";
import { vethKind } from "./vethkind.ts";

export interface LinkKind {
  /** Of IFLA_INFO_DATA. */
  readonly policy: Policy | null;
  /** The interface, without a name yet. */
  make(request: Request, stack: NetStack, wish: LinkWish, data: Attrs | null): Ifnet | Errno;
  /** Changes what its data says. */
  change?(request: Request, ifp: Ifnet, data: Attrs): number;
}

const dummyKind: LinkKind = {
  policy: null,
  make: (_request, stack) => new Dummy(stack),
};

/** What data says of a bridge (timers, spanning tree) is as it is. */
const bridgeKind: LinkKind = {
  policy: null,
  make: (_request, stack) => new Bridge(stack),
};

export const linkKinds: ReadonlyMap<string, LinkKind> = new Map([
  ["dummy", dummyKind],
  ["veth", vethKind],
  ["bridge", bridgeKind],
]);
