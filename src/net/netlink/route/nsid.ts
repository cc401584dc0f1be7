/** RTM_GETNSID, and the networks that requests name by a process or a descriptor. See ip-netns(8). */
import { EBADF, EINVAL, EPERM, type Errno, ESRCH, failed } from "../../../abi/errno.ts";
import * as rt from "../../../abi/rtnetlink.ts";
import { CAP_NET_ADMIN } from "../../../kern/cred.ts";
import type { Lwp } from "../../../proc/lwp.ts";
import { NetNamespace } from "../../../vfs/netns.ts";
import type { NetStack } from "../../netstack.ts";
import type { Attrs, Policy } from "../attributes.ts";
import type { Request } from "../request.ts";

const HEADER_BYTES = 4;
const NOT_ASSIGNED = -1;
const POLICY: Policy = {
  [rt.NETNSA_NSID]: "u32",
  [rt.NETNSA_PID]: "u32",
  [rt.NETNSA_FD]: "u32",
};

/** An id that another network has here: given once there is an interface between them. */
export function getNsid(request: Request): number {
  const attrs = request.attrs(HEADER_BYTES, POLICY);
  if (typeof attrs === "number") return attrs;
  const { ack } = request;
  if (attrs.has(rt.NETNSA_NSID)) return ack.bad(EINVAL, attrs.offsetOf(rt.NETNSA_NSID));
  const peer = peerOf(request.td as Lwp, attrs.u32(rt.NETNSA_PID), attrs.s32(rt.NETNSA_FD));
  if (peer === null) return ack.fail(EINVAL, "Peer netns reference is missing");
  if (failed(peer)) return ack.fail(peer, "Peer netns reference is invalid");
  const w = request.answer(rt.RTM_NEWNSID);
  w.fixed(HEADER_BYTES);
  const id = request.socket.stack.peerIds.get(peer.contents as NetStack) ?? NOT_ASSIGNED;
  w.u32(rt.NETNSA_NSID, id >>> 0);
  return request.reply(w);
}

/** The network that an interface is to be made in or taken to; `stack` if none is named. Needs CAP_NET_ADMIN there. */
export function targetNetwork(td: Lwp, attrs: Attrs, stack: NetStack): NetStack | Errno {
  const peer = peerOf(td, attrs.u32(rt.IFLA_NET_NS_PID), attrs.s32(rt.IFLA_NET_NS_FD));
  if (peer === null) return stack;
  if (failed(peer)) return peer;
  return td.cred.hasCapIn(peer.owner, CAP_NET_ADMIN) ? (peer.contents as NetStack) : EPERM;
}

function peerOf(td: Lwp, pid: number | null, fd: number | null): NetNamespace | Errno | null {
  if (pid !== null) {
    const proc = td.findProc(pid);
    const ns = proc ? [...proc.threads][0]?.ns : null;
    return ns ? ns.net : ESRCH;
  }
  if (fd === null) return null;
  const fp = td.fdtable.get(fd);
  if (!fp || failed(fp)) return EBADF;
  const ns = fp.namespace;
  return ns instanceof NetNamespace ? ns : EINVAL;
}
