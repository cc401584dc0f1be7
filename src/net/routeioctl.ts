/** SIOCADDRT and SIOCDELRT: IPv4 routes as route(8) sets them, struct rtentry. */
import {
  EAFNOSUPPORT,
  EFAULT,
  EINVAL,
  ENETUNREACH,
  ENODEV,
  type Errno,
  ESRCH,
  failed,
} from "../abi/errno.ts";
import * as io from "../abi/ifioctl.ts";
import {
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
  RTN_UNICAST,
  RTN_UNREACHABLE,
  RTPROT_BOOT,
} from "../abi/route.ts";
import { AF_INET } from "../abi/socket.ts";
import { byteString } from "../lib/bytes.ts";
import type { UserMemory } from "../vm/usermem.ts";
import { ANY, ANY4, type InetAddr, netmask4, num4, prefixOf, readAddr } from "./address.ts";
import type { Ifnet } from "./ifnet.ts";
import type { NetStack } from "./netstack.ts";
import { RouteEntry } from "./routeentry.ts";

const IFNAMSIZ = 16;

interface Asked {
  readonly dst: InetAddr;
  readonly bits: number;
  readonly gateway: InetAddr;
  readonly ifp: Ifnet | null;
  readonly flags: number;
  readonly metric: number;
  readonly mtu: number;
}

export function routeIoctl(stack: NetStack, isAdd: boolean, arg: number, mem: UserMemory): number {
  const asked = load(stack, arg, mem);
  if (failed(asked)) return asked;
  return isAdd ? addRoute(stack, asked) : removeRoute(stack, asked);
}

function load(stack: NetStack, arg: number, mem: UserMemory): Asked | Errno {
  const bytes = new Uint8Array(io.RTENTRY_BYTES);
  if (failed(mem.copyin(arg, bytes))) return EFAULT;
  const view = new DataView(bytes.buffer);
  const family = (at: number): number => view.getUint16(at, true);
  if (family(io.RT_DST) !== AF_INET) return EAFNOSUPPORT;
  const flags = view.getUint16(io.RT_FLAGS, true);
  const mask = readAddr(bytes, io.RT_GENMASK + 4, 4);
  const isHost = (flags & io.RTF_HOST) !== 0;
  const bits = isHost ? 32 : Math.clz32(~num4(mask));
  if (!isHost && netmask4(bits) !== mask) return EINVAL;
  const dst = readAddr(bytes, io.RT_DST + 4, 4);
  if (prefixOf(dst, bits) !== dst) return EINVAL;
  let ifp: Ifnet | null = null;
  const device = Number(view.getBigUint64(io.RT_DEV, true));
  if (device !== 0) {
    const name = new Uint8Array(IFNAMSIZ);
    if (failed(mem.copyin(device, name.subarray(0, 1)))) return EFAULT;
    // A short name may lie at the end of a page.
    for (let i = 0; i < IFNAMSIZ - 1; i++) {
      if (failed(mem.copyin(device + i, name.subarray(i, i + 1)))) return EFAULT;
      if (name[i] === 0) break;
    }
    const end = name.indexOf(0);
    ifp = stack.byName(byteString(name, 0, end).split(":")[0]!);
    if (!ifp) return ENODEV;
  }
  const isGateway = (flags & io.RTF_GATEWAY) !== 0 && family(io.RT_GATEWAY) === AF_INET;
  const gateway = isGateway ? readAddr(bytes, io.RT_GATEWAY + 4, 4) : ANY;
  return {
    dst,
    bits,
    gateway: gateway === ANY4 ? ANY : gateway,
    ifp,
    flags,
    // Programs count from 1.
    metric: Math.max(0, view.getInt16(io.RT_METRIC, true) - 1),
    mtu: (flags & io.RTF_MTU) !== 0 ? Number(view.getBigUint64(io.RT_MTU, true)) % 2 ** 32 : 0,
  };
}

function addRoute(stack: NetStack, asked: Asked): number {
  const { gateway, flags, metric, mtu, dst, bits } = asked;
  const common = { dst, bits, metric, mtu, table: RT_TABLE_MAIN, protocol: RTPROT_BOOT } as const;
  if ((flags & io.RTF_REJECT) !== 0) {
    return stack.fib4.add(
      new RouteEntry({ ...common, type: RTN_UNREACHABLE, scope: RT_SCOPE_HOST, ifp: null }),
    );
  }
  let { ifp } = asked;
  if (gateway !== ANY) {
    if (stack.isLocal(gateway)) return EINVAL;
    const found = stack.fib4.lookup({ dst: gateway, oif: ifp });
    if (failed(found) || !found.ifp || found.scope < RT_SCOPE_LINK) return ENETUNREACH;
    ifp = found.ifp;
  }
  if (!ifp) return ENODEV;
  const scope = gateway === ANY ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  return stack.fib4.add(new RouteEntry({ ...common, type: RTN_UNICAST, scope, gateway, ifp }));
}

function removeRoute(stack: NetStack, asked: Asked): number {
  for (const e of stack.fib4.at(RT_TABLE_MAIN, asked.dst, asked.bits)) {
    const fits =
      (asked.ifp === null || asked.ifp === e.ifp) &&
      (asked.gateway === ANY || asked.gateway === e.gateway) &&
      (asked.metric === 0 || asked.metric === e.metric);
    if (fits) return stack.fib4.remove(e);
  }
  return ESRCH;
}
