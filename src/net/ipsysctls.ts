/** Tunables of a NetStack: net.ipv4.*, net.ipv6.*, net.core.* beside those of all sockets. See ip-sysctl in Linux. */
import { EINVAL } from "../abi/errno.ts";
import type { Cred } from "../kern/cred.ts";
import { type SysctlDir, SysctlLeaf, SysctlVar } from "../kern/sysctl.ts";
import type { Ifnet } from "./ifnet.ts";

const INT_MAX = 0x7fffffff;

/** Two whole numbers, low and high, of one line. */
export class SysctlRange extends SysctlLeaf {
  low: number;
  high: number;
  readonly #min: number;
  readonly #max: number;

  constructor(low: number, high: number, min: number, max: number) {
    super(0o644);
    this.low = low;
    this.high = high;
    this.#min = min;
    this.#max = max;
  }

  read(): string {
    return `${this.low}\t${this.high}`;
  }

  override write(text: string, _cred: Cred): number {
    const m = /^(\d{1,10})\s+(\d{1,10})$/.exec(text);
    if (!m) return EINVAL;
    const low = Number(m[1]);
    const high = Number(m[2]);
    if (low < this.#min || high > this.#max) return EINVAL;
    return this.accept(low, high);
  }

  protected accept(low: number, high: number): number {
    if (high < low) return EINVAL;
    this.low = low;
    this.high = high;
    return 0;
  }
}

/** net.ipv4.ping_group_range: "1 0" is nobody. */
class PingGroups extends SysctlRange {
  protected override accept(low: number, high: number): number {
    this.low = high < low ? 1 : low;
    this.high = high < low ? 0 : high;
    return 0;
  }
}

export class CoreSysctls {
  readonly netdevMaxBacklog = new SysctlVar(1000, 0, 65536);
}

export class Ip4Sysctls {
  readonly ipForward = new SysctlVar(0, 0, 1);
  readonly defaultTtl = new SysctlVar(64, 1, 255);
  readonly noPmtuDisc = new SysctlVar(0, 0, 3);
  readonly localPortRange = new SysctlRange(32768, 60999, 1, 65535);
  readonly unprivilegedPortStart = new SysctlVar(1024, 0, 65536);
  readonly nonlocalBind = new SysctlVar(0, 0, 1);
  readonly pingGroupRange: SysctlRange = new PingGroups(1, 0, 0, 0xfffffffe);
  readonly icmpEchoIgnoreAll = new SysctlVar(0, 0, 1);
  readonly icmpEchoIgnoreBroadcasts = new SysctlVar(1, 0, 1);
  readonly icmpRatelimit = new SysctlVar(1000, 0, INT_MAX);
  readonly icmpRatemask = new SysctlVar(6168, 0, INT_MAX);
  readonly icmpMsgsPerSec = new SysctlVar(1000, 0, INT_MAX);
  readonly icmpMsgsBurst = new SysctlVar(50, 0, INT_MAX);
  readonly ipfragHighThresh = new SysctlVar(4194304, 0, INT_MAX);
  readonly ipfragTimeSec = new SysctlVar(30, 1, 3600);
  readonly igmpMaxMemberships = new SysctlVar(20, 0, INT_MAX);
  readonly igmpMaxMsf = new SysctlVar(10, 0, INT_MAX);

  addTo(tree: SysctlDir): void {
    tree.add("net.ipv4.ip_forward", this.ipForward);
    tree.add("net.ipv4.conf.all.forwarding", this.ipForward);
    tree.add("net.ipv4.ip_default_ttl", this.defaultTtl);
    tree.add("net.ipv4.ip_no_pmtu_disc", this.noPmtuDisc);
    tree.add("net.ipv4.ip_local_port_range", this.localPortRange);
    tree.add("net.ipv4.ip_unprivileged_port_start", this.unprivilegedPortStart);
    tree.add("net.ipv4.ip_nonlocal_bind", this.nonlocalBind);
    tree.add("net.ipv4.ping_group_range", this.pingGroupRange);
    tree.add("net.ipv4.icmp_echo_ignore_all", this.icmpEchoIgnoreAll);
    tree.add("net.ipv4.icmp_echo_ignore_broadcasts", this.icmpEchoIgnoreBroadcasts);
    tree.add("net.ipv4.icmp_ratelimit", this.icmpRatelimit);
    tree.add("net.ipv4.icmp_ratemask", this.icmpRatemask);
    tree.add("net.ipv4.icmp_msgs_per_sec", this.icmpMsgsPerSec);
    tree.add("net.ipv4.icmp_msgs_burst", this.icmpMsgsBurst);
    tree.add("net.ipv4.ipfrag_high_thresh", this.ipfragHighThresh);
    tree.add("net.ipv4.ipfrag_time", this.ipfragTimeSec);
    tree.add("net.ipv4.igmp_max_memberships", this.igmpMaxMemberships);
    tree.add("net.ipv4.igmp_max_msf", this.igmpMaxMsf);
  }
}

export class Ip6Sysctls {
  readonly bindv6only = new SysctlVar(0, 0, 1);
  readonly forwarding = new SysctlVar(0, 0, 1);
  readonly hopLimit = new SysctlVar(64, 1, 255);
  /** See disableipv6.ts. */
  isDisabledForAll = false;
  isDisabledByDefault = false;
  readonly nonlocalBind = new SysctlVar(0, 0, 1);
  readonly ip6fragHighThresh = new SysctlVar(4194304, 0, INT_MAX);
  readonly ip6fragTimeSec = new SysctlVar(60, 1, 3600);
  readonly icmpRatelimit = new SysctlVar(1000, 0, INT_MAX);
  readonly icmpEchoIgnoreAll = new SysctlVar(0, 0, 1);
  readonly mldMaxMsf = new SysctlVar(64, 0, INT_MAX);

  isDisabled(ifp: Ifnet): boolean {
    return ifp.isIp6Disabled;
  }

  addTo(tree: SysctlDir): void {
    tree.add("net.ipv6.bindv6only", this.bindv6only);
    tree.add("net.ipv6.conf.all.forwarding", this.forwarding);
    tree.add("net.ipv6.conf.all.hop_limit", this.hopLimit);
    tree.add("net.ipv6.ip_nonlocal_bind", this.nonlocalBind);
    tree.add("net.ipv6.ip6frag_high_thresh", this.ip6fragHighThresh);
    tree.add("net.ipv6.ip6frag_time", this.ip6fragTimeSec);
    tree.add("net.ipv6.icmp.ratelimit", this.icmpRatelimit);
    tree.add("net.ipv6.icmp.echo_ignore_all", this.icmpEchoIgnoreAll);
    tree.add("net.ipv6.mld_max_msf", this.mldMaxMsf);
  }
}
