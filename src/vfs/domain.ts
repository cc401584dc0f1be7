/**
 * Protocol families, as the rest of the kernel knows them: makers of sockets.
 *
 * net/ implements them, boot/ registers them with the Vfs, socket(2) asks them;
 * procfs shows their tables as /proc/net. See domain(9), socket(2).
 */
import type { Errno } from "../abi/errno.ts";
import type { Thread } from "../kern/thread.ts";
import type { File } from "./file.ts";
import type { NetDevices } from "./netdevices.ts";
import type { NetMaker, NetNamespace } from "./netns.ts";

export interface Domain {
  /** AF_*. */
  readonly family: number;
  /** A socket of SOCK_* `type`: ESOCKTNOSUPPORT, EPROTONOSUPPORT, ENFILE and the like. */
  socket(td: Thread, type: number, protocol: number): File | Errno;
  /** Two that are connected; EOPNOTSUPP where there is no such thing. */
  pair(td: Thread, type: number, protocol: number): readonly [File, File] | Errno;
}

/** A text of /proc/net: made when it is read. */
export interface NetText {
  readonly name: string;
  /** Of the network name space `ns`; `td` reads it. */
  text(td: Thread, ns: NetNamespace): string;
}

/** What net/ offers to the rest of the kernel. */
export class Domains {
  readonly byFamily = new Map<number, Domain>();
  /** What /sys/class/net shows; null before net/ is there. */
  netDevices: NetDevices | null = null;
  readonly texts = new Map<string, NetText>();
  /** Makes what is in a network name space; null: nothing but what sockets keep by themselves. */
  maker: NetMaker | null = null;

  add(domain: Domain): void {
    this.byFamily.set(domain.family, domain);
  }

  /** A network name space begins: the first one, too. */
  fill(ns: NetNamespace): void {
    ns.contents = this.maker?.make(ns) ?? null;
  }

  addText(text: NetText): void {
    this.texts.set(text.name, text);
  }
}
