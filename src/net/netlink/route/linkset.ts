/** RTM_NEWLINK, RTM_SETLINK, RTM_DELLINK: interfaces made, changed and removed. See rtnetlink(7), ip-link(8). */
import {
  EEXIST,
  EINVAL,
  ENODEV,
  ENOMEM,
  EOPNOTSUPP,
  type Errno,
  failed,
} from "../../../abi/errno.ts";
import * as nl from "../../../abi/netlink.ts";
import * as rt from "../../../abi/rtnetlink.ts";
import type { Lwp } from "../../../proc/lwp.ts";
import { changeFlags, LINK_BYTES } from "../../ifchange.ts";
import type { Ifnet } from "../../ifnet.ts";
import { isInterfaceName, type NetStack } from "../../netstack.ts";
import type { Attrs, Policy } from "../attributes.ts";
import type { Request } from "../request.ts";
import { linkOf } from "./linkget.ts";
import { type LinkKind, linkKinds } from "./linkkinds.ts";
import { targetNetwork } from "./nsid.ts";

const IFNAMSIZ = 16;
const IFALIASZ = 256;
const MAX_ADDR_LEN = 32;

export const LINK_POLICY: Policy = {
  [rt.IFLA_IFNAME]: { string: IFNAMSIZ - 1 },
  [rt.IFLA_ADDRESS]: { bytes: 0 },
  [rt.IFLA_BROADCAST]: { bytes: 0 },
  [rt.IFLA_MTU]: "u32",
  [rt.IFLA_LINK]: "u32",
  [rt.IFLA_MASTER]: "u32",
  [rt.IFLA_CARRIER]: "u8",
  [rt.IFLA_TXQLEN]: "u32",
  [rt.IFLA_OPERSTATE]: "u8",
  [rt.IFLA_LINKMODE]: "u8",
  [rt.IFLA_LINKINFO]: "nested",
  [rt.IFLA_NET_NS_PID]: "u32",
  [rt.IFLA_NET_NS_FD]: "u32",
  [rt.IFLA_IFALIAS]: { string: IFALIASZ - 1 },
  [rt.IFLA_AF_SPEC]: "nested",
  [rt.IFLA_EXT_MASK]: "u32",
  [rt.IFLA_GROUP]: "u32",
  [rt.IFLA_NUM_TX_QUEUES]: "u32",
  [rt.IFLA_NUM_RX_QUEUES]: "u32",
  [rt.IFLA_TARGET_NETNSID]: "u32",
  [rt.IFLA_LINK_NETNSID]: "u32",
  [rt.IFLA_PROTO_DOWN]: "u8",
  [rt.IFLA_NEW_IFINDEX]: "u32",
  [rt.IFLA_ALT_IFNAME]: { string: 127 },
};
const INFO_POLICY: Policy = {
  [rt.IFLA_INFO_KIND]: { string: 63 },
  [rt.IFLA_INFO_DATA]: "nested",
  [rt.IFLA_INFO_SLAVE_KIND]: { string: 63 },
  [rt.IFLA_INFO_SLAVE_DATA]: "nested",
};

/** What a request wants of an interface: its header and attributes. */
export interface LinkWish {
  readonly index: number;
  readonly flags: number;
  readonly change: number;
  readonly attrs: Attrs;
}

function parse(request: Request): LinkWish | number {
  const at = request.fixed(rt.IfInfoMsg.sizeof);
  if (at < 0) return EINVAL;
  const attrs = request.attrs(rt.IfInfoMsg.sizeof, LINK_POLICY);
  if (typeof attrs === "number") return attrs;
  const { view } = request;
  return {
    index: rt.IfInfoMsg.ifi_index.get(view, at),
    flags: rt.IfInfoMsg.ifi_flags.get(view, at),
    change: rt.IfInfoMsg.ifi_change.get(view, at),
    attrs,
  };
}

export function setLink(request: Request): number {
  const wish = parse(request);
  if (typeof wish === "number") return wish;
  const { stack } = request.socket;
  if (wish.index <= 0 && !hasName(wish.attrs)) return EINVAL;
  const ifp = linkOf(request, stack, wish.index, wish.attrs);
  return failed(ifp) ? ifp : change(request, ifp, wish);
}

function hasName(attrs: Attrs): boolean {
  return attrs.has(rt.IFLA_IFNAME) || attrs.has(rt.IFLA_ALT_IFNAME);
}

export function delLink(request: Request): number {
  const wish = parse(request);
  if (typeof wish === "number") return wish;
  const { stack } = request.socket;
  if (wish.index <= 0 && !hasName(wish.attrs)) return EINVAL;
  const ifp = linkOf(request, stack, wish.index, wish.attrs);
  if (failed(ifp)) return ifp;
  if (!linkKinds.has(ifp.kind)) return EOPNOTSUPP;
  destroyLink(ifp);
  return 0;
}

/** A virtual interface ends, and what was made together with it. */
export function destroyLink(ifp: Ifnet): void {
  ifp.stack.detach(ifp);
  ifp.detached();
}

export function newLink(request: Request): number {
  const wish = parse(request);
  if (typeof wish === "number") return wish;
  const { attrs } = wish;
  const { stack } = request.socket;
  const info = attrs.nested(rt.IFLA_LINKINFO, INFO_POLICY, request.ack);
  if (typeof info === "number") return info;
  const kindName = info.string(rt.IFLA_INFO_KIND) ?? "";
  let ifp: Ifnet | null = null;
  if (wish.index > 0) ifp = stack.byIndex(wish.index);
  else if (hasName(attrs)) {
    const found = linkOf(request, stack, 0, attrs);
    ifp = failed(found) ? null : found;
  } else if (wish.index < 0) return request.fail(EINVAL, "ifindex can't be negative");
  if (ifp) {
    if ((request.flags & nl.NLM_F_EXCL) !== 0) return EEXIST;
    if ((request.flags & nl.NLM_F_REPLACE) !== 0) return EOPNOTSUPP;
    if (kindName !== "" && kindName !== ifp.kind) return EOPNOTSUPP;
    const data = dataOf(request, info, ifp.kind);
    if (typeof data === "number") return data;
    if (data && info.has(rt.IFLA_INFO_DATA)) {
      const r = linkKinds.get(ifp.kind)?.change?.(request, ifp, data) ?? EOPNOTSUPP;
      if (r < 0) return r;
    }
    return change(request, ifp, wish);
  }
  if ((request.flags & nl.NLM_F_CREATE) === 0) return changeGroup(request, wish);
  const kind = linkKinds.get(kindName);
  if (!kind) return request.fail(EOPNOTSUPP, "Unknown device type");
  if (wish.index < 0) return EINVAL;
  const data = dataOf(request, info, kindName);
  if (typeof data === "number") return data;
  return create(request, kind, wish, data);
}

function dataOf(request: Request, info: Attrs, kind: string): Attrs | null | number {
  const policy = linkKinds.get(kind)?.policy;
  return policy ? info.nested(rt.IFLA_INFO_DATA, policy, request.ack) : null;
}

/** Without a name a change is for all of a group. */
function changeGroup(request: Request, wish: LinkWish): number {
  const group = wish.attrs.u32(rt.IFLA_GROUP);
  if (wish.index !== 0 || group === null || hasName(wish.attrs)) return ENODEV;
  for (const ifp of [...request.socket.stack.inOrder()]) {
    if (ifp.group !== group) continue;
    const r = change(request, ifp, wish);
    if (r < 0) return r;
  }
  return 0;
}

function create(request: Request, kind: LinkKind, wish: LinkWish, data: Attrs | null): number {
  const { stack } = request.socket;
  const target = targetNetwork(request.td as Lwp, wish.attrs, stack);
  if (failed(target)) return target;
  const made = kind.make(request, target, wish, data);
  if (failed(made)) return made;
  const r = settle(request, made, target, wish);
  if (r < 0 && made.index !== 0) destroyLink(made);
  return r;
}

/** Gives a new interface its name and index, and what else was asked for. */
export function settle(
  request: Request,
  ifp: Ifnet,
  stack: NetStack,
  { index, flags, change: mask, attrs }: LinkWish,
): number {
  const r = attachLink(stack, ifp, attrs.string(rt.IFLA_IFNAME) ?? `${ifp.kind}%d`, index);
  if (r < 0) return r;
  const own = attributes(request, ifp, attrs, true);
  if (own < 0) return own;
  if ((flags | mask) !== 0) changeFlags(ifp, flags, mask === 0 ? 0xffffffff : mask);
  return 0;
}

/** An interface joins a network, paid for; "%d" in the name is the first number that is free. EEXIST, EINVAL, ENOMEM. */
export function attachLink(stack: NetStack, ifp: Ifnet, name: string, index: number): number {
  const found = freeName(stack, name);
  if (failed(found)) return found;
  if (!stack.kmem.take(LINK_BYTES)) return ENOMEM;
  ifp.name = found;
  const r = stack.attach(ifp, index);
  if (r < 0) stack.kmem.give(LINK_BYTES);
  return r;
}

function freeName(stack: NetStack, pattern: string): string | Errno {
  if (!isInterfaceName(pattern)) return EINVAL;
  if (!pattern.includes("%")) return stack.byName(pattern) ? EEXIST : pattern;
  const parts = pattern.split("%d");
  if (parts.length !== 2 || parts.some((p) => p.includes("%"))) return EINVAL;
  const taken = new Set<string>();
  for (const ifp of stack.interfaces.values()) taken.add(ifp.name);
  for (let n = 0; n < 32768; n++) {
    const name = parts.join(String(n));
    if (!isInterfaceName(name)) return EINVAL;
    if (!taken.has(name)) return name;
  }
  return EINVAL;
}

function change(request: Request, ifp: Ifnet, wish: LinkWish): number {
  const { attrs } = wish;
  if (attrs.has(rt.IFLA_NET_NS_FD) || attrs.has(rt.IFLA_NET_NS_PID)) {
    const target = targetNetwork(request.td as Lwp, attrs, ifp.stack);
    if (failed(target)) return target;
    const index = attrs.u32(rt.IFLA_NEW_IFINDEX) ?? 0;
    const r = moveLink(request, ifp, target, attrs.string(rt.IFLA_IFNAME), index);
    if (r < 0) return r;
  }
  const r = attributes(request, ifp, attrs, false);
  if (r < 0) return r;
  if ((wish.flags | wish.change) !== 0) {
    changeFlags(ifp, wish.flags, wish.change === 0 ? 0xffffffff : wish.change);
  }
  return 0;
}

/** Takes an interface to another network: it goes down and loses its addresses. EINVAL for lo; EEXIST. */
function moveLink(
  request: Request,
  ifp: Ifnet,
  target: NetStack,
  name: string | null,
  wished: number,
): number {
  if (target === ifp.stack) return 0;
  if (ifp.isLoopback || !linkKinds.has(ifp.kind) || ifp.kind === "bridge") {
    return request.fail(EINVAL, "The interface netns is immutable");
  }
  const wanted = name ?? ifp.name;
  if (target.byName(wanted)) {
    return request.fail(EEXIST, "An interface with the same name exists in the target netns");
  }
  // Once it left there is no way back.
  const r = target.mayAttach(wanted, wished);
  if (r < 0) return r;
  const old = ifp.stack;
  const { index } = ifp;
  ifp.master?.release?.(ifp);
  old.detach(ifp);
  ifp.name = wanted;
  const isFree = wished !== 0 || !target.byIndex(index);
  return target.attach(ifp, wished !== 0 ? wished : isFree ? index : 0);
}

/** What attributes say, in Linux's order. */
function attributes(request: Request, ifp: Ifnet, attrs: Attrs, isNew: boolean): number {
  const { stack } = ifp;
  const address = attrs.bytes(rt.IFLA_ADDRESS);
  if (address) {
    const r = setAddress(ifp, address);
    if (r < 0) return r;
  }
  const mtu = attrs.u32(rt.IFLA_MTU);
  if (mtu !== null && mtu !== ifp.mtu) {
    const tooSmall = mtu < ifp.minMtu;
    const r = stack.setMtu(ifp, mtu);
    if (r < 0) {
      return request.fail(
        EINVAL,
        `mtu ${tooSmall ? "less" : "greater"} than device ${tooSmall ? "minimum" : "maximum"}`,
      );
    }
  }
  const group = attrs.u32(rt.IFLA_GROUP);
  if (group !== null) ifp.group = group;
  const name = attrs.string(rt.IFLA_IFNAME);
  if (!isNew && name !== null && name !== "" && name !== ifp.name) {
    const wanted = freeName(stack, name);
    const r = failed(wanted) ? wanted : stack.rename(ifp, wanted);
    if (r < 0) return r;
  }
  const alias = attrs.string(rt.IFLA_IFALIAS);
  if (alias !== null) ifp.alias = alias;
  const broadcast = attrs.bytes(rt.IFLA_BROADCAST);
  if (broadcast && broadcast.length === ifp.hwbroadcast.length) ifp.hwbroadcast = broadcast.slice();
  const queue = attrs.u32(rt.IFLA_TXQLEN);
  if (queue !== null) ifp.txQueueLen = queue;
  const master = attrs.u32(rt.IFLA_MASTER);
  if (master !== null) {
    const r = setMaster(request, ifp, master);
    if (r < 0) return r;
  }
  if (attrs.has(rt.IFLA_CARRIER)) {
    const r = ifp.setCarrier?.(attrs.u8(rt.IFLA_CARRIER) !== 0) ?? EOPNOTSUPP;
    if (r < 0) return r;
  }
  if (!isNew) stack.linkTouched(ifp);
  return 0;
}

export function setAddress(ifp: Ifnet, address: Uint8Array): number {
  const { length } = ifp.hwaddr;
  if (ifp.isLoopback || !linkKinds.has(ifp.kind)) return EOPNOTSUPP;
  if (address.length < length || length > MAX_ADDR_LEN) return EINVAL;
  const isMulticast = (address[0]! & 1) !== 0;
  if (isMulticast || address.subarray(0, length).every((b) => b === 0)) return EINVAL;
  ifp.hwaddr = address.slice(0, length);
  return 0;
}

function setMaster(request: Request, ifp: Ifnet, index: number): number {
  const { stack } = ifp;
  if (ifp.master && ifp.master.index !== index) ifp.master.release?.(ifp);
  if (index === 0 || ifp.master) return 0;
  const master = stack.byIndex(index);
  if (!master?.enslave) return master ? EOPNOTSUPP : EINVAL;
  return master.enslave(ifp, request.ack);
}
