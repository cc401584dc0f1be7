/**
 * A protocol of netlink (NETLINK_ROUTE and its like): what the kernel's end of
 * it does. See netlink(7), "Protocol families".
 */
import type { NetStack } from "../netstack.ts";
import type { NetlinkPorts } from "./ports.ts";
import type { Request } from "./request.ts";

/** What `serve` returns when the answer is a dump that began: no acknowledgement follows. */
export const DUMP_STARTED = 1;

export interface NetlinkProtocol {
  /** NETLINK_*. */
  readonly protocol: number;
  /** How many multicast groups there are; 32 at least. */
  readonly groups: number;
  /** Whether programs without CAP_NET_ADMIN may listen to groups, or send to others than the kernel. */
  readonly mayAnyoneListen: boolean;
  readonly mayAnyoneSend: boolean;
  /** False if nobody listens in the kernel: messages to it find nobody. */
  readonly hasKernelEnd: boolean;
  /** Its first socket in a network is made. */
  attached?(stack: NetStack, ports: NetlinkPorts): void;
  /** Serves a request: 0, an errno, or DUMP_STARTED. */
  serve(request: Request): number;
}
