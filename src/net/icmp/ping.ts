/**
 * Ping sockets: SOCK_DGRAM with IPPROTO_ICMP or IPPROTO_ICMPV6, for those in net.ipv4.ping_group_range.
 *
 * A program sends echo requests, whose identifier the kernel makes its own, and hears the answers to them. See icmp(7).
 */
import {
  EACCES,
  EAGAIN,
  EFAULT,
  EINVAL,
  EMSGSIZE,
  EOPNOTSUPP,
  EPIPE,
  failed,
} from "../../abi/errno.ts";
import { ICMP_ECHO, ICMPV6_ECHO_REQUEST } from "../../abi/icmp.ts";
import { IPPROTO_ICMP, IPPROTO_ICMPV6 } from "../../abi/inet.ts";
import { AF_INET, MSG_OOB, SOCK_DGRAM } from "../../abi/socket.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Uio } from "../../vm/uio.ts";
import { ANY, type InetAddr, needsScope } from "../address.ts";
import { checksum, packetSum, pseudoSum } from "../checksum.ts";
import type { IpControl } from "../inet/cmsgs.ts";
import { InetDatagram } from "../inet/datagram.ts";
import { ipOutput } from "../ip/output.ts";
import { CSUM_GOOD, Mbuf } from "../mbuf.ts";
import type { Sending } from "../message.ts";
import { countIcmpOut } from "../mib.ts";
import type { NetStack } from "../netstack.ts";
import { SEND_SHUTDOWN } from "../socket.ts";
import type { IcmpProtocol } from "./protocol.ts";

const HEADER = 8;
const MAX_MESSAGE = 65535;
const IDS = 65536;

export function mayPing(td: Thread, stack: NetStack): boolean {
  const { low, high } = stack.ip4.pingGroupRange;
  const { cred } = td;
  const isIn = (gid: number): boolean => gid >= low && gid <= high;
  return isIn(cred.egid) || cred.groups.some(isIn);
}

export class PingSocket extends InetDatagram {
  readonly table;
  readonly headerBytes = 0;
  readonly #protocol: IcmpProtocol;

  constructor(td: Thread, stack: NetStack, family: number, protocol: IcmpProtocol) {
    super(td, stack, family, SOCK_DGRAM, family === AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
    this.#protocol = protocol;
    this.table = protocol.pings;
    this.pcb.isV6Only = true;
  }

  /** The port of the address is the identifier. */
  override bind(_td: Thread, address: Uint8Array): number {
    const e = this.parse(address);
    if (failed(e)) return e;
    const r = this.checkLocal(e, false);
    if (r < 0) return r;
    const { pcb } = this;
    if (pcb.lport !== 0) return EINVAL;
    if (needsScope(e.addr) && e.scopeId !== 0) pcb.ifindex = e.scopeId;
    if (!this.#take(e.addr, e.port)) return EACCES;
    this.boundTo(e.addr);
    return 0;
  }

  protected autobind(): number {
    if (this.pcb.lport !== 0) return 0;
    return this.#take(this.pcb.laddr, 0) ? 0 : EAGAIN;
  }

  #take(laddr: InetAddr, wanted: number): boolean {
    const { pcb, table } = this;
    let id = wanted;
    if (id === 0) {
      const start = this.stack.randomBelow(IDS);
      for (let i = 0; i < IDS; i++) {
        const candidate = (start + i) % IDS;
        if (candidate === 0 || table.boundTo(candidate).size > 0) continue;
        id = candidate;
        break;
      }
      if (id === 0) return false;
    } else if (table.conflicts(pcb, laddr, id, false)) return false;
    pcb.laddr = laddr;
    pcb.lport = id;
    pcb.isAddrLocked = laddr !== ANY;
    pcb.isPortLocked = wanted !== 0;
    table.bind(pcb);
    return true;
  }

  send(_td: Thread, uio: Uio, sending: Sending, _isNonblocking: boolean): number {
    const bound = this.autobind();
    if (bound < 0) return bound;
    const length = uio.resid;
    if (length > MAX_MESSAGE) return EMSGSIZE;
    if (length < HEADER) return EINVAL;
    if ((sending.flags & MSG_OOB) !== 0) return EOPNOTSUPP;
    const { pcb, stack } = this;
    const is4 = this.family === AF_INET;
    const bytes = new Uint8Array(length);
    if (uio.copyin(bytes) !== length) return EFAULT;
    if (bytes[0] !== (is4 ? ICMP_ECHO : ICMPV6_ECHO_REQUEST) || bytes[1] !== 0) return EINVAL;
    const control = sending.control as IpControl | null;
    const aim = this.aim(sending, control);
    if (failed(aim)) return aim;
    const { to, scopeId } = aim;
    if (is4 !== (to.length === 4)) return EINVAL;
    const src = control?.src || this.source;
    const path = this.wayTo(to, scopeId, control);
    if (failed(path)) return path;
    if (!this.mayBroadcast(path)) return EACCES;
    if (this.error !== 0) return this.takeError();
    if ((this.closed & SEND_SHUTDOWN) !== 0) return EPIPE;
    const from = src || path.src;
    // The header is made here, the rest is referred to.
    const m = Mbuf.referring([bytes.subarray(HEADER)], length - HEADER);
    const at = m.prepend(HEADER);
    m.head.set(bytes.subarray(0, HEADER), at);
    m.view.setUint16(at + 4, pcb.lport);
    m.view.setUint16(at + 2, 0);
    const pseudo = is4 ? 0 : pseudoSum(from, to, IPPROTO_ICMPV6, length);
    m.view.setUint16(at + 2, checksum(packetSum(m, pseudo)));
    m.csum = CSUM_GOOD;
    countIcmpOut(stack.mib, is4, bytes[0]!);
    const how = this.howTo(path, from, to, this.protocol);
    const r = ipOutput(stack, m, path, {
      ...how,
      ttl: control && control.ttl >= 0 ? control.ttl : how.ttl,
      tos: control && control.tos >= 0 ? control.tos : how.tos,
    });
    stack.netisr.drain();
    if (r === EMSGSIZE) return this.tooLong(path, to, 0);
    return r < 0 ? r : length;
  }

  /** An answer to one of its requests. */
  deliver(m: Mbuf): void {
    if (this.passesFilter(m, HEADER)) this.enqueue(m);
  }

  override close(): void {
    this.#protocol.sockets.delete(this);
    super.close();
  }
}
