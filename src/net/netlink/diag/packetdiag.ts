/** packet_diag: packet sockets. See sock_diag(7), packet(7). */
import { EINVAL } from "../../../abi/errno.ts";
import * as d from "../../../abi/sockdiag.ts";
import { AF_PACKET } from "../../../abi/socket.ts";
import type { PacketSocket } from "../../packet/packetsocket.ts";
import { ListDump } from "../dump.ts";
import type { Request } from "../request.ts";
import type { NetlinkWriter } from "../writer.ts";
import { memInfo } from "./sockdiag.ts";

/** struct packet_diag_info: index, version, reserve, copy_thresh, tstamp, flags. */
const INFO_WORDS = 6;

export function dumpPacket(request: Request): number {
  const at = request.fixed(d.PacketDiagReq.sizeof);
  if (at < 0 || d.PacketDiagReq.sdiag_protocol.get(request.view, at) !== 0) return EINVAL;
  const show = d.PacketDiagReq.pdiag_show.get(request.view, at);
  return request.dump(new PacketDump(request, show));
}

class PacketDump extends ListDump<PacketSocket> {
  readonly #request: Request;
  readonly #show: number;

  constructor(request: Request, show: number) {
    super(request);
    this.#request = request;
    this.#show = show;
  }

  protected items(): Iterable<PacketSocket> {
    return this.#request.socket.stack.packetSockets;
  }

  protected write(w: NetlinkWriter, s: PacketSocket): boolean {
    this.begin(w, d.SOCK_DIAG_BY_FAMILY);
    const { view, at } = w.fixed(d.PacketDiagMsg.sizeof);
    d.PacketDiagMsg.pdiag_family.set(view, at, AF_PACKET);
    d.PacketDiagMsg.pdiag_type.set(view, at, s.type);
    d.PacketDiagMsg.pdiag_num.set(view, at, s.ethertype);
    d.PacketDiagMsg.pdiag_ino.set(view, at, s.ino);
    d.PacketDiagMsg.pdiag_cookie0.set(view, at, s.ino);
    if ((this.#show & d.PACKET_SHOW_INFO) !== 0) {
      const words = new Uint32Array(INFO_WORDS);
      words[0] = s.ifindex;
      w.attr(d.PACKET_DIAG_INFO, new Uint8Array(words.buffer));
      const { userns } = this.#request.td.cred;
      w.u32(d.PACKET_DIAG_UID, userns.shownUid(s.file?.stat().uid ?? 0));
    }
    if ((this.#show & d.PACKET_SHOW_MEMINFO) !== 0) {
      w.attr(d.PACKET_DIAG_MEMINFO, memInfo(s, s.rmem, 0, s.drops));
    }
    return w.end();
  }
}
