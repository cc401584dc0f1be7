/** The counters of UDP, or of UDP-Lite, in one network: the same fields for both families. See mib.ts. */
import { IPPROTO_UDP } from "../../abi/inet.ts";
import type { Mib, MibGroup } from "../mib.ts";

/** In the order of the groups. */
export const IN_DATAGRAMS = 0;
export const NO_PORTS = 1;
export const IN_ERRORS = 2;
export const OUT_DATAGRAMS = 3;
export const RCVBUF_ERRORS = 4;
export const IN_CSUM_ERRORS = 6;
export const IGNORED_MULTI = 7;

export class UdpCounters {
  readonly #v4: MibGroup;
  readonly #v6: MibGroup;

  constructor(mib: Mib, protocol: number) {
    this.#v4 = protocol === IPPROTO_UDP ? mib.udp : mib.udpLite;
    this.#v6 = protocol === IPPROTO_UDP ? mib.udp6 : mib.udpLite6;
  }

  count(is4: boolean, field: number): void {
    (is4 ? this.#v4 : this.#v6).values[field]!++;
  }
}
