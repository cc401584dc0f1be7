/** RTM_GETNETCONF: how interfaces are set up for each family: ip netconf. See rtnetlink(7). */
import { EINVAL, ENODEV } from "../../../abi/errno.ts";
import * as rt from "../../../abi/rtnetlink.ts";
import { AF_INET, AF_INET6 } from "../../../abi/socket.ts";
import type { NetStack } from "../../netstack.ts";
import type { Policy } from "../attributes.ts";
import { ListDump } from "../dump.ts";
import type { Request } from "../request.ts";
import type { NetlinkWriter } from "../writer.ts";

const POLICY: Policy = { [rt.NETCONFA_IFINDEX]: "u32" };

interface Conf {
  readonly family: number;
  readonly index: number;
}

export function getNetconf(request: Request): number {
  const family = request.bytes[request.fixed(rt.NetConfMsg.sizeof)]!;
  const attrs = request.attrs(4, POLICY);
  if (typeof attrs === "number") return attrs;
  const index = attrs.s32(rt.NETCONFA_IFINDEX);
  if (index === null) return EINVAL;
  const { stack } = request.socket;
  if (index >= 0 && !stack.byIndex(index)) return ENODEV;
  const w = request.answer(rt.RTM_NEWNETCONF);
  writeBody(w, stack, { family: family === AF_INET6 ? AF_INET6 : AF_INET, index });
  return request.reply(w);
}

export function dumpNetconf(request: Request): number {
  const family = request.bytes[request.fixed(rt.NetConfMsg.sizeof)]!;
  return request.dump(new NetconfDump(request, family));
}

class NetconfDump extends ListDump<Conf> {
  readonly #stack: NetStack;
  readonly #families: readonly number[];

  constructor(request: Request, family: number) {
    super(request);
    this.#stack = request.socket.stack;
    this.#families = family === 0 ? [AF_INET, AF_INET6] : [family];
  }

  protected *items(): Generator<Conf> {
    for (const family of this.#families) {
      if (family !== AF_INET && family !== AF_INET6) continue;
      for (const { index } of this.#stack.inOrder()) yield { family, index };
      yield { family, index: rt.NETCONFA_IFINDEX_ALL };
      yield { family, index: rt.NETCONFA_IFINDEX_DEFAULT };
    }
  }

  protected write(w: NetlinkWriter, conf: Conf): boolean {
    writeBody(this.begin(w, rt.RTM_NEWNETCONF), this.#stack, conf);
    return w.end();
  }
}

function writeBody(w: NetlinkWriter, stack: NetStack, { family, index }: Conf): void {
  const { view, at } = w.fixed(rt.NetConfMsg.sizeof);
  rt.NetConfMsg.ncm_family.set(view, at, family);
  const is4 = family === AF_INET;
  w.u32(rt.NETCONFA_IFINDEX, index >>> 0);
  w.u32(rt.NETCONFA_FORWARDING, is4 ? stack.ip4.ipForward.get() : stack.ip6.forwarding.get());
  if (is4) w.u32(rt.NETCONFA_RP_FILTER, 0);
  w.u32(rt.NETCONFA_MC_FORWARDING, 0);
  if (is4) w.u32(rt.NETCONFA_BC_FORWARDING, 0);
  w.u32(rt.NETCONFA_PROXY_NEIGH, 0);
  w.u32(rt.NETCONFA_IGNORE_ROUTES_WITH_LINKDOWN, 0);
}
