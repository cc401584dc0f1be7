/**
 * What all networks of one machine share: the queue of packets that arrived, the protocols there are, and
 * the first network, which is there from boot on.
 */

import { IFF_UP } from "../abi/netdevice.ts";
import type { Cpu } from "../kern/cpu.ts";
import type { KernelMemory } from "../kern/kmem.ts";
import type { Thread } from "../kern/thread.ts";
import type { Entropy } from "../platform/host.ts";
import type { Lwp } from "../proc/lwp.ts";
import type { NetDevice, NetDevices } from "../vfs/netdevices.ts";
import type { NetMaker, NetNamespace } from "../vfs/netns.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { ChunkPool } from "./chunkpool.ts";
import { HeadPool } from "./headpool.ts";
import { Netisr } from "./netisr.ts";
import { NetStack } from "./netstack.ts";
import type { ProtocolMaker } from "./protocol.ts";
import type { SockFs } from "./sockfs.ts";
import type { NetTunables } from "./tunables.ts";

export class Network implements NetMaker, NetDevices {
  readonly vfs: Vfs;
  readonly cpu: Cpu;
  readonly kmem: KernelMemory;
  readonly sockfs: SockFs;
  readonly tunables: NetTunables;
  readonly netisr: Netisr;
  readonly heads = new HeadPool();
  readonly chunks = new ChunkPool();
  readonly makers: readonly ProtocolMaker[];
  readonly initial: NetStack;
  /** All there are. */
  readonly stacks = new Set<NetStack>();
  readonly #entropy: Entropy;
  readonly #randoms = new Uint32Array(256);
  #randomsLeft = 0;
  #cookies = 0;

  constructor(from: {
    readonly vfs: Vfs;
    readonly cpu: Cpu;
    readonly sockfs: SockFs;
    readonly tunables: NetTunables;
    readonly entropy: Entropy;
    readonly makers: readonly ProtocolMaker[];
    /** The first network name space. */
    readonly ns: NetNamespace;
  }) {
    this.vfs = from.vfs;
    this.cpu = from.cpu;
    this.kmem = from.vfs.kmem;
    this.sockfs = from.sockfs;
    this.tunables = from.tunables;
    this.#entropy = from.entropy;
    this.makers = from.makers;
    this.netisr = new Netisr(from.cpu);
    this.initial = this.make(from.ns);
    from.ns.contents = this.initial;
    const { lo } = this.initial;
    this.initial.setFlags(lo, lo.flags | IFF_UP);
  }

  /** A network with nothing but `lo`, which is down: unshare(CLONE_NEWNET). */
  make(ns: NetNamespace): NetStack {
    const stack = new NetStack(this, ns, ++this.#cookies);
    this.stacks.add(stack);
    return stack;
  }

  /** A network ended. */
  gone(stack: NetStack): void {
    this.stacks.delete(stack);
    for (const other of this.stacks) other.peerIds.delete(stack);
  }

  /** The network that a thread is in. */
  stackOf(td: Thread): NetStack {
    return (td as Lwp).ns.net.contents as NetStack;
  }

  devices(): readonly NetDevice[] {
    const td = this.cpu.current;
    const stack = td ? this.stackOf(td) : this.initial;
    return stack.inOrder().map((ifp) => ifp.view);
  }

  /** 32 bits that nobody can guess; of the host's entropy a kilobyte at a time. */
  random(): number {
    if (this.#randomsLeft === 0) {
      this.#entropy.fill(new Uint8Array(this.#randoms.buffer));
      this.#randomsLeft = this.#randoms.length;
    }
    return this.#randoms[--this.#randomsLeft]!;
  }
}
