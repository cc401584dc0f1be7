/**
 * What is neither file nor directory in a share: symlinks, which are text and
 * lead about in the guest's tree, and devices, FIFOs and sockets of the host,
 * which are seen and never opened.
 */
import { EINVAL, ENXIO, type Errno, ESTALE } from "../../abi/errno.ts";
import type { File } from "../../vfs/file.ts";
import { HostNode } from "./node.ts";

export class HostLink extends HostNode {
  override readlink(): string | Errno {
    const dir = this.parent?.handle() ?? ESTALE;
    if (dir < 0) return dir as Errno;
    const target = this.fs.share.readlink(dir, this.name);
    if (typeof target !== "number") return target;
    return (target === EINVAL ? ESTALE : target) as Errno;
  }
}

export class HostSpecial extends HostNode {
  override open(): File | Errno {
    return ENXIO;
  }
}
