/**
 * The options that every socket has: SOL_SOCKET of socket(7).
 *
 * What a protocol obeys is a field of its own; what programs only set and read
 * back is kept by number.
 */
import type { PacketFilter } from "./packetfilter.ts";
import type { NetTunables } from "./tunables.ts";

/** Least sizes of buffers; overhead of a small packet in Linux. */
const SOCK_MIN_SNDBUF = 4608;
const SOCK_MIN_RCVBUF = 2304;
/** Twice as much must still be an int. */
const BUF_MAX = 0x3fffffff;

export class SocketOptions {
  sndbuf: number;
  rcvbuf: number;
  rcvlowat = 1;
  rcvTimeoutNs = Number.POSITIVE_INFINITY;
  sndTimeoutNs = Number.POSITIVE_INFINITY;
  lingerSec = -1;
  passcred = false;
  /** 0, SO_TIMESTAMP or SO_TIMESTAMPNS. */
  timestamp = 0;
  /** SO_PEEK_OFF; -1: MSG_PEEK looks at the beginning. */
  peekOff = -1;
  /** SO_ATTACH_FILTER: which packets come in; and SO_LOCK_FILTER. */
  filter: PacketFilter | null = null;
  isFilterLocked = false;
  readonly kept = new Map<number, number>();

  constructor(tunables: NetTunables) {
    this.sndbuf = tunables.wmemDefault.get();
    this.rcvbuf = tunables.rmemDefault.get();
  }

  /** Twice what is asked for, as in Linux, where half of it is overhead. */
  setSndbuf(bytes: number): void {
    this.sndbuf = Math.max(2 * Math.min(Math.max(bytes, 0), BUF_MAX), SOCK_MIN_SNDBUF);
  }

  setRcvbuf(bytes: number): void {
    this.rcvbuf = Math.max(2 * Math.min(Math.max(bytes, 0), BUF_MAX), SOCK_MIN_RCVBUF);
  }
}
