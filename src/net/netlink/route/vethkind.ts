/** Making a veth: both ends at once, the other as VETH_INFO_PEER says. See ip-link(8). */
import { type Errno, failed } from "../../../abi/errno.ts";
import * as rt from "../../../abi/rtnetlink.ts";
import type { Lwp } from "../../../proc/lwp.ts";
import { Veth } from "../../ether/veth.ts";
import { Attrs } from "../attributes.ts";
import type { Request } from "../request.ts";
import type { LinkKind } from "./linkkinds.ts";
import { destroyLink, LINK_POLICY, type LinkWish, settle } from "./linkset.ts";
import { targetNetwork } from "./nsid.ts";

export const vethKind: LinkKind = {
  policy: { [rt.VETH_INFO_PEER]: { bytes: rt.IfInfoMsg.sizeof } },
  make: (request, stack, _wish, data) => {
    const peer = peerWish(request, data);
    if (failed(peer)) return peer;
    const target = targetNetwork(request.td as Lwp, peer.attrs, request.socket.stack);
    if (failed(target)) return target;
    const [own, other] = Veth.pair(stack, target);
    const r = settle(request, other, target, peer);
    if (failed(r)) {
      if (other.index !== 0) destroyLink(other);
      return r;
    }
    return own;
  },
};

/** What is wanted of the other end: a struct ifinfomsg and attributes of its own. */
function peerWish(request: Request, data: Attrs | null): LinkWish | Errno {
  const { bytes, view, ack } = request;
  const at = data?.payloadOf(rt.VETH_INFO_PEER);
  const from = at ? at.from + rt.IfInfoMsg.sizeof : 0;
  const attrs = Attrs.parse(bytes, from, at ? at.to : 0, LINK_POLICY, ack);
  if (typeof attrs === "number") return attrs;
  return {
    index: at ? rt.IfInfoMsg.ifi_index.get(view, at.from) : 0,
    flags: at ? rt.IfInfoMsg.ifi_flags.get(view, at.from) : 0,
    change: at ? rt.IfInfoMsg.ifi_change.get(view, at.from) : 0,
    attrs,
  };
}
