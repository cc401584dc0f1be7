/** /proc/net's texts of interfaces, routes and link sockets, of the network that the reader is in. */
import type { Thread } from "../../kern/thread.ts";
import type { NetText } from "../../vfs/domain.ts";
import type { NetStack } from "../netstack.ts";
import type { Network } from "../network.ts";
import { arp, dev, devMcast, ifInet6 } from "./dev.ts";
import { igmp, igmp6 } from "./igmp.ts";
import { fibTrie, ipv6Route, route } from "./route.ts";
import { netlink, packet, protocols, psched, ptype, softnetStat } from "./sockets.ts";

const TEXTS: ReadonlyMap<string, (stack: NetStack, td: Thread) => string> = new Map([
  ["arp", arp],
  ["dev", dev],
  ["dev_mcast", devMcast],
  ["fib_trie", fibTrie],
  ["if_inet6", ifInet6],
  ["igmp", igmp],
  ["igmp6", igmp6],
  ["ipv6_route", ipv6Route],
  ["netlink", netlink],
  ["packet", packet],
  ["protocols", protocols],
  ["psched", psched],
  ["ptype", ptype],
  ["route", route],
  ["softnet_stat", softnetStat],
]);

export function* linkTexts(network: Network): Generator<NetText> {
  for (const name of TEXTS.keys()) yield new StackText(network, name);
}

class StackText implements NetText {
  readonly name: string;
  readonly #network: Network;

  constructor(network: Network, name: string) {
    this.#network = network;
    this.name = name;
  }

  text(td: Thread): string {
    return TEXTS.get(this.name)!(this.#network.stackOf(td), td);
  }
}
