/**
 * The filters that ss(8) sends with a request for sockets of IP: a small program per socket.
 *
 * It was checked whole before it runs: every step goes forward, inside the
 * program or just past its end, which is "yes". Source: Linux net/ipv4/inet_diag.c.
 */
import * as d from "../../../abi/sockdiag.ts";
import { AF_INET, AF_INET6 } from "../../../abi/socket.ts";
import { type InetAddr, isInPrefix, mapped, prefixOf, readAddr } from "../../address.ts";

const OP_BYTES = 4;
const HOSTCOND_BYTES = 8;
const MARKCOND_BYTES = 8;
const MAX_BYTES = 65536;

/** What a filter asks about. */
export interface Filtered {
  readonly family: number;
  readonly laddr: InetAddr;
  readonly lport: number;
  readonly faddr: InetAddr;
  readonly fport: number;
  readonly ifindex: number;
  readonly mark: number;
  readonly isPortChosen: boolean;
}

export class InetFilter {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Null: it makes no sense. */
  static check(bytes: Uint8Array): InetFilter | null {
    if (bytes.length > MAX_BYTES) return null;
    const filter = new InetFilter(bytes.slice());
    return filter.#isSound() ? filter : null;
  }

  #isSound(): boolean {
    const view = this.#view;
    const end = this.#bytes.length;
    // Every place that a step may lead to must be the beginning of an instruction.
    const starts = new Set<number>([end]);
    const targets = new Set<number>();
    for (let at = 0; at < end; ) {
      if (end - at < OP_BYTES) return false;
      starts.add(at);
      const code = view.getUint8(at);
      const yes = view.getUint8(at + 1);
      const no = view.getUint16(at + 2, true);
      const least = this.#sizeOf(at, code);
      if (least === 0 || end - at < least) return false;
      if (code !== d.INET_DIAG_BC_NOP) {
        if (no < OP_BYTES || no > end - at + OP_BYTES || (no & 3) !== 0) return false;
        // One past the end means "no".
        if (no <= end - at) targets.add(at + no);
      }
      if (yes < least || yes > end - at || (yes & 3) !== 0) return false;
      at += yes;
    }
    return [...targets].every((t) => starts.has(t));
  }

  /** Bytes of an instruction with its operands; 0 for none that is known. */
  #sizeOf(at: number, code: number): number {
    switch (code) {
      case d.INET_DIAG_BC_NOP:
      case d.INET_DIAG_BC_JMP:
      case d.INET_DIAG_BC_AUTO:
        return OP_BYTES;
      case d.INET_DIAG_BC_S_GE:
      case d.INET_DIAG_BC_S_LE:
      case d.INET_DIAG_BC_D_GE:
      case d.INET_DIAG_BC_D_LE:
      case d.INET_DIAG_BC_S_EQ:
      case d.INET_DIAG_BC_D_EQ:
      case d.INET_DIAG_BC_DEV_COND:
        return 2 * OP_BYTES;
      case d.INET_DIAG_BC_MARK_COND:
        return OP_BYTES + MARKCOND_BYTES;
      case d.INET_DIAG_BC_S_COND:
      case d.INET_DIAG_BC_D_COND: {
        if (this.#bytes.length - at < OP_BYTES + HOSTCOND_BYTES) return 0;
        const family = this.#bytes[at + OP_BYTES]!;
        const bits = this.#bytes[at + OP_BYTES + 1]!;
        const size = family === AF_INET ? 4 : family === AF_INET6 ? 16 : 0;
        if (family !== 0 && size === 0) return 0;
        return bits > size * 8 ? 0 : OP_BYTES + HOSTCOND_BYTES + size;
      }
      default:
        return 0;
    }
  }

  matches(s: Filtered): boolean {
    const view = this.#view;
    const end = this.#bytes.length;
    let at = 0;
    while (at < end) {
      const code = view.getUint8(at);
      at += this.#holds(s, at, code) ? view.getUint8(at + 1) : view.getUint16(at + 2, true);
    }
    return at === end;
  }

  #holds(s: Filtered, at: number, code: number): boolean {
    const view = this.#view;
    const port = (): number => view.getUint16(at + OP_BYTES + 2, true);
    switch (code) {
      case d.INET_DIAG_BC_JMP:
        return false;
      case d.INET_DIAG_BC_S_GE:
        return s.lport >= port();
      case d.INET_DIAG_BC_S_LE:
        return s.lport <= port();
      case d.INET_DIAG_BC_S_EQ:
        return s.lport === port();
      case d.INET_DIAG_BC_D_GE:
        return s.fport >= port();
      case d.INET_DIAG_BC_D_LE:
        return s.fport <= port();
      case d.INET_DIAG_BC_D_EQ:
        return s.fport === port();
      case d.INET_DIAG_BC_AUTO:
        return s.isPortChosen;
      case d.INET_DIAG_BC_DEV_COND:
        return s.ifindex === view.getUint32(at + OP_BYTES, true);
      case d.INET_DIAG_BC_MARK_COND: {
        const mark = view.getUint32(at + OP_BYTES, true);
        return (s.mark & view.getUint32(at + OP_BYTES + 4, true)) >>> 0 === mark;
      }
      case d.INET_DIAG_BC_S_COND:
        return this.#isHost(at + OP_BYTES, s.family, s.laddr, s.lport);
      case d.INET_DIAG_BC_D_COND:
        return this.#isHost(at + OP_BYTES, s.family, s.faddr, s.fport);
      default:
        return true;
    }
  }

  /** struct inet_diag_hostcond: a prefix, a port, or both. */
  #isHost(at: number, family: number, addr: InetAddr, port: number): boolean {
    const view = this.#view;
    const wanted = view.getInt32(at + 4, true);
    if (wanted !== -1 && wanted !== port) return false;
    const bits = this.#bytes[at + 1]!;
    const kind = this.#bytes[at]!;
    if (bits === 0) return kind === 0 || kind === family || isBoth(kind, family, addr);
    const size = kind === AF_INET ? 4 : 16;
    const prefix = prefixOf(readAddr(this.#bytes, at + HOSTCOND_BYTES, size), bits);
    const own = size === 16 ? mapped(addr) : addr;
    const whole = own === "" ? "\0".repeat(size) : own;
    return isInPrefix(whole, prefix, bits);
  }
}

/** An IPv6 socket that speaks IPv4. */
function isBoth(kind: number, family: number, addr: InetAddr): boolean {
  return kind === AF_INET && family === AF_INET6 && addr.length === 4;
}
