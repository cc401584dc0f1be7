/** NETLINK_USERSOCK: messages between programs; the kernel has no part in it. See netlink(7). */
import { NETLINK_USERSOCK } from "../../abi/netlink.ts";
import type { NetlinkProtocol } from "./protocol.ts";

const GROUPS = 32;

export class UserSockProtocol implements NetlinkProtocol {
  readonly protocol = NETLINK_USERSOCK;
  readonly groups = GROUPS;
  readonly mayAnyoneListen = false;
  readonly mayAnyoneSend = true;
  readonly hasKernelEnd = false;

  serve(): number {
    return 0;
  }
}
