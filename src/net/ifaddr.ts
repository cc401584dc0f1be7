/** An address of an interface. See getifaddrs(3), rtnetlink(7). */
import { IFA_F_PERMANENT } from "../abi/route.ts";
import { ANY, type InetAddr } from "./address.ts";

export const LIFETIME_FOREVER = 0xffffffff;

export class IfAddr {
  readonly addr: InetAddr;
  /** Bits of the prefix that it shares with its link. */
  readonly bits: number;
  /** The other end of a point-to-point link; else the address itself. */
  readonly peer: InetAddr;
  /** ANY: none. */
  readonly broadcast: InetAddr;
  /** RT_SCOPE_*. */
  readonly scope: number;
  /** IFA_F_*. */
  flags: number;
  /** IFA_LABEL: "lo", "eth0:1". */
  label: string;
  /** IFA_RT_PRIORITY: metric of the route to its prefix; 0: as usual. */
  metric = 0;
  /** IFA_PROTO: who made it (IFAPROT_*); 0: nobody has said. */
  proto: number;
  preferredSec = LIFETIME_FOREVER;
  validSec = LIFETIME_FOREVER;
  /** Monotonic times at which it was made and changed. */
  createdNs = 0;
  updatedNs = 0;

  constructor(from: {
    readonly addr: InetAddr;
    readonly bits: number;
    readonly peer?: InetAddr;
    readonly broadcast?: InetAddr;
    readonly scope: number;
    readonly flags?: number;
    readonly label?: string;
    readonly proto?: number;
  }) {
    this.addr = from.addr;
    this.bits = from.bits;
    this.peer = from.peer ?? from.addr;
    this.broadcast = from.broadcast ?? ANY;
    this.scope = from.scope;
    this.flags = from.flags ?? IFA_F_PERMANENT;
    this.label = from.label ?? "";
    this.proto = from.proto ?? 0;
  }
}
