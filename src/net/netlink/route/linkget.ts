/** RTM_GETLINK: one interface, or all. See rtnetlink(7). */
import { EINVAL, ENODEV, type Errno, failed } from "../../../abi/errno.ts";
import * as rt from "../../../abi/rtnetlink.ts";
import { AF_INET6 } from "../../../abi/socket.ts";
import type { Ifnet } from "../../ifnet.ts";
import type { NetStack } from "../../netstack.ts";
import type { Attrs, Policy } from "../attributes.ts";
import { ListDump } from "../dump.ts";
import type { Request } from "../request.ts";
import type { NetlinkWriter } from "../writer.ts";
import { operstateOf, writeInet6, writeLink } from "./linkmsg.ts";

const IFNAMSIZ = 16;
const AF_BRIDGE = 7;

const GET_POLICY: Policy = {
  [rt.IFLA_IFNAME]: { string: IFNAMSIZ - 1 },
  [rt.IFLA_ALT_IFNAME]: { string: 127 },
  [rt.IFLA_EXT_MASK]: "u32",
  [rt.IFLA_TARGET_NETNSID]: "u32",
  [rt.IFLA_MASTER]: "u32",
  [rt.IFLA_LINKINFO]: "nested",
};
const INFO_POLICY: Policy = { [rt.IFLA_INFO_KIND]: { string: 64 } };

export function getLink(request: Request): number {
  const at = request.fixed(rt.IfInfoMsg.sizeof);
  if (at < 0) return request.fail(EINVAL, "Invalid header for get link");
  const attrs = request.attrs(rt.IfInfoMsg.sizeof, GET_POLICY, request.isStrict);
  if (typeof attrs === "number") return attrs;
  if (attrs.has(rt.IFLA_TARGET_NETNSID)) {
    return request.fail(EINVAL, "Invalid target network namespace id");
  }
  const { stack } = request.socket;
  const index = rt.IfInfoMsg.ifi_index.get(request.view, at);
  const ifp = linkOf(request, stack, index, attrs);
  if (failed(ifp)) return ifp;
  const w = request.answer(0);
  w.cancel();
  writeLink(w, ifp, {
    type: rt.RTM_NEWLINK,
    flags: 0,
    seq: request.seq,
    pid: request.pid,
    change: 0,
    extMask: attrs.u32(rt.IFLA_EXT_MASK) ?? 0,
  });
  return request.reply(w);
}

/** The interface that a request names, by index or by name: EINVAL, ENODEV. */
export function linkOf(
  request: Request,
  stack: NetStack,
  index: number,
  attrs: Attrs,
): Ifnet | Errno {
  if (index > 0) return stack.byIndex(index) ?? ENODEV;
  const name = attrs.string(rt.IFLA_IFNAME) ?? attrs.string(rt.IFLA_ALT_IFNAME);
  if (name === null) return request.ack.fail(EINVAL, "No interface given");
  return stack.byName(name) ?? ENODEV;
}

export function dumpLinks(request: Request): number {
  const at = request.fixed(rt.IfInfoMsg.sizeof);
  // Old programs send struct rtgenmsg, one byte, and mean all.
  if (at < 0) {
    if (request.isStrict) return request.fail(EINVAL, "Invalid header for link dump");
    return request.dump(new LinkDump(request, 0, 0, ""));
  }
  const family = rt.IfInfoMsg.ifi_family.get(request.view, at);
  if (family === AF_INET6) return request.dump(new Inet6LinkDump(request));
  if (family === AF_BRIDGE) return request.dump(new BridgePortDump(request));
  if (request.isStrict) {
    const { view } = request;
    const isClean =
      rt.IfInfoMsg.ifi_type.get(view, at) === 0 &&
      rt.IfInfoMsg.ifi_flags.get(view, at) === 0 &&
      rt.IfInfoMsg.ifi_change.get(view, at) === 0;
    if (!isClean) return request.fail(EINVAL, "Invalid values in header for link dump request");
    if (rt.IfInfoMsg.ifi_index.get(view, at) !== 0) {
      return request.fail(EINVAL, "Filter by device index not supported for link dumps");
    }
  }
  const attrs = request.attrs(rt.IfInfoMsg.sizeof, GET_POLICY, request.isStrict);
  if (typeof attrs === "number") return attrs;
  const info = attrs.nested(rt.IFLA_LINKINFO, INFO_POLICY, request.ack);
  if (typeof info === "number") return info;
  return request.dump(
    new LinkDump(
      request,
      attrs.u32(rt.IFLA_EXT_MASK) ?? 0,
      attrs.u32(rt.IFLA_MASTER) ?? 0,
      info.string(rt.IFLA_INFO_KIND) ?? "",
    ),
  );
}

class LinkDump extends ListDump<Ifnet> {
  readonly #stack: NetStack;
  readonly #extMask: number;
  readonly #master: number;
  readonly #kind: string;

  constructor(request: Request, extMask: number, master: number, kind: string) {
    super(request);
    this.#stack = request.socket.stack;
    this.#extMask = extMask;
    this.#master = master;
    this.#kind = kind;
    if (master !== 0 || kind !== "") this.filtered();
  }

  protected *items(): Generator<Ifnet> {
    for (const ifp of this.#stack.inOrder()) {
      if (this.#master !== 0 && ifp.master?.index !== this.#master) continue;
      if (this.#kind !== "" && ifp.kind !== this.#kind) continue;
      yield ifp;
    }
  }

  protected override generation(): number {
    return this.#stack.linkGeneration;
  }

  protected write(w: NetlinkWriter, ifp: Ifnet): boolean {
    return writeLink(w, ifp, {
      type: rt.RTM_NEWLINK,
      flags: this.flags,
      seq: this.seq,
      pid: this.pid,
      change: 0,
      extMask: this.#extMask,
    });
  }
}

/** Interfaces as IPv6 sees them. */
class Inet6LinkDump extends ListDump<Ifnet> {
  readonly #stack: NetStack;

  constructor(request: Request) {
    super(request);
    this.#stack = request.socket.stack;
  }

  protected items(): Iterable<Ifnet> {
    return this.#stack.inOrder();
  }

  protected write(w: NetlinkWriter, ifp: Ifnet): boolean {
    this.begin(w, rt.RTM_NEWLINK);
    const { view, at } = w.fixed(rt.IfInfoMsg.sizeof);
    rt.IfInfoMsg.ifi_family.set(view, at, AF_INET6);
    rt.IfInfoMsg.ifi_type.set(view, at, ifp.type);
    rt.IfInfoMsg.ifi_index.set(view, at, ifp.index);
    rt.IfInfoMsg.ifi_flags.set(view, at, ifp.dynamicFlags);
    w.string(rt.IFLA_IFNAME, ifp.name);
    if (ifp.hwaddr.length > 0) w.attr(rt.IFLA_ADDRESS, ifp.hwaddr);
    w.u32(rt.IFLA_MTU, ifp.mtu);
    if (ifp.link !== 0) w.u32(rt.IFLA_LINK, ifp.link);
    w.u8(rt.IFLA_OPERSTATE, operstateOf(ifp));
    const info = w.plainNest(rt.IFLA_PROTINFO);
    writeInet6(w, ifp);
    w.endNest(info);
    return w.end();
  }
}

/** The ports of bridges. */
class BridgePortDump extends ListDump<Ifnet> {
  readonly #stack: NetStack;

  constructor(request: Request) {
    super(request);
    this.#stack = request.socket.stack;
  }

  protected *items(): Generator<Ifnet> {
    for (const ifp of this.#stack.inOrder()) if (ifp.master) yield ifp;
  }

  protected write(w: NetlinkWriter, ifp: Ifnet): boolean {
    this.begin(w, rt.RTM_NEWLINK);
    const { view, at } = w.fixed(rt.IfInfoMsg.sizeof);
    rt.IfInfoMsg.ifi_family.set(view, at, AF_BRIDGE);
    rt.IfInfoMsg.ifi_type.set(view, at, ifp.type);
    rt.IfInfoMsg.ifi_index.set(view, at, ifp.index);
    rt.IfInfoMsg.ifi_flags.set(view, at, ifp.dynamicFlags);
    w.string(rt.IFLA_IFNAME, ifp.name);
    w.u32(rt.IFLA_MASTER, ifp.master!.index);
    w.u32(rt.IFLA_MTU, ifp.mtu);
    w.u8(rt.IFLA_OPERSTATE, operstateOf(ifp));
    w.attr(rt.IFLA_ADDRESS, ifp.hwaddr);
    if (ifp.link !== 0) w.u32(rt.IFLA_LINK, ifp.link);
    const info = w.nest(rt.IFLA_PROTINFO);
    ifp.master!.slaveData?.(w, ifp);
    w.endNest(info);
    return w.end();
  }
}
