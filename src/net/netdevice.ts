/** What /sys/class/net/IF says of an interface. See sysfs(5), Linux Documentation/ABI/testing/sysfs-class-net. */
import { EINVAL, type Errno } from "../abi/errno.ts";
import type { NetDevice } from "../vfs/netdevices.ts";
import { printEther } from "./ether/address.ts";
import type { Ifnet } from "./ifnet.ts";

const NET_NAME_USER = 3;
const NET_NAME_ENUM = 2;
const NET_ADDR_RANDOM = 1;

type Reader = (ifp: Ifnet) => string | number | Errno;

const READERS: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ["addr_assign_type", (ifp) => (ifp.kind === "" ? 0 : NET_ADDR_RANDOM)],
  ["addr_len", (ifp) => ifp.hwaddr.length],
  ["address", (ifp) => printEther(ifp.hwaddr)],
  ["broadcast", (ifp) => printEther(ifp.hwbroadcast)],
  ["carrier", (ifp) => (ifp.isUp ? Number(ifp.hasCarrier) : EINVAL)],
  ["carrier_changes", (ifp) => ifp.carrierUps + ifp.carrierDowns],
  ["carrier_down_count", (ifp) => ifp.carrierDowns],
  ["carrier_up_count", (ifp) => ifp.carrierUps],
  ["dev_id", () => "0x0"],
  ["dev_port", () => 0],
  ["dormant", (ifp) => (ifp.isUp ? 0 : EINVAL)],
  ["duplex", (ifp) => (ifp.kind === "veth" && ifp.isUp ? "full" : EINVAL)],
  ["flags", (ifp) => `0x${(ifp.flags & 0xffff).toString(16)}`],
  ["gro_flush_timeout", () => 0],
  ["ifalias", (ifp) => ifp.alias],
  ["ifindex", (ifp) => ifp.index],
  ["iflink", (ifp) => ifp.link || ifp.index],
  ["link_mode", () => 0],
  ["mtu", (ifp) => ifp.mtu],
  ["name_assign_type", (ifp) => (ifp.kind === "" ? NET_NAME_ENUM : NET_NAME_USER)],
  ["napi_defer_hard_irqs", () => 0],
  ["netdev_group", (ifp) => ifp.group],
  ["operstate", (ifp) => (ifp.isUp ? ifp.operstate : "down")],
  ["proto_down", () => 0],
  ["speed", (ifp) => (ifp.kind === "veth" && ifp.isUp ? 10000 : EINVAL)],
  ["testing", (ifp) => (ifp.isUp ? 0 : EINVAL)],
  ["threaded", () => 0],
  ["tx_queue_len", (ifp) => ifp.txQueueLen],
  ["type", (ifp) => ifp.type],
  ["uevent", (ifp) => `${devtypeOf(ifp)}INTERFACE=${ifp.name}\nIFINDEX=${ifp.index}`],
  ["statistics/collisions", (ifp) => ifp.counters.collisions],
  ["statistics/multicast", (ifp) => ifp.counters.multicast],
  ["statistics/rx_bytes", (ifp) => ifp.counters.rxBytes],
  ["statistics/rx_compressed", () => 0],
  ["statistics/rx_crc_errors", () => 0],
  ["statistics/rx_dropped", (ifp) => ifp.counters.rxDropped],
  ["statistics/rx_errors", (ifp) => ifp.counters.rxErrors],
  ["statistics/rx_fifo_errors", () => 0],
  ["statistics/rx_frame_errors", () => 0],
  ["statistics/rx_length_errors", () => 0],
  ["statistics/rx_missed_errors", () => 0],
  ["statistics/rx_nohandler", (ifp) => ifp.counters.rxNohandler],
  ["statistics/rx_over_errors", () => 0],
  ["statistics/rx_packets", (ifp) => ifp.counters.rxPackets],
  ["statistics/tx_aborted_errors", () => 0],
  ["statistics/tx_bytes", (ifp) => ifp.counters.txBytes],
  ["statistics/tx_carrier_errors", () => 0],
  ["statistics/tx_compressed", () => 0],
  ["statistics/tx_dropped", (ifp) => ifp.counters.txDropped],
  ["statistics/tx_errors", (ifp) => ifp.counters.txErrors],
  ["statistics/tx_fifo_errors", () => 0],
  ["statistics/tx_heartbeat_errors", () => 0],
  ["statistics/tx_packets", (ifp) => ifp.counters.txPackets],
  ["statistics/tx_window_errors", () => 0],
]);
const NAMES: readonly string[] = [...READERS.keys()];

function devtypeOf(ifp: Ifnet): string {
  return ifp.kind === "bridge" ? "DEVTYPE=bridge\n" : "";
}

export class InterfaceView implements NetDevice {
  readonly #ifp: Ifnet;
  readonly attributes = NAMES;

  constructor(ifp: Ifnet) {
    this.#ifp = ifp;
  }

  get name(): string {
    return this.#ifp.name;
  }

  attribute(name: string): string | Errno {
    const value = READERS.get(name)!(this.#ifp);
    return value === EINVAL ? EINVAL : `${value}\n`;
  }
}
