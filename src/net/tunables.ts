/** What an administrator may set for sockets: net.core.*, net.unix.*. See socket(7), unix(7). */
import { type SysctlDir, SysctlVar } from "../kern/sysctl.ts";

const INT_MAX = 0x7fffffff;

export class NetTunables {
  /** Most connections that listen(2) lets wait. */
  readonly somaxconn = new SysctlVar(4096, 0, INT_MAX);
  /** Buffer sizes of new sockets, and what SO_SNDBUF and SO_RCVBUF may ask for. */
  readonly wmemDefault = new SysctlVar(212992, 4608, INT_MAX);
  readonly rmemDefault = new SysctlVar(212992, 2304, INT_MAX);
  readonly wmemMax = new SysctlVar(212992, 4608, INT_MAX);
  readonly rmemMax = new SysctlVar(212992, 2304, INT_MAX);
  /** Bytes of control messages with one sendmsg(2). */
  readonly optmemMax = new SysctlVar(131072, 0, INT_MAX);
  /** Messages that wait in a UNIX datagram socket for somebody who does not read them. */
  readonly maxDgramQlen = new SysctlVar(10, 0, INT_MAX);

  addTo(tree: SysctlDir): void {
    tree.add("net.core.somaxconn", this.somaxconn);
    tree.add("net.core.wmem_default", this.wmemDefault);
    tree.add("net.core.rmem_default", this.rmemDefault);
    tree.add("net.core.wmem_max", this.wmemMax);
    tree.add("net.core.rmem_max", this.rmemMax);
    tree.add("net.core.optmem_max", this.optmemMax);
    tree.add("net.unix.max_dgram_qlen", this.maxDgramQlen);
  }
}
