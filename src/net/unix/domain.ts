/**
 * The UNIX domain of one machine: its sockets, their names, and the files under way between them.
 */
import { ENOMEM, EPROTONOSUPPORT, type Errno, ESOCKTNOSUPPORT, failed } from "../../abi/errno.ts";
import { AF_UNIX, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_STREAM } from "../../abi/socket.ts";
import type { Cpu } from "../../kern/cpu.ts";
import type { KernelMemory } from "../../kern/kmem.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { Domain } from "../../vfs/domain.ts";
import type { File } from "../../vfs/file.ts";
import type { NetNamespace } from "../../vfs/netns.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import { SocketFile } from "../socketfile.ts";
import type { SockFs } from "../sockfs.ts";
import type { NetTunables } from "../tunables.ts";
import { UnixDatagram } from "./datagram.ts";
import { GarbageCollector } from "./garbage.ts";
import { UnixNames } from "./names.ts";
import { InFlight } from "./rights.ts";
import { UnixSeqpacket } from "./seqpacket.ts";
import { UnixStream } from "./stream.ts";
import { SOCKET_BYTES, type UnixSocket } from "./unixsocket.ts";

export class UnixDomain implements Domain {
  readonly family = AF_UNIX;
  readonly vfs: Vfs;
  readonly kmem: KernelMemory;
  readonly sockfs: SockFs;
  readonly tunables: NetTunables;
  readonly names = new UnixNames();
  /** All that were made and are not closed. */
  readonly sockets = new Set<UnixSocket>();
  readonly inFlight: InFlight;
  readonly #cpu: Cpu;
  readonly #collector: GarbageCollector;

  constructor(vfs: Vfs, cpu: Cpu, sockfs: SockFs, tunables: NetTunables) {
    this.vfs = vfs;
    this.kmem = vfs.kmem;
    this.#cpu = cpu;
    this.sockfs = sockfs;
    this.tunables = tunables;
    this.inFlight = new InFlight(vfs.kmem);
    this.#collector = new GarbageCollector(this.sockets, this.inFlight);
  }

  socket(td: Thread, type: number, protocol: number): File | Errno {
    const s = this.make((td as Lwp).ns.net, type, protocol);
    return failed(s) ? s : new SocketFile(td, s, this.sockfs);
  }

  pair(td: Thread, type: number, protocol: number): readonly [File, File] | Errno {
    const a = this.make((td as Lwp).ns.net, type, protocol);
    if (failed(a)) return a;
    const b = this.make((td as Lwp).ns.net, type, protocol);
    if (failed(b)) {
      a.close();
      return b;
    }
    a.join(td, b);
    return [new SocketFile(td, a, this.sockfs), new SocketFile(td, b, this.sockfs)];
  }

  /** A socket without a file in front of it. */
  make(net: NetNamespace, type: number, protocol: number): UnixSocket | Errno {
    if (protocol !== 0 && protocol !== AF_UNIX) return EPROTONOSUPPORT;
    const isKnown =
      type === SOCK_STREAM || type === SOCK_SEQPACKET || type === SOCK_DGRAM || type === SOCK_RAW;
    if (!isKnown) return ESOCKTNOSUPPORT;
    if (!this.kmem.take(SOCKET_BYTES)) return ENOMEM;
    if (type === SOCK_STREAM) return new UnixStream(this, net, type, protocol);
    if (type === SOCK_SEQPACKET) return new UnixSeqpacket(this, net, type, protocol);
    // Raw sockets are what BSD programs believe: datagrams.
    return new UnixDatagram(this, net, SOCK_DGRAM, protocol);
  }

  /** A socket in flight lost a reference. */
  suspect(): void {
    this.#collector.suspect(this.#cpu);
  }
}
