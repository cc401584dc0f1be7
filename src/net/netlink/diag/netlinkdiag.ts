/** netlink_diag: the sockets of netlink itself, the kernel's ends among them. See sock_diag(7). */
import { EINVAL, ENOENT } from "../../../abi/errno.ts";
import * as d from "../../../abi/sockdiag.ts";
import { AF_NETLINK, SOCK_RAW } from "../../../abi/socket.ts";
import { ListDump } from "../dump.ts";
import type { NetlinkSocket } from "../netlinksocket.ts";
import type { Request } from "../request.ts";
import type { NetlinkWriter } from "../writer.ts";
import { memInfo } from "./sockdiag.ts";

const TCP_CLOSE = 7;

export function dumpNetlink(request: Request): number {
  const at = request.fixed(d.NetlinkDiagReq.sizeof);
  if (at < 0) return EINVAL;
  const protocol = d.NetlinkDiagReq.sdiag_protocol.get(request.view, at);
  const isAll = protocol === d.NDIAG_PROTO_ALL;
  if (!isAll && !request.socket.domain.protocols.has(protocol)) return ENOENT;
  const show = d.NetlinkDiagReq.ndiag_show.get(request.view, at);
  return request.dump(new NetlinkDump(request, isAll ? -1 : protocol, show));
}

interface End {
  readonly protocol: number;
  /** Null: the kernel's. */
  readonly socket: NetlinkSocket | null;
}

class NetlinkDump extends ListDump<End> {
  readonly #request: Request;
  readonly #protocol: number;
  readonly #show: number;

  constructor(request: Request, protocol: number, show: number) {
    super(request);
    this.#request = request;
    this.#protocol = protocol;
    this.#show = show;
  }

  protected *items(): Generator<End> {
    const { domain, stack } = this.#request.socket;
    for (const protocol of domain.protocols.keys()) {
      if (this.#protocol >= 0 && this.#protocol !== protocol) continue;
      yield { protocol, socket: null };
      for (const socket of stack.netlink.get(protocol)?.sockets ?? []) yield { protocol, socket };
    }
  }

  protected write(w: NetlinkWriter, { protocol, socket: s }: End): boolean {
    this.begin(w, d.SOCK_DIAG_BY_FAMILY);
    const m = d.NetlinkDiagMsg;
    const { view, at } = w.fixed(m.sizeof);
    m.ndiag_family.set(view, at, AF_NETLINK);
    m.ndiag_type.set(view, at, s?.type ?? SOCK_RAW);
    m.ndiag_protocol.set(view, at, protocol);
    m.ndiag_state.set(view, at, TCP_CLOSE);
    m.ndiag_portid.set(view, at, s?.port ?? 0);
    m.ndiag_dst_portid.set(view, at, s?.peerPort ?? 0);
    m.ndiag_dst_group.set(view, at, s?.peerGroup ?? 0);
    m.ndiag_ino.set(view, at, s?.ino ?? 0);
    m.ndiag_cookie0.set(view, at, s?.ino ?? 0);
    if (s && (this.#show & d.NDIAG_SHOW_GROUPS) !== 0)
      w.attr(d.NETLINK_DIAG_GROUPS, s.groups.bytes());
    if (s && (this.#show & d.NDIAG_SHOW_MEMINFO) !== 0) {
      w.attr(d.NETLINK_DIAG_MEMINFO, memInfo(s, s.inbox.rmem, 0, s.inbox.drops));
    }
    return w.end();
  }
}
