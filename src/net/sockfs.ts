/** Where sockets are, as stat(2) sees them; and how many are open: /proc/net/sockstat. */
import type { KernelMemory } from "../kern/kmem.ts";
import type { NetText } from "../vfs/domain.ts";
import type { Vfs } from "../vfs/vfs.ts";

export class SockFs implements NetText {
  readonly name = "sockstat";
  /** st_dev of every socket. */
  readonly dev: number;
  readonly kmem: KernelMemory;
  inUse = 0;

  constructor(vfs: Vfs) {
    this.kmem = vfs.kmem;
    this.dev = vfs.anonymousDev();
  }

  text(): string {
    return `sockets: used ${this.inUse}\n`;
  }
}
