/** RTM_GETNEIGH, RTM_NEWNEIGH, RTM_DELNEIGH: link addresses of neighbours. See ip-neighbour(8), arp(7). */
import {
  EAFNOSUPPORT,
  EEXIST,
  EINVAL,
  ENOBUFS,
  ENODEV,
  ENOENT,
  EOPNOTSUPP,
  type Errno,
  failed,
} from "../../../abi/errno.ts";
import * as nud from "../../../abi/neighbour.ts";
import * as nl from "../../../abi/netlink.ts";
import { RTN_UNICAST } from "../../../abi/route.ts";
import * as rt from "../../../abi/rtnetlink.ts";
import { AF_INET, AF_INET6 } from "../../../abi/socket.ts";
import { bytesOf } from "../../../lib/bytes.ts";
import type { InetAddr } from "../../address.ts";
import { EtherIf } from "../../ether/etherif.ts";
import type { Neighbour } from "../../ether/neighbours.ts";
import type { Policy } from "../attributes.ts";
import type { Request } from "../request.ts";
import type { NetlinkWriter } from "../writer.ts";
import { FamilyDump } from "./familydump.ts";
import { nothingThere } from "./qdisc.ts";

const NS_PER_TICK = 1e7;
const AF_BRIDGE = 7;
const POLICY: Policy = {
  [rt.NDA_DST]: { bytes: 4 },
  [rt.NDA_LLADDR]: { bytes: 6 },
  [rt.NDA_IFINDEX]: "u32",
  [rt.NDA_MASTER]: "u32",
};

interface Asked {
  readonly ifp: EtherIf;
  readonly addr: InetAddr;
  readonly hwaddr: Uint8Array | null;
  readonly state: number;
}

function parse(request: Request): Asked | Errno {
  const at = request.fixed(rt.NdMsg.sizeof);
  if (at < 0) return request.fail(EINVAL, "Invalid header for neighbor request");
  const { view } = request;
  const family = rt.NdMsg.ndm_family.get(view, at);
  if (family === AF_BRIDGE) return EOPNOTSUPP;
  if (family !== AF_INET && family !== AF_INET6) return EAFNOSUPPORT;
  const attrs = request.attrs(rt.NdMsg.sizeof, POLICY);
  if (failed(attrs)) return attrs;
  const size = family === AF_INET ? 4 : 16;
  const addr = attrs.chars(rt.NDA_DST);
  if (addr === null) return request.fail(EINVAL, "Network address not specified");
  if (addr.length < size) return request.fail(EINVAL, "Invalid network address");
  const ifp = request.socket.stack.byIndex(rt.NdMsg.ndm_ifindex.get(view, at));
  if (!ifp) return ENODEV;
  if (!(ifp instanceof EtherIf)) return EINVAL;
  const hwaddr = attrs.bytes(rt.NDA_LLADDR)?.slice(0, 6) ?? null;
  return { ifp, addr: addr.slice(0, size), hwaddr, state: rt.NdMsg.ndm_state.get(view, at) };
}

export function changeNeighbour(request: Request): number {
  const asked = parse(request);
  if (failed(asked)) return asked;
  const { ifp, addr, hwaddr, state } = asked;
  const { neighbours } = request.socket.stack;
  const known = neighbours.find(ifp, addr);
  if (request.type === rt.RTM_DELNEIGH) {
    if (!known || known.state === nud.NUD_NONE) return ENOENT;
    neighbours.remove(known);
    return 0;
  }
  if (known && (request.flags & nl.NLM_F_EXCL) !== 0) return EEXIST;
  if (!known && (request.flags & nl.NLM_F_CREATE) === 0) return ENOENT;
  if (known && hwaddr && (request.flags & nl.NLM_F_REPLACE) === 0) return EEXIST;
  const n = known ?? neighbours.entry(ifp, addr);
  if (!n) return ENOBUFS;
  if ((state & nud.NUD_VALID) !== 0 && !hwaddr && !n.hwaddr) {
    if (!known) neighbours.remove(n);
    return EINVAL;
  }
  neighbours.set(n, hwaddr, state);
  return 0;
}

export function getNeighbour(request: Request): number {
  const asked = parse(request);
  if (failed(asked)) return asked;
  const n = request.socket.stack.neighbours.find(asked.ifp, asked.addr);
  if (!n) return ENOENT;
  const w = request.answer(rt.RTM_NEWNEIGH);
  writeBody(w, n);
  return request.reply(w);
}

export function dumpNeighbours(request: Request): number {
  const at = request.fixed(rt.NdMsg.sizeof);
  const family = request.bytes[request.fixed(1)]!;
  // What bridges have learned is not told.
  if (family === AF_BRIDGE) return nothingThere(request);
  if (at < 0) return request.dump(new NeighbourDump(request, family, 0));
  const attrs = request.attrs(rt.NdMsg.sizeof, POLICY);
  if (failed(attrs)) return attrs;
  return request.dump(new NeighbourDump(request, family, attrs.u32(rt.NDA_IFINDEX) ?? 0));
}

class NeighbourDump extends FamilyDump<Neighbour> {
  protected *ofFamily(family: number): Generator<Neighbour> {
    const length = family === AF_INET ? 4 : 16;
    for (const n of this.stack.neighbours.all) {
      if (n.addr.length !== length || n.state === nud.NUD_NONE) continue;
      if (this.isAskedFor(n.ifp.index)) yield n;
    }
  }

  protected write(w: NetlinkWriter, n: Neighbour): boolean {
    writeBody(this.begin(w, rt.RTM_NEWNEIGH), n);
    return w.end();
  }
}

function writeBody(w: NetlinkWriter, n: Neighbour): void {
  const { view, at } = w.fixed(rt.NdMsg.sizeof);
  rt.NdMsg.ndm_family.set(view, at, n.addr.length === 4 ? AF_INET : AF_INET6);
  rt.NdMsg.ndm_ifindex.set(view, at, n.ifp.index);
  rt.NdMsg.ndm_state.set(view, at, n.state);
  rt.NdMsg.ndm_type.set(view, at, RTN_UNICAST);
  w.attr(rt.NDA_DST, bytesOf(n.addr));
  if (n.isValid && n.hwaddr) w.attr(rt.NDA_LLADDR, n.hwaddr);
  w.u32(rt.NDA_PROBES, n.probes);
  const nowNs = n.ifp.stack.nowNs();
  const ago = (ns: number): number => Math.floor(Math.max(0, nowNs - ns) / NS_PER_TICK);
  const info = Uint32Array.of(ago(n.confirmedNs), ago(n.usedNs), ago(n.updatedNs), 0);
  w.attr(rt.NDA_CACHEINFO, new Uint8Array(info.buffer));
}
