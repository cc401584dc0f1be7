/**
 * RTM_NEWLINK: an interface as netlink tells of it. See rtnetlink(7); Linux net/core/rtnetlink.c rtnl_fill_ifinfo.
 */
import { ARPHRD_LOOPBACK } from "../../../abi/netdevice.ts";
import * as rt from "../../../abi/rtnetlink.ts";
import { AF_INET, AF_INET6, AF_UNSPEC } from "../../../abi/socket.ts";
import type { IfCounters, Ifnet } from "../../ifnet.ts";
import type { NetlinkWriter } from "../writer.ts";

const GSO_MAX_SIZE = 65536;
const GSO_MAX_SEGS = 65535;
const TSO_MAX_SIZE = 524280;
const STATS_FIELDS = 24;
const STATS64_FIELDS = 25;
const MAP_BYTES = 32;
/** No link can carry more: Linux says 0 for such. */
const MTU_UNLIMITED = 65536;

/** IPV4_DEVCONF_*, those that are not 0: number and value. */
const INET_CONF_FIELDS = 33;
const INET_CONF: readonly (readonly [number, number])[] = [
  [4, 1],
  [5, 1],
  [6, 1],
  [7, 1],
  [9, 1],
  [27, 10000],
  [28, 1000],
  [33, 1],
];
/** Those of lo: no policy, no transformation. */
const INET_CONF_LO: readonly (readonly [number, number])[] = [
  [15, 1],
  [16, 1],
];
const IPV4_DEVCONF_FORWARDING = 1;

const INET6_CONF_FIELDS = 60;
/** IPV6_DEVCONF_*, those that are not 0, from number 0 on. */
const INET6_CONF: readonly (readonly [number, number])[] = [
  [3, 1],
  [4, 1],
  [5, 1],
  [6, 1],
  [7, -1],
  [8, 4000],
  [9, 1000],
  [11, 604800],
  [12, 86400],
  [13, 3],
  [14, 600],
  [15, 16],
  [17, 1],
  [18, 1],
  [19, 1],
  [20, 60000],
  [27, 1],
  [30, 10000],
  [31, 1000],
  [32, 1],
  [35, 1],
  [38, 1],
  [43, 3600000],
  [46, 1],
  [52, 1024],
  [54, 65535],
  [55, -1],
  [56, 1],
];
const DEVCONF_FORWARDING = 0;
const DEVCONF_HOPLIMIT = 1;
const DEVCONF_MTU6 = 2;
const DEVCONF_USE_TEMPADDR = 10;
const DEVCONF_DISABLE_IPV6 = 25;
const DEVCONF_ACCEPT_DAD = 27;
const IF_READY = 0x80000000;

export interface LinkAnswer {
  /** RTM_NEWLINK or RTM_DELLINK. */
  readonly type: number;
  readonly flags: number;
  readonly seq: number;
  readonly pid: number;
  /** IFF_* that changed; 0 in answers. */
  readonly change: number;
  /** RTEXT_FILTER_*. */
  readonly extMask: number;
}

/** Writes the message of `ifp`: what `NetlinkWriter.end` says. */
export function writeLink(w: NetlinkWriter, ifp: Ifnet, answer: LinkAnswer): boolean {
  w.begin(answer.type, answer.flags, answer.seq, answer.pid);
  const { view, at } = w.fixed(rt.IfInfoMsg.sizeof);
  rt.IfInfoMsg.ifi_family.set(view, at, AF_UNSPEC);
  rt.IfInfoMsg.ifi_type.set(view, at, ifp.type);
  rt.IfInfoMsg.ifi_index.set(view, at, ifp.index);
  rt.IfInfoMsg.ifi_flags.set(view, at, ifp.dynamicFlags);
  rt.IfInfoMsg.ifi_change.set(view, at, answer.change);
  w.string(rt.IFLA_IFNAME, ifp.name);
  w.u32(rt.IFLA_TXQLEN, ifp.txQueueLen);
  w.u8(rt.IFLA_OPERSTATE, operstateOf(ifp));
  w.u8(rt.IFLA_LINKMODE, 0);
  w.u32(rt.IFLA_MTU, ifp.mtu);
  w.u32(rt.IFLA_MIN_MTU, ifp.minMtu);
  w.u32(rt.IFLA_MAX_MTU, ifp.maxMtu > MTU_UNLIMITED ? 0 : ifp.maxMtu);
  w.u32(rt.IFLA_GROUP, ifp.group);
  w.u32(rt.IFLA_PROMISCUITY, ifp.promiscuity);
  w.u32(rt.IFLA_ALLMULTI, ifp.allmulti);
  w.u32(rt.IFLA_NUM_TX_QUEUES, 1);
  w.u32(rt.IFLA_GSO_MAX_SEGS, GSO_MAX_SEGS);
  w.u32(rt.IFLA_GSO_MAX_SIZE, GSO_MAX_SIZE);
  w.u32(rt.IFLA_GRO_MAX_SIZE, GSO_MAX_SIZE);
  w.u32(rt.IFLA_TSO_MAX_SIZE, TSO_MAX_SIZE);
  w.u32(rt.IFLA_TSO_MAX_SEGS, GSO_MAX_SEGS);
  w.u32(rt.IFLA_NUM_RX_QUEUES, 1);
  const { link, linkStack, master } = ifp;
  if (link !== 0) w.u32(rt.IFLA_LINK, link);
  if (master) w.u32(rt.IFLA_MASTER, master.index);
  w.u8(rt.IFLA_CARRIER, ifp.hasCarrier ? 1 : 0);
  w.string(rt.IFLA_QDISC, ifp.wasUp ? "noqueue" : "noop");
  if (ifp.alias !== "") w.string(rt.IFLA_IFALIAS, ifp.alias);
  w.u32(rt.IFLA_CARRIER_CHANGES, ifp.carrierUps + ifp.carrierDowns);
  w.u32(rt.IFLA_CARRIER_UP_COUNT, ifp.carrierUps);
  w.u32(rt.IFLA_CARRIER_DOWN_COUNT, ifp.carrierDowns);
  w.u8(rt.IFLA_PROTO_DOWN, 0);
  w.attr(rt.IFLA_MAP, new Uint8Array(MAP_BYTES));
  if (ifp.hwaddr.length > 0) {
    w.attr(rt.IFLA_ADDRESS, ifp.hwaddr);
    w.attr(rt.IFLA_BROADCAST, ifp.hwbroadcast);
  }
  if ((answer.extMask & rt.RTEXT_FILTER_SKIP_STATS) === 0) {
    writeStats64(w, rt.IFLA_STATS64, ifp.counters);
    writeStats(w, ifp.counters);
  }
  if ((answer.extMask & rt.RTEXT_FILTER_VF) !== 0) w.u32(rt.IFLA_NUM_VF, 0);
  const xdp = w.plainNest(rt.IFLA_XDP);
  w.u8(rt.IFLA_XDP_ATTACHED, 0);
  w.endNest(xdp);
  writeLinkInfo(w, ifp);
  if (linkStack && linkStack !== ifp.stack) {
    w.u32(rt.IFLA_LINK_NETNSID, ifp.stack.idOf(linkStack));
  }
  writeAfSpec(w, ifp);
  return w.end();
}

/** As RFC 2863 says it; an interface that is down is down, whatever it was. */
export function operstateOf(ifp: Ifnet): number {
  if (!ifp.isUp) return rt.IF_OPER_DOWN;
  switch (ifp.operstate) {
    case "up":
      return rt.IF_OPER_UP;
    case "down":
      return rt.IF_OPER_DOWN;
    case "lowerlayerdown":
      return rt.IF_OPER_LOWERLAYERDOWN;
    case "dormant":
      return rt.IF_OPER_DORMANT;
    default:
      return rt.IF_OPER_UNKNOWN;
  }
}

function writeLinkInfo(w: NetlinkWriter, ifp: Ifnet): void {
  const { kind, master } = ifp;
  if (kind === "" && !master) return;
  const info = w.plainNest(rt.IFLA_LINKINFO);
  if (kind !== "") {
    w.chars(rt.IFLA_INFO_KIND, kind);
    if (ifp.infoData) {
      const data = w.plainNest(rt.IFLA_INFO_DATA);
      ifp.infoData(w);
      w.endNest(data);
    }
  }
  if (master) {
    w.chars(rt.IFLA_INFO_SLAVE_KIND, master.kind);
    if (master.slaveData) {
      const data = w.plainNest(rt.IFLA_INFO_SLAVE_DATA);
      master.slaveData(w, ifp);
      w.endNest(data);
    }
  }
  w.endNest(info);
}

/** struct rtnl_link_stats64, in order. */
function statsOf(c: IfCounters): readonly number[] {
  const first = [c.rxPackets, c.txPackets, c.rxBytes, c.txBytes, c.rxErrors, c.txErrors];
  const rest = [c.rxDropped, c.txDropped, c.multicast, c.collisions];
  const none = new Array<number>(STATS64_FIELDS - first.length - rest.length - 2).fill(0);
  // The rest are kinds of errors that virtual links do not have, then what no protocol wanted.
  return [...first, ...rest, ...none, c.rxNohandler, 0];
}

export function writeStats64(w: NetlinkWriter, type: number, c: IfCounters): void {
  const bytes = new Uint8Array(STATS64_FIELDS * 8);
  const view = new DataView(bytes.buffer);
  for (const [i, n] of statsOf(c).entries()) {
    view.setUint32(i * 8, n % 2 ** 32, true);
    view.setUint32(i * 8 + 4, Math.floor(n / 2 ** 32), true);
  }
  w.attr(type, bytes);
}

function writeStats(w: NetlinkWriter, c: IfCounters): void {
  const bytes = new Uint8Array(STATS_FIELDS * 4);
  const view = new DataView(bytes.buffer);
  const fields = statsOf(c).slice(0, STATS_FIELDS);
  for (const [i, n] of fields.entries()) view.setUint32(i * 4, n % 2 ** 32, true);
  w.attr(rt.IFLA_STATS, bytes);
}

/** What the address families have to say about it. */
function writeAfSpec(w: NetlinkWriter, ifp: Ifnet): void {
  const spec = w.plainNest(rt.IFLA_AF_SPEC);
  const inet = w.plainNest(AF_INET);
  w.attr(rt.IFLA_INET_CONF, inetConf(ifp));
  w.endNest(inet);
  const inet6 = w.plainNest(AF_INET6);
  writeInet6(w, ifp);
  w.endNest(inet6);
  w.endNest(spec);
}

function inetConf(ifp: Ifnet): Uint8Array {
  const out = new Uint8Array(INET_CONF_FIELDS * 4);
  const view = new DataView(out.buffer);
  const set = (field: number, value: number): void => view.setInt32((field - 1) * 4, value, true);
  for (const [field, value] of INET_CONF) set(field, value);
  if (ifp.type === ARPHRD_LOOPBACK) for (const [field, value] of INET_CONF_LO) set(field, value);
  set(IPV4_DEVCONF_FORWARDING, ifp.stack.ip4.ipForward.get());
  return out;
}

/** IFLA_INET6_*: also what RTM_GETLINK of AF_INET6 tells in IFLA_PROTINFO. */
export function writeInet6(w: NetlinkWriter, ifp: Ifnet): void {
  const { ip6 } = ifp.stack;
  w.u32(rt.IFLA_INET6_FLAGS, ifp.isUp ? IF_READY : 0);
  const cache = new Uint8Array(16);
  const cacheView = new DataView(cache.buffer);
  // Longest reassembly, time of the last change, reachable time, retransmission time.
  for (const [i, n] of [65535, 0, 30000, 1000].entries()) cacheView.setUint32(i * 4, n, true);
  w.attr(rt.IFLA_INET6_CACHEINFO, cache);
  const conf = new Uint8Array(INET6_CONF_FIELDS * 4);
  const view = new DataView(conf.buffer);
  const set = (field: number, value: number): void => view.setInt32(field * 4, value, true);
  for (const [field, value] of INET6_CONF) set(field, value);
  set(DEVCONF_FORWARDING, ip6.forwarding.get());
  set(DEVCONF_HOPLIMIT, ip6.hopLimit.get());
  set(DEVCONF_MTU6, ifp.mtu);
  set(DEVCONF_DISABLE_IPV6, ip6.isDisabled(ifp) ? 1 : 0);
  if (ifp.type === ARPHRD_LOOPBACK) {
    set(DEVCONF_USE_TEMPADDR, -1);
    set(DEVCONF_ACCEPT_DAD, -1);
  }
  w.attr(rt.IFLA_INET6_CONF, conf);
  w.attr(rt.IFLA_INET6_TOKEN, new Uint8Array(16));
  w.u8(rt.IFLA_INET6_ADDR_GEN_MODE, 0);
}
