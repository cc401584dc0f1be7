/** inet_diag: TCP, UDP and raw sockets, all or one. See sock_diag(7), ss(8). */
import { EINVAL, ENOENT, ESTALE } from "../../../abi/errno.ts";
import { IPPROTO_RAW, IPPROTO_TCP, IPPROTO_UDP } from "../../../abi/inet.ts";
import * as d from "../../../abi/sockdiag.ts";
import { AF_INET6 } from "../../../abi/socket.ts";
import { CAP_NET_ADMIN } from "../../../kern/cred.ts";
import { ANY, type InetAddr, mapped, readAddr, unmapped, writeAddr } from "../../address.ts";
import type { NetStack } from "../../netstack.ts";
import type { Policy } from "../attributes.ts";
import { FailedDump, ListDump } from "../dump.ts";
import type { Request } from "../request.ts";
import type { NetlinkWriter } from "../writer.ts";
import { InetFilter } from "./inetfilter.ts";
import { type InetDiag, inetSockets } from "./inetsockets.ts";
import { memInfo } from "./sockdiag.ts";

const POLICY: Policy = {
  [d.INET_DIAG_REQ_BYTECODE]: { bytes: 0 },
  [d.INET_DIAG_REQ_PROTOCOL]: "u32",
};
const TCP_LISTEN = 10;
const PROTOCOLS = new Set([IPPROTO_TCP, IPPROTO_UDP, IPPROTO_RAW]);

/** What is wanted of each. */
interface Wish {
  readonly family: number;
  readonly protocol: number;
  /** 1 << (INET_DIAG_* - 1). */
  readonly ext: number;
  readonly states: number;
  readonly lport: number;
  readonly fport: number;
  readonly filter: InetFilter | null;
  readonly mayAdminister: boolean;
}

function parse(request: Request): Wish | number {
  const at = request.fixed(d.InetDiagReq.sizeof);
  if (at < 0) return EINVAL;
  const attrs = request.attrs(d.InetDiagReq.sizeof, POLICY);
  if (typeof attrs === "number") return attrs;
  const code = attrs.bytes(d.INET_DIAG_REQ_BYTECODE);
  const filter = code ? InetFilter.check(code) : null;
  if (code && !filter) return EINVAL;
  const { view } = request;
  return {
    family: d.InetDiagReq.sdiag_family.get(view, at),
    // A number that needs more than a byte comes beside: MPTCP's, of which there is none.
    protocol: attrs.u32(d.INET_DIAG_REQ_PROTOCOL) ?? d.InetDiagReq.sdiag_protocol.get(view, at),
    ext: d.InetDiagReq.idiag_ext.get(view, at),
    states: d.InetDiagReq.idiag_states.get(view, at),
    lport: d.InetDiagReq.idiag_sport.get(view, at),
    fport: d.InetDiagReq.idiag_dport.get(view, at),
    filter,
    mayAdminister: request.socket.mayAdminister(request.td, CAP_NET_ADMIN),
  };
}

export function dumpInet(request: Request): number {
  const wish = parse(request);
  if (typeof wish === "number") return wish;
  const isKnown = PROTOCOLS.has(wish.protocol);
  return request.dump(isKnown ? new InetDump(request, wish) : new FailedDump(request, ENOENT));
}

/** One socket, by its ends: ENOENT; ESTALE where a cookie says that it is another. */
export function getInet(request: Request): number {
  const wish = parse(request);
  if (typeof wish === "number") return wish;
  const { view, bytes } = request;
  const at = request.fixed(d.InetDiagReq.sizeof);
  const size = wish.family === AF_INET6 ? 16 : 4;
  const address = (offset: number): InetAddr => {
    const a = readAddr(bytes, at + offset, size);
    return /^\0*$/.test(a) ? ANY : unmapped(a);
  };
  const laddr = address(d.InetDiagReq.idiag_src.offset);
  const faddr = address(d.InetDiagReq.idiag_dst.offset);
  for (const s of inetSockets(request.socket.stack, wish.protocol)) {
    const isIt =
      s.lport === wish.lport &&
      s.fport === wish.fport &&
      s.faddr === faddr &&
      (s.laddr === laddr || s.laddr === ANY);
    if (!isIt) continue;
    const cookie = d.InetDiagReq.idiag_cookie0.get(view, at);
    if (cookie !== d.INET_DIAG_NOCOOKIE && cookie !== s.ino) return ESTALE;
    const w = request.answer(d.SOCK_DIAG_BY_FAMILY);
    const shownUid = (uid: number): number => request.td.cred.userns.shownUid(uid);
    writeBody(w, s, wish, shownUid(s.uid));
    return request.reply(w);
  }
  return ENOENT;
}

class InetDump extends ListDump<InetDiag> {
  readonly #stack: NetStack;
  readonly #wish: Wish;
  readonly #request: Request;

  constructor(request: Request, wish: Wish) {
    super(request);
    this.#stack = request.socket.stack;
    this.#wish = wish;
    this.#request = request;
  }

  protected *items(): Generator<InetDiag> {
    const { family, states, lport, fport, filter, protocol } = this.#wish;
    for (const s of inetSockets(this.#stack, protocol)) {
      if (s.family !== family) continue;
      if ((states & (1 << s.state)) === 0) continue;
      if (lport !== 0 && s.lport !== lport) continue;
      if (fport !== 0 && s.fport !== fport) continue;
      if (filter && !filter.matches(s)) continue;
      yield s;
    }
  }

  protected write(w: NetlinkWriter, s: InetDiag): boolean {
    this.begin(w, d.SOCK_DIAG_BY_FAMILY);
    writeBody(w, s, this.#wish, this.#request.td.cred.userns.shownUid(s.uid));
    return w.end();
  }
}

function writeBody(w: NetlinkWriter, s: InetDiag, wish: Wish, uid: number): void {
  const m = d.InetDiagMsg;
  const { view, at } = w.fixed(m.sizeof);
  const size = s.family === AF_INET6 ? 16 : 4;
  m.idiag_family.set(view, at, s.family);
  m.idiag_state.set(view, at, s.state);
  m.idiag_timer.set(view, at, s.timer);
  m.idiag_retrans.set(view, at, s.retransmits);
  m.idiag_sport.set(view, at, s.lport);
  m.idiag_dport.set(view, at, s.fport);
  writeAddr(m.idiag_src.get(view, at), 0, shown(s.laddr, size), size);
  writeAddr(m.idiag_dst.get(view, at), 0, shown(s.faddr, size), size);
  m.idiag_if.set(view, at, s.ifindex);
  m.idiag_cookie0.set(view, at, s.ino);
  m.idiag_expires.set(view, at, s.timerMs);
  m.idiag_rqueue.set(view, at, s.rqueue);
  m.idiag_wqueue.set(view, at, s.wqueue);
  m.idiag_uid.set(view, at, uid);
  m.idiag_inode.set(view, at, s.ino);
  const { socket } = s;
  if (!socket) return;
  const wants = (type: number): boolean => (wish.ext & (1 << (type - 1))) !== 0;
  w.u8(d.INET_DIAG_SHUTDOWN, socket.closed);
  if (wants(d.INET_DIAG_TOS)) w.u8(d.INET_DIAG_TOS, socket.ip.tos);
  if (s.family === AF_INET6) {
    if (wants(d.INET_DIAG_TCLASS)) w.u8(d.INET_DIAG_TCLASS, Math.max(0, socket.ip.tclass));
    const isUnbound = s.state === TCP_LISTEN || s.faddr === ANY;
    if (isUnbound) w.u8(d.INET_DIAG_SKV6ONLY, socket.pcb.isV6Only ? 1 : 0);
  }
  if (wish.mayAdminister) w.u32(d.INET_DIAG_MARK, s.mark);
  if (wants(d.INET_DIAG_MEMINFO)) {
    w.attr(d.INET_DIAG_MEMINFO, new Uint8Array(Uint32Array.from([s.rmem, 0, 0, 0]).buffer));
  }
  if (wants(d.INET_DIAG_SKMEMINFO)) {
    w.attr(d.INET_DIAG_SKMEMINFO, memInfo(socket, s.rmem, 0, s.drops));
  }
  const info = wants(d.INET_DIAG_INFO) ? s.info() : null;
  if (info) w.attr(d.INET_DIAG_INFO, info);
  if (wants(d.INET_DIAG_CONG) && s.congestion !== "") w.string(d.INET_DIAG_CONG, s.congestion);
}

function shown(a: InetAddr, size: number): InetAddr {
  return a !== ANY && size === 16 ? mapped(a) : a;
}
