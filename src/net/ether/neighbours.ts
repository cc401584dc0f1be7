/**
 * Neighbours: which link address an internet address on a link has; ARP for IPv4, neighbour
 * discovery for IPv6. See arp(7), RFC 826, RFC 4861 (7.3: the states).
 *
 * An entry without an address keeps a few packets that wait for it. The table is bounded:
 * who was not used for longest goes first; what an administrator entered stays.
 */
import { ENOBUFS } from "../../abi/errno.ts";
import { ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, ICMPV6_DEST_UNREACH } from "../../abi/icmp.ts";
import * as nud from "../../abi/neighbour.ts";
import { ETH_P_IP, PACKET_HOST } from "../../abi/netdevice.ts";
import { Callout } from "../../kern/callout.ts";
import { type InetAddr, printAddr, readAddr } from "../address.ts";
import { icmp6Error, icmpError } from "../icmp/error.ts";
import type { Ifnet } from "../ifnet.ts";
import type { Mbuf } from "../mbuf.ts";
import type { NetStack } from "../netstack.ts";
import { sendArpRequest } from "./arp.ts";
import type { EtherIf } from "./etherif.ts";
import { sendSolicitation } from "./nd.ts";

const MAX_NEIGHBOURS = 1024;
const NEIGHBOUR_BYTES = 512;
const MAX_QUEUED = 101;
const MAX_QUEUED_BYTES = 212992;
const MAX_PROBES = 3;
const RETRANS_NS = 1e9;
const DELAY_NS = 5e9;
const REACHABLE_NS = 30e9;
const ICMPV6_ADDR_UNREACH = 3;
const IP4_HEADER = 20;
const IP6_HEADER = 40;

export class Neighbour extends Callout {
  readonly ifp: EtherIf;
  readonly addr: InetAddr;
  hwaddr: Uint8Array | null = null;
  /** NUD_*. */
  state = nud.NUD_NONE;
  /** Packets that wait, and what each costs. */
  readonly queue: { readonly m: Mbuf; readonly cost: number }[] = [];
  queuedBytes = 0;
  probes = 0;
  confirmedNs = 0;
  updatedNs = 0;
  usedNs = 0;

  constructor(ifp: EtherIf, addr: InetAddr) {
    super();
    this.ifp = ifp;
    this.addr = addr;
  }

  get isValid(): boolean {
    return (this.state & nud.NUD_VALID) !== 0;
  }

  fire(): void {
    this.ifp.stack.neighbours.timedOut(this);
  }
}

export class Neighbours {
  readonly #stack: NetStack;
  readonly #byAddress = new Map<string, Neighbour>();

  constructor(stack: NetStack) {
    this.#stack = stack;
  }

  get all(): Iterable<Neighbour> {
    return this.#byAddress.values();
  }

  find(ifp: Ifnet, addr: InetAddr): Neighbour | null {
    return this.#byAddress.get(keyOf(ifp, addr)) ?? null;
  }

  /** The entry of an address, made if need be; null if there is no room. */
  entry(ifp: EtherIf, addr: InetAddr): Neighbour | null {
    const known = this.find(ifp, addr);
    if (known) return known;
    if (this.#byAddress.size >= MAX_NEIGHBOURS && !this.#dropOldest()) return null;
    if (!this.#stack.kmem.take(NEIGHBOUR_BYTES)) return null;
    const n = new Neighbour(ifp, addr);
    this.#byAddress.set(keyOf(ifp, addr), n);
    return n;
  }

  /** Sends `m` to a neighbour, or keeps it until its link address is known. ENOBUFS. */
  resolve(ifp: EtherIf, addr: InetAddr, m: Mbuf): number {
    const n = this.entry(ifp, addr);
    if (!n) return ENOBUFS;
    n.usedNs = this.#stack.nowNs();
    if (n.isValid) {
      if (n.state === nud.NUD_STALE) this.#enter(n, nud.NUD_DELAY, DELAY_NS);
      ifp.sendTo(m, n.hwaddr!);
      return 0;
    }
    this.#keep(n, m);
    if (n.state !== nud.NUD_INCOMPLETE) {
      n.probes = 0;
      this.#probe(n, nud.NUD_INCOMPLETE);
    }
    return 0;
  }

  #keep(n: Neighbour, m: Mbuf): void {
    const { kmem } = this.#stack;
    const cost = m.truesize;
    if (!kmem.takeSpare(cost)) {
      n.ifp.counters.txDropped++;
      return;
    }
    n.queue.push({ m, cost });
    n.queuedBytes += cost;
    while (n.queue.length > MAX_QUEUED || n.queuedBytes > MAX_QUEUED_BYTES) {
      const dropped = n.queue.shift()!;
      n.queuedBytes -= dropped.cost;
      kmem.give(dropped.cost);
      n.ifp.counters.txDropped++;
    }
  }

  /** Empties the queue: what was in it. */
  #takeQueue(n: Neighbour): readonly Mbuf[] {
    this.#stack.kmem.give(n.queuedBytes);
    n.queuedBytes = 0;
    return n.queue.splice(0).map(({ m }) => m);
  }

  #probe(n: Neighbour, state: number): void {
    n.probes++;
    const to = state === nud.NUD_PROBE ? n.hwaddr : null;
    this.#enter(n, state, RETRANS_NS);
    if (n.addr.length === 4) sendArpRequest(n.ifp, n.addr, to);
    else sendSolicitation(n.ifp, n.addr, to);
  }

  #enter(n: Neighbour, state: number, inNs: number): void {
    n.state = state;
    n.updatedNs = this.#stack.nowNs();
    const { callouts } = this.#stack.cpu;
    if (inNs > 0) callouts.arm(n, n.updatedNs + inNs);
    else callouts.disarm(n);
  }

  /** Its state's time is over. */
  timedOut(n: Neighbour): void {
    switch (n.state) {
      case nud.NUD_REACHABLE:
        this.#enter(n, nud.NUD_STALE, 0);
        break;
      case nud.NUD_DELAY:
        n.probes = 0;
        this.#probe(n, nud.NUD_PROBE);
        break;
      case nud.NUD_INCOMPLETE:
      case nud.NUD_PROBE:
        if (n.probes < MAX_PROBES) this.#probe(n, n.state);
        else this.#fail(n);
        break;
    }
    this.#stack.netisr.drain();
  }

  /** Nobody answers: those who sent the packets that wait are told. */
  #fail(n: Neighbour): void {
    this.#enter(n, nud.NUD_FAILED, 0);
    for (const m of this.#takeQueue(n)) {
      if (!asReceived(m)) continue;
      if (n.addr.length === 4) icmpError(this.#stack, m, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
      else icmp6Error(this.#stack, m, ICMPV6_DEST_UNREACH, ICMPV6_ADDR_UNREACH, 0);
    }
  }

  /**
   * A neighbour said what its link address is. `isAnswer`: to a question of ours, so it hears us.
   * `mayCreate`: it wants to speak to us, so it is worth knowing.
   */
  learn(
    ifp: EtherIf,
    addr: InetAddr,
    hwaddr: Uint8Array,
    how: { readonly isAnswer: boolean; readonly mayCreate: boolean },
  ): void {
    const n = how.mayCreate ? this.entry(ifp, addr) : this.find(ifp, addr);
    if (!n || n.state === nud.NUD_PERMANENT) return;
    const isSame = n.hwaddr?.every((b, i) => b === hwaddr[i]) === true;
    n.hwaddr = hwaddr.slice();
    const now = this.#stack.nowNs();
    if (how.isAnswer) {
      n.confirmedNs = now;
      this.#enter(n, nud.NUD_REACHABLE, REACHABLE_NS);
    } else if (!n.isValid || !isSame) this.#enter(n, nud.NUD_STALE, 0);
    this.#release(n);
  }

  /** An administrator's entry. */
  set(n: Neighbour, hwaddr: Uint8Array | null, state: number): void {
    if (hwaddr) n.hwaddr = hwaddr.slice();
    this.#enter(n, state, state === nud.NUD_REACHABLE ? REACHABLE_NS : 0);
    if (n.isValid) this.#release(n);
  }

  #release(n: Neighbour): void {
    for (const m of this.#takeQueue(n)) n.ifp.sendTo(m, n.hwaddr!);
  }

  remove(n: Neighbour): void {
    this.#stack.cpu.callouts.disarm(n);
    if (this.#byAddress.delete(keyOf(n.ifp, n.addr))) this.#stack.kmem.give(NEIGHBOUR_BYTES);
    this.#takeQueue(n);
  }

  /** An interface goes, or goes down. */
  forget(ifp: Ifnet): void {
    for (const n of [...this.all]) if (n.ifp === ifp) this.remove(n);
  }

  #dropOldest(): boolean {
    let oldest: Neighbour | null = null;
    for (const n of this.all) {
      if (n.state === nud.NUD_PERMANENT) continue;
      if (!oldest || n.usedNs < oldest.usedNs) oldest = n;
    }
    if (oldest) this.remove(oldest);
    return oldest !== null;
  }

  /** As /proc/net/arp shows them. */
  *shown4(): Generator<{ address: string; flags: number; hwaddr: Uint8Array; device: string }> {
    for (const n of this.all) {
      if (n.addr.length !== 4 || n.state === nud.NUD_NONE) continue;
      const isPermanent = n.state === nud.NUD_PERMANENT;
      const flags = (n.isValid ? nud.ATF_COM : 0) | (isPermanent ? nud.ATF_PERM : 0);
      const hwaddr = n.isValid && n.hwaddr ? n.hwaddr : new Uint8Array(6);
      yield { address: printAddr(n.addr), flags, hwaddr, device: n.ifp.name };
    }
  }
}

function keyOf(ifp: Ifnet, addr: InetAddr): string {
  return `${ifp.index} ${addr}`;
}

/** Makes a packet on its way out look like one that came in, for an error about it. */
function asReceived(m: Mbuf): boolean {
  const is4 = m.family === ETH_P_IP;
  if (!m.pullup(is4 ? IP4_HEADER : IP6_HEADER)) return false;
  const { head, off } = m;
  m.type = PACKET_HOST;
  m.network = off;
  m.networkBytes = is4 ? (head[off]! & 0xf) * 4 : IP6_HEADER;
  m.proto = head[off + (is4 ? 9 : 6)]!;
  m.src = is4 ? readAddr(head, off + 12, 4) : readAddr(head, off + 8, 16);
  m.dst = is4 ? readAddr(head, off + 16, 4) : readAddr(head, off + 24, 16);
  return true;
}
