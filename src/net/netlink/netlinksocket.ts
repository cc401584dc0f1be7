/**
 * AF_NETLINK sockets: datagrams between programs and the kernel.
 *
 * A request is served before sendmsg(2) returns: answers and acknowledgements
 * are in the queue then, but for the rest of a dump, which is written when the
 * queue has become half empty. A message that finds no room is lost, and
 * ENOBUFS says so once. See netlink(7); Linux net/netlink/af_netlink.c.
 */
import * as e from "../../abi/errno.ts";
import * as nl from "../../abi/netlink.ts";
import { POLLERR, POLLHUP } from "../../abi/poll.ts";
import {
  AF_NETLINK,
  AF_UNSPEC,
  MSG_OOB,
  MSG_PEEK,
  MSG_TRUNC,
  SO_PASSCRED,
} from "../../abi/socket.ts";
import { CAP_NET_ADMIN, type Cred } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import { WaitQueue } from "../../kern/waitqueue.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { NetNamespace } from "../../vfs/netns.ts";
import type { PollTable } from "../../vfs/poll.ts";
import type { Uio } from "../../vm/uio.ts";
import type { PeerCred, Receiving, Sending, SentControl } from "../message.ts";
import type { NetStack } from "../netstack.ts";
import { READABLE, Socket, WRITABLE } from "../socket.ts";
import { intOf, intValue, viewOf } from "../sockopt.ts";
import { Scm } from "../unix/scm.ts";
import { senderCreds } from "../unix/unixsocket.ts";
import { makeAddress, maskOf, type NetlinkAddress, readAddress } from "./address.ts";
import type { NetlinkDomain } from "./domain.ts";
import { DUMP_MORE, type Dump } from "./dump.ts";
import { DONE_BYTES, DoneDump, writeDone } from "./dumpend.ts";
import type { ExtAck } from "./extack.ts";
import { GroupSet } from "./groups.ts";
import { Inbox, type Waiting } from "./inbox.ts";
import { getNetlinkOption, setNetlinkOption } from "./options.ts";
import type { NetlinkPorts } from "./ports.ts";
import { serveRequests } from "./serve.ts";
import { NetlinkWriter } from "./writer.ts";

/** What a socket takes, about, beside what waits in it. */
export const SOCKET_BYTES = 1536;
/** A message must leave so much of its sender's buffer. */
const SEND_OVERHEAD = 32;
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
/** Least and most bytes of a dump in one message. */
const DUMP_MIN_BYTES = 3776;
const DUMP_MAX_BYTES = 32448;
const KERNEL: PeerCred = { pid: null, uid: 0, gid: 0 };

export class NetlinkSocket extends Socket {
  readonly domain: NetlinkDomain;
  readonly stack: NetStack;
  readonly ports: NetlinkPorts;
  /** Its address, once it is bound. */
  port = 0;
  isBound = false;
  /** Where messages without an address go. */
  peerPort = 0;
  peerGroup = 0;
  readonly inbox: Inbox;
  readonly groups: GroupSet;
  /** NETLINK_* options that are on. */
  readonly switches = new Set<number>();
  /** A dump that is not at its end. */
  dump: Dump | null = null;
  /** Who made it. */
  readonly #opener: Cred;
  #isConnected = false;
  #longestReceive = 0;
  /** Those who wait for room here. */
  readonly #space = new WaitQueue();

  constructor(
    td: Thread,
    domain: NetlinkDomain,
    stack: NetStack,
    ports: NetlinkPorts,
    type: number,
  ) {
    const { vfs, tunables } = domain.network;
    super(AF_NETLINK, type, ports.protocol.protocol, vfs.anonymousIno(), tunables);
    this.domain = domain;
    this.stack = stack;
    this.#opener = td.cred;
    stack.ns.hold();
    this.ports = ports;
    this.inbox = new Inbox(domain.kmem);
    this.groups = new GroupSet(ports.protocol.groups);
    ports.sockets.add(this);
  }

  override get netns(): NetNamespace {
    return this.stack.ns;
  }

  /**
   * Whether `td` has `cap` over the network that this socket is of, and who made the socket had it: the
   * privileged do not act for others whose socket they were given as their standard error (CVE-2014-0181).
   */
  mayAdminister(td: Thread, cap: number): boolean {
    return this.#opener.hasCapIn(this.stack.ns.owner, cap) && this.mayAct(td, cap);
  }

  mayAct(td: Thread, cap: number): boolean {
    return td.cred.hasCapIn(this.stack.ns.owner, cap);
  }

  override bind(td: Thread, address: Uint8Array): number {
    if (address.length < nl.SockaddrNl.sizeof) return e.EINVAL;
    const view = viewOf(address);
    if (nl.SockaddrNl.nl_family.get(view, 0) !== AF_NETLINK) return e.EINVAL;
    const port = nl.SockaddrNl.nl_pid.get(view, 0);
    const groups = nl.SockaddrNl.nl_groups.get(view, 0);
    if (groups !== 0 && !this.mayListen(td)) return e.EPERM;
    if (this.isBound && port !== this.port) return e.EINVAL;
    if (!this.isBound) {
      const r = port === 0 ? this.autobind(td) : this.#bindTo(port);
      if (r < 0) return r;
    }
    this.groups.first = groups;
    return 0;
  }

  /** Gives it a port if it has none. */
  autobind(td: Thread): number {
    if (this.isBound) return 0;
    this.port = this.ports.autobind(this, (td as Lwp).proc.ownPid, this.stack.randomBelow(2 ** 31));
    this.isBound = true;
    return 0;
  }

  #bindTo(port: number): number {
    const r = this.ports.bind(this, port);
    if (r < 0) return r;
    this.port = port;
    this.isBound = true;
    return 0;
  }

  mayListen(td: Thread): boolean {
    return this.ports.protocol.mayAnyoneListen || this.mayAct(td, CAP_NET_ADMIN);
  }

  #maySend(td: Thread): boolean {
    return this.ports.protocol.mayAnyoneSend || this.mayAct(td, CAP_NET_ADMIN);
  }

  override connect(td: Thread, address: Uint8Array): number {
    if (address.length < 2) return e.EINVAL;
    const view = viewOf(address);
    const family = view.getUint16(0, true);
    if (family === AF_UNSPEC) {
      this.#isConnected = false;
      this.peerPort = this.peerGroup = 0;
      return 0;
    }
    if (family !== AF_NETLINK || address.length < nl.SockaddrNl.sizeof) return e.EINVAL;
    const to = readAddress(view);
    if ((to.port !== 0 || to.group !== 0) && !this.#maySend(td)) return e.EPERM;
    this.autobind(td);
    this.#isConnected = true;
    this.peerPort = to.port;
    this.peerGroup = to.group;
    return 0;
  }

  name(): Uint8Array {
    return makeAddress(this.port, this.groups.first);
  }

  peerName(): Uint8Array {
    return makeAddress(this.peerPort, maskOf(this.peerGroup));
  }

  override control(td: Thread, bytes: Uint8Array): SentControl | e.Errno {
    const scm = Scm.parse(td as Lwp, bytes);
    if (e.failed(scm) || scm.files.length === 0) return scm;
    scm.release();
    return e.EINVAL;
  }

  send(td: Thread, uio: Uio, sending: Sending, isNonblocking: boolean): number {
    const { done } = td.restart;
    if (done > 0) return this.#goOn(td, uio, done);
    if ((sending.flags & MSG_OOB) !== 0) return e.EOPNOTSUPP;
    const length = uio.resid;
    if (length === 0) return e.ENODATA;
    const to = this.#destination(td, sending.name);
    if (typeof to === "number") return to;
    this.autobind(td);
    if (length > this.options.sndbuf - SEND_OVERHEAD) return e.EMSGSIZE;
    const other = to.port === 0 ? null : this.ports.at(to.port);
    const isRefused = to.port === 0 ? !this.ports.protocol.hasKernelEnd : !other;
    if (other?.isFull) {
      const { sndTimeoutNs } = this.options;
      return this.block(td, other.#space, "netlink_attachskb", sndTimeoutNs, isNonblocking, 0);
    }
    const bytes = this.#load(uio, length);
    if (e.failed(bytes)) return bytes;
    const creds = (sending.control as Scm | null)?.creds ?? senderCreds(td);
    if (to.group !== 0) this.ports.multicast(bytes, to.group, this);
    let r: number = length;
    if (isRefused) r = e.ECONNREFUSED;
    else if (!other) r = this.#serve(td, bytes, 0);
    else if (other.#isConnected && other.peerPort !== this.port) r = e.ECONNREFUSED;
    else r = Math.min(other.deliver(bytes, this, 0, creds), 0) || length;
    this.domain.kmem.give(length);
    return r;
  }

  /** The rest of a message whose requests took longer than a turn. */
  #goOn(td: Thread, uio: Uio, from: number): number {
    (td as Lwp).isUninterruptible = false;
    const length = uio.resid;
    const bytes = this.#load(uio, length);
    if (e.failed(bytes)) return length;
    const r = this.#serve(td, bytes, from);
    this.domain.kmem.give(length);
    return r;
  }

  /** Serves the requests from `from` on: the message's length, or asleep until the others had their turn. */
  #serve(td: Thread, bytes: Uint8Array, from: number): number {
    const rest = serveRequests(td, this, bytes, from);
    if (rest < 0) return bytes.length;
    td.restart.done = rest;
    // What was served is not to be served again after a handler.
    (td as Lwp).isUninterruptible = true;
    return td.sleepUntil(null, "netlink", td.cpu.clock.monotonicNs());
  }

  #destination(td: Thread, name: Uint8Array | null): NetlinkAddress | e.Errno {
    if (name === null) return { port: this.peerPort, group: this.peerGroup };
    if (name.length < nl.SockaddrNl.sizeof) return e.EINVAL;
    const view = viewOf(name);
    if (nl.SockaddrNl.nl_family.get(view, 0) !== AF_NETLINK) return e.EINVAL;
    const to = readAddress(view);
    return (to.port !== 0 || to.group !== 0) && !this.#maySend(td) ? e.EPERM : to;
  }

  /** The message, paid for. */
  #load(uio: Uio, length: number): Uint8Array | e.Errno {
    if (length > MAX_MESSAGE_BYTES || !this.domain.kmem.take(length)) return e.ENOBUFS;
    const bytes = new Uint8Array(length);
    if (uio.copyin(bytes) === length) return bytes;
    this.domain.kmem.give(length);
    return e.EFAULT;
  }

  get isFull(): boolean {
    return !this.#hasNoEnobufs && this.inbox.isFull(this.options.rcvbuf);
  }

  get #hasNoEnobufs(): boolean {
    return this.switches.has(nl.NETLINK_NO_ENOBUFS);
  }

  /** Puts a message into the queue: its length, or EAGAIN if there is no room and it is lost. */
  deliver(
    bytes: Uint8Array,
    from: NetlinkSocket | null = null,
    group = 0,
    creds: PeerCred = KERNEL,
  ): number {
    if (this.options.filter?.run(bytes) === 0) return bytes.length;
    const { inbox } = this;
    if (!inbox.put({ bytes, port: from?.port ?? 0, group, creds }, this.options.rcvbuf)) {
      this.#overrun();
      return e.EAGAIN;
    }
    this.readable.wakeup();
    return bytes.length;
  }

  #overrun(): void {
    if (this.#hasNoEnobufs || this.inbox.isCongested) return;
    this.inbox.isCongested = true;
    this.error = e.ENOBUFS;
    this.readable.wakeup();
  }

  /** EBUSY while there is another. */
  startDump(dump: Dump, ack: ExtAck): number {
    if (this.dump) return e.EBUSY;
    this.dump = dump;
    this.#fillDump(ack);
    return 0;
  }

  /** Puts the next piece of the dump into the queue. */
  #fillDump(ack: ExtAck | null): void {
    const { dump } = this;
    if (!dump || this.inbox.rmem >= this.options.rcvbuf) return;
    const limit = Math.max(DUMP_MIN_BYTES, Math.min(this.#longestReceive, DUMP_MAX_BYTES));
    const w = new NetlinkWriter(limit);
    const r = dump.fill(w);
    if (r !== DUMP_MORE && w.length + DONE_BYTES <= limit) {
      this.dump = null;
      writeDone(w, dump, r, this.switches.has(nl.NETLINK_EXT_ACK) ? ack : null);
      this.deliver(w.bytes());
      return;
    }
    this.deliver(w.bytes());
    if (r !== DUMP_MORE) this.dump = new DoneDump(dump, r);
  }

  receive(
    td: Thread,
    uio: Uio,
    flags: number,
    receiving: Receiving | null,
    isNonblocking: boolean,
  ): number {
    if ((flags & MSG_OOB) !== 0) return e.EOPNOTSUPP;
    if (this.error !== 0) return this.takeError();
    const { inbox } = this;
    const message = inbox.first;
    if (!message) {
      const { rcvTimeoutNs } = this.options;
      return this.block(td, this.readable, "skb_wait_packets", rcvTimeoutNs, isNonblocking, 0);
    }
    const { bytes } = message;
    this.#longestReceive = Math.max(this.#longestReceive, uio.resid);
    const size = Math.min(uio.resid, bytes.length);
    for (let n = 0; n < size; ) {
      const r = uio.copyout(bytes.subarray(n, size));
      if (r < 0) return r;
      n += r;
    }
    if (receiving) this.#tell(receiving, message, size < bytes.length);
    if ((flags & MSG_PEEK) === 0) inbox.shift();
    if (inbox.rmem <= this.options.rcvbuf / 2) this.#fillDump(null);
    if (!inbox.first) inbox.isCongested = false;
    if (!inbox.isCongested) this.#space.wakeup();
    return (flags & MSG_TRUNC) !== 0 ? bytes.length : size;
  }

  #tell(receiving: Receiving, message: Waiting, isCut: boolean): void {
    const { port, group, creds } = message;
    receiving.name = makeAddress(port, maskOf(group));
    if (isCut) receiving.outFlags |= MSG_TRUNC;
    if (this.switches.has(nl.NETLINK_PKTINFO)) {
      receiving.control.push({
        level: nl.SOL_NETLINK,
        type: nl.NETLINK_PKTINFO,
        data: intValue(group),
      });
    }
    if (this.options.passcred) receiving.creds = creds;
  }

  shutdown(): number {
    return e.EOPNOTSUPP;
  }

  poll(_td: Thread, table: PollTable | null): number {
    table?.watch(this.readable, READABLE | POLLHUP | POLLERR);
    table?.watch(this.writable, WRITABLE | POLLERR);
    let events = WRITABLE;
    if (this.error !== 0) events |= POLLERR;
    if (this.inbox.first) events |= READABLE;
    return events;
  }

  bytesReadable(): number {
    return e.ENOTTY;
  }

  bytesUnsent(): number {
    return e.ENOTTY;
  }

  override setOption(td: Thread, level: number, name: number, value: Uint8Array): number {
    if (level === nl.SOL_NETLINK) return setNetlinkOption(td, this, name, value);
    const r = super.setOption(td, level, name, value);
    return r === e.EOPNOTSUPP ? e.ENOPROTOOPT : r;
  }

  override getOption(td: Thread, level: number, name: number, room: number): Uint8Array | e.Errno {
    if (level === nl.SOL_NETLINK) return getNetlinkOption(this, name, room);
    const r = super.getOption(td, level, name, room);
    return r === e.EOPNOTSUPP ? e.ENOPROTOOPT : r;
  }

  override setOwnOption(_td: Thread, name: number, value: Uint8Array): number {
    if (name !== SO_PASSCRED) return e.ENOPROTOOPT;
    this.options.passcred = intOf(value) !== 0;
    return 0;
  }

  override getOwnOption(_td: Thread, name: number): Uint8Array | e.Errno {
    return name === SO_PASSCRED ? intValue(this.options.passcred ? 1 : 0) : e.ENOPROTOOPT;
  }

  close(): void {
    if (!this.ports.sockets.delete(this)) return;
    this.ports.unbind(this);
    this.dump = null;
    this.inbox.clear();
    this.domain.kmem.give(SOCKET_BYTES);
    this.#space.wakeup();
    this.stack.ns.release();
  }
}
