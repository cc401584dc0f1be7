/** AF_INET and AF_INET6: which protocol makes which socket. See ip(7), ipv6(7), socket(2). */
import {
  EINVAL,
  EOPNOTSUPP,
  EPROTONOSUPPORT,
  type Errno,
  ESOCKTNOSUPPORT,
  failed,
} from "../../abi/errno.ts";
import { IPPROTO_MAX } from "../../abi/inet.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Domain } from "../../vfs/domain.ts";
import type { File } from "../../vfs/file.ts";
import type { Network } from "../network.ts";
import { SocketFile } from "../socketfile.ts";

export class InetDomain implements Domain {
  readonly family: number;
  readonly #network: Network;

  constructor(family: number, network: Network) {
    this.family = family;
    this.#network = network;
  }

  socket(td: Thread, type: number, protocol: number): File | Errno {
    if (protocol < 0 || protocol >= IPPROTO_MAX) return EINVAL;
    const ofType = this.#network.makers.filter((maker) => maker.types.includes(type));
    if (ofType.length === 0) return ESOCKTNOSUPPORT;
    const maker = ofType.find((mk) => mk.takes(this.family, type, protocol));
    if (!maker) return EPROTONOSUPPORT;
    const s = maker.socket(td, this.#network.stackOf(td), this.family, type, protocol);
    return failed(s) ? s : new SocketFile(td, s, this.#network.sockfs);
  }

  pair(td: Thread, type: number, protocol: number): readonly [File, File] | Errno {
    const fp = this.socket(td, type, protocol);
    if (failed(fp)) return fp;
    fp.release();
    return EOPNOTSUPP;
  }
}
