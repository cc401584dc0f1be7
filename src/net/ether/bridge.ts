/**
 * bridge: an Ethernet switch of ports, which is itself an interface of this host. See bridge(8), IEEE 802.1D.
 *
 * Who was heard at which port is remembered for five minutes; frames for strangers
 * and for many go to all other ports. There is no spanning tree: loops are the administrator's.
 */
import { EBUSY, EINVAL, ELOOP } from "../../abi/errno.ts";
import { PACKET_HOST, PACKET_OTHERHOST } from "../../abi/netdevice.ts";
import { byteString } from "../../lib/bytes.ts";
import type { Ifnet } from "../ifnet.ts";
import type { Mbuf } from "../mbuf.ts";
import type { ExtAck } from "../netlink/extack.ts";
import type { NetlinkWriter } from "../netlink/writer.ts";
import type { NetStack } from "../netstack.ts";
import { ETHER_BYTES, isGroupAddress } from "./address.ts";
import { ETHER_HEADER, EtherIf } from "./etherif.ts";

const MAX_PORTS = 1024;
const MAX_STATIONS = 4096;
const STATION_BYTES = 192;
const AGEING_NS = 300e9;
const MAX_MTU = 65535;
/** IFLA_BR_*: number, bytes, value: Linux's for a bridge without a spanning tree, in hundredths of a second. */
const DATA: readonly (readonly [number, number, number])[] = [
  [1, 4, 1500],
  [2, 4, 200],
  [3, 4, 2000],
  [4, 4, 30000],
  [5, 4, 0],
  [6, 2, 32768],
  [7, 1, 0],
];
const PORT_FORWARDING = 3;
const IFLA_BRPORT_STATE = 1;

interface Station {
  readonly port: EtherIf;
  readonly seenNs: number;
}

export class Bridge extends EtherIf {
  override readonly kind = "bridge";
  readonly ports = new Set<EtherIf>();
  readonly #stations = new Map<string, Station>();

  constructor(stack: NetStack) {
    super(stack, undefined, MAX_MTU);
    this.hasCarrier = false;
    this.operstate = "down";
  }

  override infoData(w: NetlinkWriter): void {
    for (const [type, size, value] of DATA) {
      if (size === 4) w.u32(type, value);
      else if (size === 2) w.u16(type, value);
      else w.u8(type, value);
    }
  }

  override slaveData(w: NetlinkWriter): void {
    w.u8(IFLA_BRPORT_STATE, PORT_FORWARDING);
  }

  override enslave(port: Ifnet, ack: ExtAck): number {
    if (port.master) return EBUSY;
    if (port instanceof Bridge) return ack.fail(ELOOP, "Can not enslave a bridge to a bridge");
    if (!(port instanceof EtherIf) || this.ports.size >= MAX_PORTS) return EINVAL;
    this.ports.add(port);
    port.master = this;
    port.promiscuity++;
    this.#portsChanged();
    this.stack.linkTouched(port);
    return 0;
  }

  override release(port: Ifnet): void {
    if (!this.ports.delete(port as EtherIf)) return;
    port.master = null;
    port.promiscuity--;
    for (const [mac, s] of this.#stations) if (s.port === port) this.#forget(mac);
    this.#portsChanged();
    port.stack.linkTouched(port);
  }

  override flagsChanged(): void {
    super.flagsChanged();
    this.#setCarrier();
  }

  /** A port came up, went down, came or went. */
  #portsChanged(): void {
    if (this.#setCarrier()) this.stack.linkTouched(this);
  }

  override portChanged(): void {
    this.#portsChanged();
  }

  #setCarrier(): boolean {
    const had = this.hasCarrier;
    this.hasCarrier = [...this.ports].some((p) => p.isUp && p.hasCarrier);
    this.operstate = this.hasCarrier ? "up" : "down";
    if (had === this.hasCarrier) return false;
    if (had) this.carrierDowns++;
    else this.carrierUps++;
    return true;
  }

  /** A frame that came to a port; `m.off` is behind its header. */
  override portInput(from: Ifnet, m: Mbuf): void {
    if (!this.isUp || m.linkBytes !== ETHER_HEADER) return;
    m.off -= ETHER_HEADER;
    const { head, off } = m;
    const to = head.subarray(off, off + ETHER_BYTES);
    const source = head.subarray(off + ETHER_BYTES, off + 2 * ETHER_BYTES);
    if (!isGroupAddress(source)) this.#learn(source, from as EtherIf);
    if (isGroupAddress(to)) {
      this.#flood(m, from as EtherIf);
      this.receiveFrame(m);
      return;
    }
    if (m.type === PACKET_HOST || to.every((b, i) => b === this.hwaddr[i])) {
      this.receiveFrame(m);
      return;
    }
    const port = this.#stationOf(to);
    if (port) {
      if (port !== from) this.#forward(m, port);
    } else this.#flood(m, from as EtherIf);
  }

  protected transmitFrame(m: Mbuf): void {
    const to = m.head.subarray(m.off, m.off + ETHER_BYTES);
    const port = isGroupAddress(to) ? null : this.#stationOf(to);
    if (port) this.#forward(m, port);
    else this.#flood(m, null);
  }

  #learn(mac: Uint8Array, port: EtherIf): void {
    const key = byteString(mac);
    if (!this.#stations.has(key)) {
      if (this.#stations.size >= MAX_STATIONS) {
        const [oldest] = this.#stations.keys();
        if (oldest !== undefined) this.#forget(oldest);
      }
      if (!this.stack.kmem.take(STATION_BYTES)) return;
    }
    this.#stations.delete(key);
    this.#stations.set(key, { port, seenNs: this.stack.nowNs() });
  }

  #forget(mac: string): void {
    if (this.#stations.delete(mac)) this.stack.kmem.give(STATION_BYTES);
  }

  #stationOf(mac: Uint8Array): EtherIf | null {
    const s = this.#stations.get(byteString(mac));
    return s && this.stack.nowNs() - s.seenNs < AGEING_NS ? s.port : null;
  }

  #flood(m: Mbuf, from: EtherIf | null): void {
    for (const port of this.ports) if (port !== from && port.isUp) this.#forward(m.clone(), port);
  }

  #forward(m: Mbuf, port: EtherIf): void {
    if (!port.isUp || m.length > port.mtu + ETHER_HEADER) return;
    m.type = PACKET_OTHERHOST;
    port.sendFrame(m);
  }

  override detached(): void {
    for (const port of [...this.ports]) this.release(port);
    super.detached();
  }
}
