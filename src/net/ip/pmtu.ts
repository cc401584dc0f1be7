/** What ICMP said about paths that do not carry packets as long as their first link: RFC 1191, RFC 8201. */
import type { InetAddr } from "../address.ts";
import type { NetStack } from "../netstack.ts";

const LIFETIME_NS = 600e9;
const MAX_KNOWN = 1024;
/** Less is not believed. */
const MIN_PMTU4 = 552;
const MIN_PMTU6 = 1280;

interface Learned {
  readonly mtu: number;
  readonly endNs: number;
}

export class PathMtus {
  readonly #known = new Map<InetAddr, Learned>();

  /** 0: nothing is known. */
  get(dst: InetAddr, nowNs: number): number {
    if (this.#known.size === 0) return 0;
    const l = this.#known.get(dst);
    if (!l) return 0;
    if (l.endNs > nowNs) return l.mtu;
    this.#known.delete(dst);
    return 0;
  }

  /** Takes note, if it is less than what is known. True if something changed. */
  learn(dst: InetAddr, mtu: number, nowNs: number): boolean {
    const least = dst.length === 4 ? MIN_PMTU4 : MIN_PMTU6;
    const believed = Math.max(mtu, least);
    const old = this.get(dst, nowNs);
    if (old !== 0 && old <= believed) return false;
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(dst, { mtu: believed, endNs: nowNs + LIFETIME_NS });
    return true;
  }

  isExpired(dst: InetAddr, nowNs: number): boolean {
    const l = this.#known.get(dst);
    return l !== undefined && l.endNs <= nowNs;
  }

  get isEmpty(): boolean {
    return this.#known.size === 0;
  }
}

/** False when what was learned of the path to `dst` has grown old. */
export function isFreshPmtu(stack: NetStack, dst: InetAddr): boolean {
  return stack.pmtu.isEmpty || !stack.pmtu.isExpired(dst, stack.nowNs());
}
