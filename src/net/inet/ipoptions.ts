/** The options of IP of one socket: SOL_IP and SOL_IPV6, as data. How they are set and told: ip4opts.ts, ip6opts.ts. */
import type { Errno } from "../../abi/errno.ts";
import { RTN_MULTICAST } from "../../abi/route.ts";
import type { Thread } from "../../kern/thread.ts";
import { ANY, type InetAddr } from "../address.ts";
import type { IpPath } from "../ip/path.ts";
import type { NetStack } from "../netstack.ts";
import type { InetSocket } from "./inetsocket.ts";
import { getIpOption, setIpOption } from "./ip4opts.ts";
import { getIp6Option, setIp6Option } from "./ip6opts.ts";

/** IP_MTU_DISCOVER, IPV6_MTU_DISCOVER. */
export const PMTUDISC_DONT = 0;
export const PMTUDISC_WANT = 1;
export const PMTUDISC_DO = 2;
export const PMTUDISC_PROBE = 3;
export const PMTUDISC_INTERFACE = 4;
export const PMTUDISC_OMIT = 5;

export class IpOptions {
  readonly stack: NetStack;
  readonly family: number;
  /** -1: the stack's default. */
  ttl = -1;
  tos = 0;
  multicastTtl4 = 1;
  multicastLoop4 = true;
  multicastAll4 = true;
  /** Interface indexes; 0: as routed. */
  multicastIf4 = 0;
  multicastAddr4: InetAddr = ANY;
  unicastIf4 = 0;
  mtuDiscover4 = PMTUDISC_WANT;
  options4: Uint8Array | null = null;
  isHeaderIncluded = false;
  isTransparent = false;
  isFreebind = false;
  bindAddressNoPort = false;
  minTtl = 0;
  /** IP_LOCAL_PORT_RANGE: low in the lower half, high in the upper. */
  localPortRange = 0;
  recverr4 = false;
  recverrRfc4884 = false;
  /** What goes with a message of IPv4, and of IPv6: bits RECV_*. */
  recv4 = 0;
  recv6 = 0;
  /** -1: the stack's default. */
  hopLimit = -1;
  tclass = -1;
  multicastHops6 = -1;
  multicastLoop6 = true;
  multicastAll6 = true;
  multicastIf6 = 0;
  unicastIf6 = 0;
  mtuDiscover6 = PMTUDISC_WANT;
  mtu6 = 0;
  dontFrag6 = false;
  recverr6 = false;
  recverrRfc4884v6 = false;
  flowlabel = 0;
  sendsFlowinfo = false;
  autoFlowlabel = true;
  addrPreferences = 0;
  minHopCount = 0;
  /** Sticky extension headers, as on the wire, and the type of the first. */
  options6: Uint8Array | null = null;
  firstHeader6 = 0;
  /** IPV6_PKTINFO that was set for all. */
  stickySource6: InetAddr = ANY;
  stickyIf6 = 0;

  constructor(stack: NetStack, family: number) {
    this.stack = stack;
    this.family = family;
    if (stack.ip4.noPmtuDisc.get() !== 0) this.mtuDiscover4 = PMTUDISC_DONT;
  }

  ttlFor(path: IpPath, is4: boolean): number {
    const isGroup = path.type === RTN_MULTICAST;
    if (is4) {
      if (isGroup) return this.multicastTtl4;
      return this.ttl >= 0 ? this.ttl : this.stack.ip4.defaultTtl.get();
    }
    if (isGroup) return this.multicastHops6 >= 0 ? this.multicastHops6 : 1;
    return this.hopLimit >= 0 ? this.hopLimit : this.stack.ip6.hopLimit.get();
  }

  /** Packets that are too long are refused: IP_PMTUDISC_DO and PROBE. */
  isUncut(is4: boolean): boolean {
    const how = is4 ? this.mtuDiscover4 : this.mtuDiscover6;
    return how === PMTUDISC_DO || how === PMTUDISC_PROBE || (!is4 && this.dontFrag6);
  }

  setIp(td: Thread, s: InetSocket, name: number, value: Uint8Array): number {
    return setIpOption(td, s, name, value);
  }

  getIp(s: InetSocket, name: number, room: number): Uint8Array | Errno {
    return getIpOption(s, name, room);
  }

  setIp6(td: Thread, s: InetSocket, name: number, value: Uint8Array): number {
    return setIp6Option(td, s, name, value);
  }

  getIp6(s: InetSocket, name: number, room: number): Uint8Array | Errno {
    return getIp6Option(s, name, room);
  }
}
