/** Where sockets are, as stat(2) sees them; and how many are open. */
import type { KernelMemory } from "../kern/kmem.ts";
import type { Vfs } from "../vfs/vfs.ts";

export class SockFs {
  /** st_dev of every socket. */
  readonly dev: number;
  readonly kmem: KernelMemory;
  inUse = 0;

  constructor(vfs: Vfs) {
    this.kmem = vfs.kmem;
    this.dev = vfs.anonymousDev();
  }
}
