/**
 * lo: what is sent comes in again. See lo(4).
 *
 * No checksum is computed or looked at: the bytes have been nowhere.
 */
import { ARPHRD_LOOPBACK, IFF_LOOPBACK, PACKET_HOST } from "../abi/netdevice.ts";
import { ANY, type InetAddr } from "./address.ts";
import { Ifnet } from "./ifnet.ts";
import { CSUM_GOOD, CSUM_NONE, type Mbuf } from "./mbuf.ts";

const ETHER_HEADER_BYTES = 14;
const ETHER_TYPE_OFFSET = 12;

export class Loopback extends Ifnet {
  constructor() {
    super({
      name: "lo",
      type: ARPHRD_LOOPBACK,
      flags: IFF_LOOPBACK,
      mtu: 65536,
      minMtu: 0,
      maxMtu: 0x7fffffff,
      hwaddr: new Uint8Array(6),
      hwbroadcast: new Uint8Array(6),
    });
  }

  override get isLoopback(): boolean {
    return true;
  }

  /** What packet sockets take for its header is not kept. */
  override sendFrame(m: Mbuf): number {
    m.family = m.view.getUint16(m.off + ETHER_TYPE_OFFSET);
    m.adj(ETHER_HEADER_BYTES);
    return this.transmit(m, ANY);
  }

  protected transmit(m: Mbuf, _nextHop: InetAddr): number {
    this.tapOutput(m);
    const { counters } = this;
    const { length } = m;
    counters.txPackets++;
    counters.txBytes += length;
    counters.rxBytes += length;
    m.type = PACKET_HOST;
    if (m.csum !== CSUM_NONE) m.csum = CSUM_GOOD;
    this.receive(m);
    return 0;
  }
}
