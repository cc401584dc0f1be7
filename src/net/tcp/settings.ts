/**
 * What a program set for a connection by setsockopt(2): TCP_* and what of
 * SOL_SOCKET concerns the protocol. A connection that is accepted begins with a
 * copy of its listener's. See tcp(7).
 */
import type { TcpTunables } from "./tunables.ts";

export class TcpSettings {
  isNodelay = false;
  isCork = false;
  /** TCP_QUICKACK as it was set last: true unless delayed acknowledgements were asked for. */
  isQuickack = true;
  isKeepalive = false;
  isOobInline = false;
  /** SO_SNDBUF and SO_RCVBUF were set: they stay as they are. */
  isSndbufLocked = false;
  isRcvbufLocked = false;
  keepIdleSec = 0;
  keepIntvlSec = 0;
  keepCount = 0;
  /** 0: what tcp_syn_retries says; likewise the others. */
  synRetries = 0;
  userTimeoutMs = 0;
  /** Seconds; -1: FIN-WAIT-2 is left at once. */
  linger2Sec = 0;
  deferAcceptSec = 0;
  windowClamp = 0;
  maxseg = 0;
  notsentLowat = 0;
  congestion: string;

  constructor(tunables: TcpTunables) {
    this.congestion = tunables.congestion.name;
  }

  copyFrom(other: TcpSettings): void {
    Object.assign(this, other);
  }
}
