/** NETLINK_SOCK_DIAG: what sockets there are, as ss(8) asks. See sock_diag(7). */
import { EINVAL, ENOENT } from "../../../abi/errno.ts";
import { NETLINK_SOCK_DIAG, NLM_F_DUMP } from "../../../abi/netlink.ts";
import { DCCPDIAG_GETSOCK, SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK } from "../../../abi/sockdiag.ts";
import {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  AF_PACKET,
  AF_UNIX,
  SO_MEMINFO_VARS,
} from "../../../abi/socket.ts";
import type { Socket } from "../../socket.ts";
import type { UnixDomain } from "../../unix/domain.ts";
import type { NetlinkProtocol } from "../protocol.ts";
import type { Request } from "../request.ts";
import { dumpInet, getInet } from "./inetdiag.ts";
import { dumpNetlink } from "./netlinkdiag.ts";
import { dumpPacket } from "./packetdiag.ts";
import { dumpUnix, getUnix } from "./unixdiag.ts";

const GROUPS = 32;

export class SockDiagProtocol implements NetlinkProtocol {
  readonly protocol = NETLINK_SOCK_DIAG;
  readonly groups = GROUPS;
  readonly mayAnyoneListen = true;
  readonly mayAnyoneSend = false;
  readonly hasKernelEnd = true;
  readonly #unix: UnixDomain;

  constructor(unix: UnixDomain) {
    this.#unix = unix;
  }

  serve(request: Request): number {
    // How TCP and DCCP were asked for of old: as of a kernel that has forgotten.
    if (request.type === TCPDIAG_GETSOCK || request.type === DCCPDIAG_GETSOCK) return ENOENT;
    if (request.type !== SOCK_DIAG_BY_FAMILY || request.payloadBytes < 2) return EINVAL;
    const isDump = (request.flags & NLM_F_DUMP) !== 0;
    switch (request.bytes[request.fixed(1)]) {
      case AF_INET:
      case AF_INET6:
        return isDump ? dumpInet(request) : getInet(request);
      case AF_UNIX:
        return isDump ? dumpUnix(request, this.#unix) : getUnix(request, this.#unix);
      case AF_NETLINK:
        return isDump ? dumpNetlink(request) : ENOENT;
      case AF_PACKET:
        return isDump ? dumpPacket(request) : EINVAL;
      default:
        return ENOENT;
    }
  }
}

/** SK_MEMINFO_*: what waits and what may. */
export function memInfo(s: Socket, rmem: number, wmem: number, drops: number): Uint8Array {
  const words = new Uint32Array(SO_MEMINFO_VARS);
  words[0] = rmem;
  words[1] = s.options.rcvbuf;
  words[2] = wmem;
  words[3] = s.options.sndbuf;
  words[5] = wmem;
  words[8] = drops;
  return new Uint8Array(words.buffer);
}
