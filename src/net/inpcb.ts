/**
 * Protocol control blocks: which socket talks from where to where.
 *
 * Addresses are ANY ("") while unspecified. A block of an IPv6 socket that speaks to IPv4 has
 * IPv4 addresses; while it has none it hears both families, unless it is v6-only.
 * A table has the blocks of one protocol of one NetStack, of both families: `bound` by local port,
 * `connected` by all four. Conflicts are Linux's. See inpcb in FreeBSD, ip(7), socket(7) SO_REUSEPORT.
 */
import { AF_INET6 } from "../abi/socket.ts";
import { ANY, type InetAddr } from "./address.ts";

/** What the owner of a block must be: a socket, or what is left of one in TIME_WAIT. */
export interface PcbOwner {
  readonly family: number;
}

export class Inpcb<T extends PcbOwner = PcbOwner> {
  owner: T;
  /** AF_INET or AF_INET6: of the socket, not of what it speaks. */
  readonly family: number;
  laddr: InetAddr = ANY;
  lport = 0;
  faddr: InetAddr = ANY;
  fport = 0;
  /** SO_BINDTODEVICE, or the scope of a link-local address: index; 0: any. */
  ifindex = 0;
  isV6Only = false;
  reuseAddr = false;
  reusePort = false;
  /** TCP: it listens; who listens shares its port with nobody but by SO_REUSEPORT. */
  isListening = false;
  /** Who made the socket: SO_REUSEPORT is among the same. */
  uid = 0;
  /** The address was given by bind(2), not chosen; likewise the port. */
  isAddrLocked = false;
  isPortLocked = false;
  /** In the tables. */
  isBound = false;
  isConnected = false;
  next: Inpcb<T> | null = null;

  constructor(owner: T, uid: number) {
    this.owner = owner;
    this.family = owner.family;
    this.uid = uid;
  }

  /** Whether it hears packets of a family: length of its addresses, 4 or 16. */
  hears(length: number): boolean {
    if (this.laddr !== ANY) return this.laddr.length === length;
    if (this.faddr !== ANY) return this.faddr.length === length;
    if (length === 16) return this.family === AF_INET6;
    return this.family !== AF_INET6 || !this.isV6Only;
  }
}

/** Mixes four things into the key of a connection. */
function hashOf(
  secret: number,
  laddr: InetAddr,
  lport: number,
  faddr: InetAddr,
  fport: number,
): number {
  let h = secret ^ (lport << 16) ^ fport;
  for (let i = 0; i < faddr.length; i++) h = Math.imul(h ^ faddr.charCodeAt(i), 0x01000193);
  for (let i = 0; i < laddr.length; i++) h = Math.imul(h ^ laddr.charCodeAt(i), 0x01000193);
  h ^= h >>> 15;
  return Math.imul(h, 0x2c1b3c6d) | 0;
}

export class PcbTable<T extends PcbOwner = PcbOwner> {
  readonly #secret: number;
  /** Chains of connected blocks. */
  readonly #connected = new Map<number, Inpcb<T>>();
  readonly #bound = new Map<number, Set<Inpcb<T>>>();
  /** Those of the bound that listen: at a server's port they are few, its connections many. */
  readonly #listening = new Map<number, Set<Inpcb<T>>>();
  /** All that are bound or connected. */
  readonly all = new Set<Inpcb<T>>();

  /** `secret`: any 32 bits that nobody outside knows. */
  constructor(secret: number) {
    this.#secret = secret | 0;
  }

  /** Blocks bound to a local port. */
  boundTo(lport: number): ReadonlySet<Inpcb<T>> {
    return this.#bound.get(lport) ?? NONE;
  }

  bind(pcb: Inpcb<T>): void {
    let set = this.#bound.get(pcb.lport);
    if (!set) {
      set = new Set();
      this.#bound.set(pcb.lport, set);
    }
    set.add(pcb);
    pcb.isBound = true;
    this.all.add(pcb);
  }

  unbind(pcb: Inpcb<T>): void {
    if (!pcb.isBound) return;
    this.unlisten(pcb);
    removeFrom(this.#bound, pcb);
    pcb.isBound = false;
    if (!pcb.isConnected) this.all.delete(pcb);
  }

  /** A bound block hears of new connections from now on. */
  listen(pcb: Inpcb<T>): void {
    pcb.isListening = true;
    const set = this.#listening.get(pcb.lport);
    if (set) set.add(pcb);
    else this.#listening.set(pcb.lport, new Set([pcb]));
  }

  unlisten(pcb: Inpcb<T>): void {
    if (!pcb.isListening) return;
    pcb.isListening = false;
    removeFrom(this.#listening, pcb);
  }

  /** Enters a block whose four are all set. */
  connect(pcb: Inpcb<T>): void {
    const key = hashOf(this.#secret, pcb.laddr, pcb.lport, pcb.faddr, pcb.fport);
    pcb.next = this.#connected.get(key) ?? null;
    this.#connected.set(key, pcb);
    pcb.isConnected = true;
    this.all.add(pcb);
  }

  /** Before any of the four changes. */
  disconnect(pcb: Inpcb<T>): void {
    if (!pcb.isConnected) return;
    const key = hashOf(this.#secret, pcb.laddr, pcb.lport, pcb.faddr, pcb.fport);
    let at = this.#connected.get(key) ?? null;
    if (at === pcb) {
      if (pcb.next) this.#connected.set(key, pcb.next);
      else this.#connected.delete(key);
    } else {
      while (at && at.next !== pcb) at = at.next;
      if (at) at.next = pcb.next;
    }
    pcb.next = null;
    pcb.isConnected = false;
    if (!pcb.isBound) this.all.delete(pcb);
  }

  /** The connected block for a packet from (faddr, fport) to (laddr, lport) that came over interface `ifindex`. */
  findConnected(
    laddr: InetAddr,
    lport: number,
    faddr: InetAddr,
    fport: number,
    ifindex: number,
  ): Inpcb<T> | null {
    const key = hashOf(this.#secret, laddr, lport, faddr, fport);
    for (let p = this.#connected.get(key) ?? null; p; p = p.next) {
      if (
        p.lport === lport &&
        p.fport === fport &&
        p.faddr === faddr &&
        p.laddr === laddr &&
        (p.ifindex === 0 || p.ifindex === ifindex)
      ) {
        return p;
      }
    }
    return null;
  }

  /**
   * The bound block that fits best, among those with SO_REUSEPORT that fit alike one by the
   * hash of the sender. `isListener`: only those that listen (TCP).
   */
  findBound(
    laddr: InetAddr,
    lport: number,
    faddr: InetAddr,
    fport: number,
    ifindex: number,
    isListener = false,
  ): Inpcb<T> | null {
    const set = (isListener ? this.#listening : this.#bound).get(lport);
    if (!set) return null;
    let best: Inpcb<T> | null = null;
    let bestScore = -1;
    let alike = 0;
    for (const p of set) {
      const score = scoreOf(p, laddr, faddr, fport, ifindex);
      if (score < 0 || score < bestScore) continue;
      // Of those that fit alike, and do not share, the one that came last.
      const isShared = score === bestScore && p.reusePort && best!.reusePort;
      alike = isShared ? alike + 1 : 1;
      if (isShared) continue;
      bestScore = score;
      best = p;
    }
    if (alike <= 1 || !best?.reusePort) return best;
    const hash = hashOf(this.#secret, laddr, lport, faddr, fport) >>> 0;
    let n = Math.floor((hash / 2 ** 32) * alike);
    for (const p of set) {
      if (!p.reusePort || scoreOf(p, laddr, faddr, fport, ifindex) !== bestScore) continue;
      if (n-- === 0) return p;
    }
    return best;
  }

  /**
   * True if a block may not be bound to (laddr, lport) for the sake of others there. `isStream`: TCP's
   * rules, where SO_REUSEADDR does not share with who listens.
   */
  conflicts(pcb: Inpcb<T>, laddr: InetAddr, lport: number, isStream: boolean): boolean {
    for (const other of this.boundTo(lport)) {
      if (other === pcb || !meet(pcb, laddr, other)) continue;
      if (isStream) {
        const share = pcb.reuseAddr && other.reuseAddr && !other.isListening;
        if (share) continue;
      } else if (pcb.reuseAddr && other.reuseAddr) continue;
      if (pcb.reusePort && other.reusePort && pcb.uid === other.uid) continue;
      return true;
    }
    return false;
  }
}

const NONE: ReadonlySet<never> = new Set();

function removeFrom<T extends PcbOwner>(sets: Map<number, Set<Inpcb<T>>>, pcb: Inpcb<T>): void {
  const set = sets.get(pcb.lport);
  set?.delete(pcb);
  if (set?.size === 0) sets.delete(pcb.lport);
}

/** How well a bound block fits a packet; -1: not at all. */
function scoreOf<T extends PcbOwner>(
  p: Inpcb<T>,
  laddr: InetAddr,
  faddr: InetAddr,
  fport: number,
  ifindex: number,
): number {
  if (!p.hears(laddr.length)) return -1;
  let score = p.family === AF_INET6 && laddr.length === 4 ? 0 : 1;
  if (p.laddr !== ANY) {
    if (p.laddr !== laddr) return -1;
    score += 4;
  }
  if (p.faddr !== ANY) {
    if (p.faddr !== faddr) return -1;
    score += 4;
  }
  if (p.fport !== 0) {
    if (p.fport !== fport) return -1;
    score += 4;
  }
  if (p.ifindex !== 0) {
    if (p.ifindex !== ifindex) return -1;
    score += 4;
  }
  return score;
}

/** Whether two blocks at one port could hear the same packet, were the first at `laddr`. */
function meet<T extends PcbOwner>(pcb: Inpcb<T>, laddr: InetAddr, other: Inpcb<T>): boolean {
  if (pcb.ifindex !== 0 && other.ifindex !== 0 && pcb.ifindex !== other.ifindex) return false;
  if (laddr !== ANY && other.laddr !== ANY) return laddr === other.laddr;
  // One of them hears any address: of which families?
  const isFour = (a: InetAddr, p: Inpcb<T>): boolean =>
    a === ANY ? p.family !== AF_INET6 || !p.isV6Only : a.length === 4;
  const isSix = (a: InetAddr, p: Inpcb<T>): boolean =>
    a === ANY ? p.family === AF_INET6 : a.length === 16;
  return (
    (isFour(laddr, pcb) && isFour(other.laddr, other)) ||
    (isSix(laddr, pcb) && isSix(other.laddr, other))
  );
}
