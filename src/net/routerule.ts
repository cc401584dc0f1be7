/** Which routing table is asked for which packets. See ip-rule(8). */
import { ENOBUFS } from "../abi/errno.ts";
import { FR_ACT_TO_TBL, RT_TABLE_DEFAULT, RT_TABLE_LOCAL, RT_TABLE_MAIN } from "../abi/route.ts";
import type { KernelMemory } from "../kern/kmem.ts";
import { ANY, type InetAddr, isInPrefix, prefixOf } from "./address.ts";
import type { Ifnet } from "./ifnet.ts";

const MAX_RULES = 256;
/** What a rule takes of the kernel's memory, about. */
const RULE_BYTES = 512;

/** ip rule: packets that fit look into `table`. */
export interface RouteRule {
  readonly priority: number;
  /** FR_ACT_*. */
  readonly action: number;
  readonly table: number;
  readonly src: InetAddr;
  readonly srcBits: number;
  readonly dst: InetAddr;
  readonly dstBits: number;
  readonly iif: string;
  readonly oif: string;
  readonly mark: number;
  readonly markMask: number;
  readonly tos: number;
  readonly isInverted: boolean;
}

/** What is asked of the tables. */
export interface RouteKey {
  readonly dst: InetAddr;
  /** ANY while it is not chosen yet. */
  readonly src?: InetAddr;
  /** Only over this interface. */
  readonly oif?: Ifnet | null;
  /** For packets that came in: from here. */
  readonly iif?: Ifnet | null;
  readonly mark?: number;
  readonly tos?: number;
}

/** The rules of one family, by priority. */
export class RouteRules {
  /** There are more than there are from the beginning. */
  hasOwn = false;
  readonly #list: RouteRule[];
  /** Those of the beginning, which nobody pays for. */
  readonly #first: readonly RouteRule[];

  constructor(isV6: boolean) {
    this.#first = [plainRule(0, RT_TABLE_LOCAL), plainRule(32766, RT_TABLE_MAIN)];
    if (!isV6) this.#first = [...this.#first, plainRule(32767, RT_TABLE_DEFAULT)];
    this.#list = [...this.#first];
  }

  get all(): readonly RouteRule[] {
    return this.#list;
  }

  has(rule: RouteRule): boolean {
    return this.#list.some((r) => isSame(r, rule));
  }

  /** ENOBUFS. */
  add(rule: RouteRule, kmem: KernelMemory | null): number {
    if (this.#list.length >= MAX_RULES || kmem?.take(RULE_BYTES) === false) return ENOBUFS;
    let at = 0;
    while (at < this.#list.length && this.#list[at]!.priority <= rule.priority) at++;
    this.#list.splice(at, 0, rule);
    this.#changed();
    return 0;
  }

  remove(rule: RouteRule, kmem: KernelMemory | null): void {
    const at = this.#list.indexOf(rule);
    if (at < 0) return;
    this.#list.splice(at, 1);
    if (!this.#first.includes(rule)) kmem?.give(RULE_BYTES);
    this.#changed();
  }

  #changed(): void {
    this.hasOwn = this.#list.some((r) => r.priority > 0 && r.priority < 32766);
  }
}

function isSame(a: RouteRule, b: RouteRule): boolean {
  const keys = Object.keys(a) as (keyof RouteRule)[];
  return keys.every((k) => a[k] === b[k]);
}

function plainRule(priority: number, table: number): RouteRule {
  return {
    priority,
    action: FR_ACT_TO_TBL,
    table,
    src: ANY,
    srcBits: 0,
    dst: ANY,
    dstBits: 0,
    iif: "",
    oif: "",
    mark: 0,
    markMask: 0,
    tos: 0,
    isInverted: false,
  };
}

export function fits(rule: RouteRule, key: RouteKey): boolean {
  const r = rule;
  const is =
    (r.srcBits === 0 || isInPrefix(key.src ?? ANY, prefixOf(r.src, r.srcBits), r.srcBits)) &&
    (r.dstBits === 0 || isInPrefix(key.dst, prefixOf(r.dst, r.dstBits), r.dstBits)) &&
    (r.markMask === 0 || ((key.mark ?? 0) & r.markMask) === (r.mark & r.markMask)) &&
    (r.tos === 0 || r.tos === key.tos) &&
    (r.iif === "" || (key.iif ? key.iif.name === r.iif : r.iif === "lo")) &&
    (r.oif === "" || key.oif?.name === r.oif);
  return is !== r.isInverted;
}
