/** What a program sets at a UDP socket: SOL_UDP, and SOL_UDPLITE. See udp(7), udplite(7). */
import { EINVAL, ENOPROTOOPT, type Errno } from "../../abi/errno.ts";
import {
  UDP_CORK,
  UDP_GRO,
  UDP_NO_CHECK6_RX,
  UDP_NO_CHECK6_TX,
  UDP_SEGMENT,
  UDPLITE_RECV_CSCOV,
  UDPLITE_SEND_CSCOV,
} from "../../abi/inet.ts";
import { intOf, intValue } from "../sockopt.ts";
import { UDP_HEADER_BYTES } from "./header.ts";

const MAX_SEGMENT = 0xffff;

export class UdpSettings {
  isCork = false;
  /** Datagrams of this size are cut from what is sent; 0: none. */
  segmentBytes = 0;
  /** Datagrams come one by one all the same: nothing here puts them together. */
  isGro = false;
  noCheck6Tx = false;
  noCheck6Rx = false;
  /** UDPLITE_SEND_CSCOV, UDPLITE_RECV_CSCOV; 0: all. */
  sendCoverage = 0;
  receiveCoverage = 0;

  /** At SOL_UDP: EINVAL, ENOPROTOOPT. */
  set(name: number, value: Uint8Array): number {
    if (value.length < 4) return EINVAL;
    const n = intOf(value);
    switch (name) {
      case UDP_CORK:
        this.isCork = n !== 0;
        return 0;
      case UDP_SEGMENT:
        if (n < 0 || n > MAX_SEGMENT) return EINVAL;
        this.segmentBytes = n;
        return 0;
      case UDP_GRO:
        this.isGro = n !== 0;
        return 0;
      case UDP_NO_CHECK6_TX:
        this.noCheck6Tx = n !== 0;
        return 0;
      case UDP_NO_CHECK6_RX:
        this.noCheck6Rx = n !== 0;
        return 0;
      default:
        return ENOPROTOOPT;
    }
  }

  get(name: number): Uint8Array | Errno {
    switch (name) {
      case UDP_CORK:
        return intValue(this.isCork ? 1 : 0);
      case UDP_SEGMENT:
        return intValue(this.segmentBytes);
      case UDP_GRO:
        return intValue(this.isGro ? 1 : 0);
      case UDP_NO_CHECK6_TX:
        return intValue(this.noCheck6Tx ? 1 : 0);
      case UDP_NO_CHECK6_RX:
        return intValue(this.noCheck6Rx ? 1 : 0);
      default:
        return ENOPROTOOPT;
    }
  }

  /** At SOL_UDPLITE. */
  setCoverage(name: number, value: Uint8Array): number {
    if (value.length < 4) return EINVAL;
    let n = intOf(value);
    if (name !== UDPLITE_SEND_CSCOV && name !== UDPLITE_RECV_CSCOV) return ENOPROTOOPT;
    // Less than the header is not allowed; more than there can be is all.
    if (n !== 0 && n < UDP_HEADER_BYTES) n = UDP_HEADER_BYTES;
    else if (n > 0xffff) n = 0xffff;
    if (name === UDPLITE_SEND_CSCOV) this.sendCoverage = n;
    else this.receiveCoverage = n;
    return 0;
  }

  getCoverage(name: number): Uint8Array | Errno {
    if (name === UDPLITE_SEND_CSCOV) return intValue(this.sendCoverage);
    return name === UDPLITE_RECV_CSCOV ? intValue(this.receiveCoverage) : ENOPROTOOPT;
  }
}
