/**
 * The multicast groups that one socket is in, and of which sources in them it wants to hear.
 *
 * An interface counts the memberships of all sockets: it takes a group's packets while there are any. Each is charged to the socket's
 * owner by number (igmp_max_memberships). See RFC 3376, RFC 3678.
 */
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS } from "../../abi/errno.ts";
import { AF_INET } from "../../abi/socket.ts";
import { type InetAddr, isMulticast } from "../address.ts";
import type { Ifnet } from "../ifnet.ts";
import type { Mbuf } from "../mbuf.ts";
import type { InetSocket } from "./inetsocket.ts";

/** What one takes, about, and each of its sources. */
const MEMBERSHIP_BYTES = 256;
const SOURCE_BYTES = 128;

interface Membership {
  readonly ifp: Ifnet;
  readonly group: InetAddr;
  /** "exclude": all but `sources`; "include": those alone. */
  mode: "exclude" | "include";
  readonly sources: Set<InetAddr>;
}

export class Memberships {
  #list: Membership[] = [];

  get isEmpty(): boolean {
    return this.#list.length === 0;
  }

  /** EADDRINUSE, ENOBUFS. */
  join(s: InetSocket, ifp: Ifnet, group: InetAddr): number {
    if (this.#find(ifp, group)) return EADDRINUSE;
    return this.#add(s, ifp, group, "exclude");
  }

  /** EADDRNOTAVAIL. */
  leave(s: InetSocket, ifp: Ifnet, group: InetAddr): number {
    const m = this.#find(ifp, group);
    if (!m) return EADDRNOTAVAIL;
    this.#list = this.#list.filter((o) => o !== m);
    this.#gone(s, m);
    return 0;
  }

  /** IP_ADD_SOURCE_MEMBERSHIP and its kin. EINVAL, EADDRNOTAVAIL, ENOBUFS. */
  changeSource(
    s: InetSocket,
    ifp: Ifnet,
    group: InetAddr,
    source: InetAddr,
    how: "unblock" | "block" | "join" | "leave",
  ): number {
    if (!isMulticast(group)) return EINVAL;
    let m = this.#find(ifp, group);
    const wanted = how === "join" || how === "leave" ? "include" : "exclude";
    if (!m) {
      if (how !== "join") return how === "leave" ? EADDRNOTAVAIL : EINVAL;
      const r = this.#add(s, ifp, group, "include");
      if (r < 0) return r;
      m = this.#find(ifp, group)!;
    } else if (m.mode !== wanted) {
      if (m.sources.size > 0 || how !== "join") return EINVAL;
      m.mode = "include";
    }
    const isAdding = how === "join" || how === "block";
    if (m.sources.has(source) === isAdding) return EADDRNOTAVAIL;
    if (!isAdding) {
      m.sources.delete(source);
      s.stack.kmem.give(SOURCE_BYTES);
      return how === "leave" && m.sources.size === 0 ? this.leave(s, ifp, group) : 0;
    }
    const max = (group.length === 4 ? s.stack.ip4.igmpMaxMsf : s.stack.ip6.mldMaxMsf).get();
    // The limit is for the root of any user name space to raise.
    if (m.sources.size >= max || !s.stack.kmem.take(SOURCE_BYTES)) return ENOBUFS;
    m.sources.add(source);
    return 0;
  }

  /** Whether a packet to a group is for the socket. */
  hears(s: InetSocket, m: Mbuf): boolean {
    for (const g of this.#list) {
      if (g.group !== m.dst || g.ifp !== m.rcvif) continue;
      return g.sources.has(m.src) === (g.mode === "include");
    }
    const is4 = m.dst.length === 4;
    return is4 ? s.ip.multicastAll4 : s.ip.multicastAll6;
  }

  /** The socket is closed. */
  close(s: InetSocket): void {
    for (const m of this.#list) this.#gone(s, m);
    this.#list = [];
  }

  #find(ifp: Ifnet, group: InetAddr): Membership | undefined {
    return this.#list.find((m) => m.ifp === ifp && m.group === group);
  }

  #add(s: InetSocket, ifp: Ifnet, group: InetAddr, mode: "exclude" | "include"): number {
    const isLimited = group.length === 4 || s.family === AF_INET;
    if (isLimited && this.#list.length >= s.stack.ip4.igmpMaxMemberships.get()) return ENOBUFS;
    if (!s.stack.kmem.take(MEMBERSHIP_BYTES)) return ENOBUFS;
    this.#list.push({ ifp, group, mode, sources: new Set() });
    ifp.joinGroup(group);
    return 0;
  }

  #gone(s: InetSocket, m: Membership): void {
    m.ifp.leaveGroup(m.group);
    s.stack.kmem.give(MEMBERSHIP_BYTES + m.sources.size * SOURCE_BYTES);
  }
}
