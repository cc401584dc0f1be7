/** /proc/net/route, ipv6_route, fib_trie: routing tables. See proc_net(5), route(8). */
import {
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTN_BLACKHOLE,
  RTN_LOCAL,
  RTN_PROHIBIT,
  RTN_THROW,
  RTN_UNICAST,
  RTN_UNREACHABLE,
} from "../../abi/route.ts";
import { ANY, netmask4, printAddr } from "../address.ts";
import type { NetStack } from "../netstack.ts";
import type { RouteEntry } from "../routeentry.ts";
import { bytes, hex, hexUpper, word4 } from "./format.ts";

const RTF_UP = 0x1;
const RTF_GATEWAY = 0x2;
const RTF_HOST = 0x4;
const RTF_REJECT = 0x200;
const RTF_NONEXTHOP = 0x00200000;
const RTF_LOCAL = 0x80000000;
/** Lines of /proc/net/route are as long as this. */
const LINE = 127;

const REFUSING: ReadonlySet<number> = new Set([RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT]);

export function route(stack: NetStack): string {
  const head =
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";
  let s = `${head.padEnd(LINE)}\n`;
  for (const e of stack.fib4.entries(RT_TABLE_MAIN)) {
    if (e.type !== RTN_UNICAST && !REFUSING.has(e.type)) continue;
    let flags = RTF_UP;
    if (e.gateway !== ANY) flags |= RTF_GATEWAY;
    if (e.bits === 32) flags |= RTF_HOST;
    if (e.type === RTN_UNREACHABLE || e.type === RTN_PROHIBIT) flags = RTF_REJECT;
    const gateway = e.gateway.length === 4 ? e.gateway : ANY;
    const line =
      `${e.ifp?.name ?? "*"}\t${word4(e.dst)}\t${word4(gateway)}\t${hexUpper(flags, 4)}\t0\t0\t${e.metric}\t` +
      `${word4(netmask4(e.bits))}\t${e.mtu}\t0\t0`;
    s += `${line.padEnd(LINE)}\n`;
  }
  return s;
}

export function ipv6Route(stack: NetStack): string {
  let s = "";
  const none = `${"0".repeat(32)} 00 ${"0".repeat(32)} 00 ${"0".repeat(32)} ffffffff 00000001 00000000 00200200       lo\n`;
  for (const table of [RT_TABLE_MAIN, RT_TABLE_LOCAL]) {
    for (const e of stack.fib6.entries(table)) s += line6(e);
    s += none;
  }
  return s;
}

function line6(e: RouteEntry): string {
  let flags = RTF_UP;
  if (e.gateway !== ANY) flags |= RTF_GATEWAY;
  if (e.bits === 128 && e.type !== RTN_LOCAL) flags |= RTF_HOST;
  if (e.type === RTN_LOCAL) flags |= RTF_LOCAL | RTF_NONEXTHOP;
  if (REFUSING.has(e.type) || e.type === RTN_THROW) flags |= RTF_REJECT | RTF_NONEXTHOP;
  const device = (e.ifp?.name ?? "lo").padStart(8);
  return (
    `${bytes(e.dst, 16)} ${hex(e.bits, 2)} ${"0".repeat(32)} 00 ${bytes(e.gateway, 16)} ` +
    `${hex(e.metric, 8)} 00000001 00000000 ${hex(flags, 8)} ${device}\n`
  );
}

const TYPES = [
  "UNSPEC",
  "UNICAST",
  "LOCAL",
  "BROADCAST",
  "ANYCAST",
  "MULTICAST",
  "BLACKHOLE",
  "UNREACHABLE",
  "PROHIBIT",
  "THROW",
];
const SCOPES: ReadonlyMap<number, string> = new Map([
  [0, "universe"],
  [200, "site"],
  [253, "link"],
  [254, "host"],
  [255, "nowhere"],
]);

/** The prefixes as leaves of one level: there is no trie here, and its inner nodes mean nothing to programs. */
export function fibTrie(stack: NetStack): string {
  let s = "";
  // Linux keeps the two in one, as long as there are no rules, and shows it twice.
  const leaves = new Map<string, RouteEntry[]>();
  for (const table of [RT_TABLE_LOCAL, RT_TABLE_MAIN]) {
    for (const e of stack.fib4.entries(table)) {
      const at = leaves.get(e.dst);
      if (at) at.push(e);
      else leaves.set(e.dst, [e]);
    }
  }
  const sorted = [...leaves].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const name of ["Main", "Local"]) {
    s += `${name}:\n`;
    if (sorted.length === 0) continue;
    s += "  +-- 0.0.0.0/0 3 0 5\n";
    for (const [dst, entries] of sorted) {
      s += `     |-- ${printAddr(dst)}\n`;
      for (const e of entries) {
        const scope = SCOPES.get(e.scope) ?? `scope=${e.scope}`;
        s += `        /${e.bits} ${scope} ${TYPES[e.type] ?? `type ${e.type}`}\n`;
      }
    }
  }
  return s;
}
