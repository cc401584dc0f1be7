/**
 * Extended acknowledgements: why a request failed, in words, and where in it.
 * They go to those who asked for them by NETLINK_EXT_ACK. See netlink(7).
 */
import type { Errno } from "../../abi/errno.ts";
import * as nl from "../../abi/netlink.ts";
import type { NetlinkWriter } from "./writer.ts";

export class ExtAck {
  message: string | null = null;
  /** Offset in the request of the attribute at fault; -1: none. */
  badOffset = -1;
  /** An attribute that is missing, and in which nest. */
  missingType = -1;
  missingNest = -1;

  /** Returns `error`, so that it reads `return ack.fail(EINVAL, "...")`. */
  fail(error: Errno, message: string, badOffset = -1): Errno {
    this.message = message;
    if (badOffset >= 0) this.badOffset = badOffset;
    return error;
  }

  bad(error: Errno, badOffset: number): Errno {
    if (badOffset >= 0) this.badOffset = badOffset;
    return error;
  }

  /** An attribute that must be there is not. */
  missing(error: Errno, type: number, message: string | null = null): Errno {
    this.missingType = type;
    if (message !== null) this.message = message;
    return error;
  }

  /** Whether there is anything to say. */
  isTold(error: number): boolean {
    if (this.message !== null) return true;
    return error !== 0 && (this.badOffset >= 0 || this.missingType >= 0);
  }

  write(w: NetlinkWriter, error: number): void {
    if (this.message !== null) w.string(nl.NLMSGERR_ATTR_MSG, this.message);
    if (error === 0) return;
    if (this.badOffset >= 0) w.u32(nl.NLMSGERR_ATTR_OFFS, this.badOffset);
    if (this.missingType >= 0) w.u32(nl.NLMSGERR_ATTR_MISS_TYPE, this.missingType);
    if (this.missingNest >= 0) w.u32(nl.NLMSGERR_ATTR_MISS_NEST, this.missingNest);
  }
}
