/** What a transport over IP is to the stack: TCP, UDP, ICMP. See protosw(9). */
import type { Errno } from "../abi/errno.ts";
import type { SysctlDir } from "../kern/sysctl.ts";
import type { Thread } from "../kern/thread.ts";
import type { InetAddr } from "./address.ts";
import type { InetSocket } from "./inet/inetsocket.ts";
import type { Mbuf } from "./mbuf.ts";
import type { NetStack } from "./netstack.ts";

/** An ICMP error about something that this host sent, or its like from inside (EMSGSIZE). */
export interface IpNotice {
  /** Length tells the family: 4 or 16. Ends of the packet that caused it: ours, and where it was to go. */
  readonly src: InetAddr;
  readonly dst: InetAddr;
  /** Of the ICMP message, and what it says (MTU, pointer). */
  readonly type: number;
  readonly code: number;
  readonly info: number;
  /** What it means to a program. */
  readonly errno: Errno;
  /** True: the peer cannot be spoken to; false: perhaps for now. */
  readonly isHard: boolean;
  /** Who sent the message. */
  readonly offender: InetAddr;
  /** The packet, as much as was quoted, with `off` at its transport header. */
  readonly quoted: Mbuf;
}

/** A protocol in one NetStack: owns its tables. */
export interface InetProtocol {
  /** IPPROTO_*. */
  readonly protocol: number;
  /**
   * A packet for this host, of either family: `m.off` is at the transport header; m.src, m.dst, m.ttl, m.tos
   * are set, `m.networkBytes` from `m.network` on is the IP header. It is the protocol's own from now on.
   */
  input(m: Mbuf): void;
  notice(notice: IpNotice): void;
  /** Its tunables, "net.ipv4.tcp_…". */
  addSysctls?(tree: SysctlDir): void;
  /** Brings the counters of `stack.mib` up to date, for who shows them. */
  settleCounters?(): void;
  /** The stack ends: timers, tables and what they hold. */
  end?(): void;
  /** An interface went down or an address went away. */
  routesChanged?(): void;
}

/** Makes a protocol's part of a new NetStack, and its sockets. */
export interface ProtocolMaker {
  /** The protocol's part of a new NetStack. Null: the maker only makes sockets. */
  attach(stack: NetStack): InetProtocol | null;
  /** SOCK_* that it makes sockets of. */
  readonly types: readonly number[];
  /** Whether socket(family, type, protocol) is its; protocol 0 is "the usual one". */
  takes(family: number, type: number, protocol: number): boolean;
  /** ENOMEM, EPERM, … */
  socket(
    td: Thread,
    stack: NetStack,
    family: number,
    type: number,
    protocol: number,
  ): InetSocket | Errno;
}
