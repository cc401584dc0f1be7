/**
 * A request on its way through the kernel's end of a netlink protocol: one
 * message, who sent it, and how it is answered. See netlink(7).
 */
import { EINVAL, EPERM, type Errno } from "../../abi/errno.ts";
import * as nl from "../../abi/netlink.ts";
import { CAP_NET_ADMIN } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import { Attrs, type Policy } from "./attributes.ts";
import type { Dump } from "./dump.ts";
import { ExtAck } from "./extack.ts";
import type { NetlinkSocket } from "./netlinksocket.ts";
import { DUMP_STARTED } from "./protocol.ts";
import { NetlinkWriter } from "./writer.ts";

const ALIGN = 4;

export class Request {
  readonly td: Thread;
  readonly socket: NetlinkSocket;
  /** The message with its header. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly type: number;
  readonly flags: number;
  readonly seq: number;
  /** The sender's port: answers carry it. */
  readonly pid: number;
  readonly ack = new ExtAck();

  constructor(td: Thread, socket: NetlinkSocket, bytes: Uint8Array) {
    this.td = td;
    this.socket = socket;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.type = nl.NlMsgHdr.nlmsg_type.get(this.view, 0);
    this.flags = nl.NlMsgHdr.nlmsg_flags.get(this.view, 0);
    this.seq = nl.NlMsgHdr.nlmsg_seq.get(this.view, 0);
    this.pid = socket.port;
  }

  /** A get of everything. */
  get isDump(): boolean {
    return (this.flags & nl.NLM_F_DUMP) !== 0;
  }

  /** The sender wants its gets to be checked. */
  get isStrict(): boolean {
    return this.socket.switches.has(nl.NETLINK_GET_STRICT_CHK);
  }

  get isEcho(): boolean {
    return (this.flags & nl.NLM_F_ECHO) !== 0;
  }

  /** Bytes after the header. */
  get payloadBytes(): number {
    return this.bytes.length - nl.NLMSG_HDRLEN;
  }

  /** Where a fixed part of `size` bytes begins, if the message has that many; -1. */
  fixed(size: number): number {
    return this.payloadBytes >= size ? nl.NLMSG_HDRLEN : -1;
  }

  /** The attributes behind a fixed part of `size` bytes. */
  attrs(size: number, policy: Policy, isStrict = false): Attrs | Errno {
    const from = nl.NLMSG_HDRLEN + Math.ceil(size / ALIGN) * ALIGN;
    if (this.payloadBytes < size) return this.ack.fail(EINVAL, "Invalid header length");
    return Attrs.parse(this.bytes, from, this.bytes.length, policy, this.ack, isStrict);
  }

  fail(error: Errno, message: string, badOffset = -1): Errno {
    return this.ack.fail(error, message, badOffset);
  }

  /** 0, or EPERM for who may not administer this network. */
  mayAdminister(): number {
    return this.socket.mayAdminister(this.td, CAP_NET_ADMIN) ? 0 : EPERM;
  }

  /** A writer for one answer: begun, to be ended by `reply`. */
  answer(type: number, flags = 0): NetlinkWriter {
    return new NetlinkWriter().begin(type, flags, this.seq, this.pid);
  }

  /** Sends what was begun by `answer`. */
  reply(w: NetlinkWriter): number {
    w.end();
    return this.socket.deliver(w.bytes());
  }

  /** The answer is a dump. */
  dump(dump: Dump): number {
    const r = this.socket.startDump(dump, this.ack);
    return r < 0 ? r : DUMP_STARTED;
  }
}

/** The acknowledgement of a request: NLMSG_ERROR, with what the receiver asked for by its options. */
export function acknowledgement(request: Request, error: number): Uint8Array {
  const { socket, bytes, ack } = request;
  const isWhole = error !== 0 && !socket.switches.has(nl.NETLINK_CAP_ACK);
  const isTold = socket.switches.has(nl.NETLINK_EXT_ACK) && ack.isTold(error);
  const flags = (isWhole ? 0 : nl.NLM_F_CAPPED) | (isTold ? nl.NLM_F_ACK_TLVS : 0);
  const w = request.answer(nl.NLMSG_ERROR, flags);
  const { view, at } = w.fixed(nl.NlMsgErr.sizeof);
  nl.NlMsgErr.error.set(view, at, error);
  w.raw(isWhole ? bytes : bytes.subarray(0, nl.NLMSG_HDRLEN));
  if (isTold) ack.write(w, error);
  w.end();
  return w.bytes();
}
