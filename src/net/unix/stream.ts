/**
 * SOCK_STREAM over a UNIX socket: bytes in order, into a ring at the other side.
 *
 * What the sender's buffer allows may wait to be read. Marks say from where on
 * bytes were sent by somebody, or with open files: a read never joins bytes of
 * two senders, if it asks who they are, and ends with the bytes that files came
 * with. Without marks, which is the rule, bytes are all there is. See unix(7).
 */
import { EINVAL, EISCONN, ENOBUFS, ENOTCONN, EOPNOTSUPP, EPIPE, failed } from "../../abi/errno.ts";
import { POLLERR, POLLHUP, POLLRDHUP } from "../../abi/poll.ts";
import { MSG_OOB, MSG_PEEK, MSG_WAITALL } from "../../abi/socket.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { NetNamespace } from "../../vfs/netns.ts";
import type { PollTable } from "../../vfs/poll.ts";
import type { Uio } from "../../vm/uio.ts";
import type { PeerCred, Receiving, Sending } from "../message.ts";
import { SockBuf } from "../sockbuf.ts";
import { RCV_SHUTDOWN, READABLE, SEND_SHUTDOWN, WRITABLE } from "../socket.ts";
import { UnixConnection } from "./connection.ts";
import type { UnixDomain } from "./domain.ts";
import type { Rights } from "./rights.ts";
import type { Scm } from "./scm.ts";
import { senderCreds } from "./unixsocket.ts";

/** What a mark takes, about. */
const MARK_BYTES = 96;

/** From byte `at` of the stream on, up to the next mark. */
class Mark {
  readonly at: number;
  readonly creds: PeerCred | null;
  rights: Rights | null;

  constructor(at: number, creds: PeerCred | null, rights: Rights | null) {
    this.at = at;
    this.creds = creds;
    this.rights = rights;
  }
}

export class UnixStream extends UnixConnection {
  readonly #buf: SockBuf;
  /** How many bytes were read so far: where the buffer begins. */
  #head = 0;
  #marks: Mark[] = [];

  constructor(domain: UnixDomain, net: NetNamespace, type: number, protocol: number) {
    super(domain, net, type, protocol);
    this.#buf = new SockBuf(domain.kmem.ofCurrent);
  }

  override get raisesSigpipe(): boolean {
    return true;
  }

  override *rights(): Generator<Rights> {
    for (const m of this.#marks) if (m.rights) yield m.rights;
  }

  takeRights(): Rights[] {
    const taken = [...this.rights()];
    for (const m of this.#marks) m.rights = null;
    return taken;
  }

  protected get hasUnread(): boolean {
    return this.#buf.length > 0;
  }

  protected purge(): void {
    const lost = this.takeRights();
    this.#dropMarks(this.#marks.length);
    this.#buf.close();
    for (const rights of lost) this.domain.inFlight.drop(rights);
  }

  send(td: Thread, uio: Uio, sending: Sending, isNonblocking: boolean): number {
    if ((sending.flags & MSG_OOB) !== 0) return EOPNOTSUPP;
    if (sending.name !== null) return this.state === "established" ? EISCONN : EOPNOTSUPP;
    const peer = this.peer as UnixStream | null;
    if (!peer) return ENOTCONN;
    let { done } = td.restart;
    if (done > 0) uio.skip(done);
    const isBroken = (this.closed & SEND_SHUTDOWN) !== 0 || (peer.closed & RCV_SHUTDOWN) !== 0;
    if (isBroken) return done > 0 ? done : EPIPE;
    if (uio.resid === 0) return done;
    if (this.error !== 0) return done > 0 ? done : this.takeError();
    const buf = peer.#buf;
    const limit = this.options.sndbuf;
    const before = buf.length;
    let isOver = false;
    while (uio.resid > 0 && buf.length < limit) {
      const space = buf.space(Math.min(uio.resid, limit - buf.length));
      if (space.length === 0) {
        if (buf.length === 0 && done === 0) return ENOBUFS;
        break;
      }
      // The bytes first: should they not be readable, nothing was sent.
      let n = uio.copyin(space);
      if (n >= 0 && buf.length === before) {
        const r = this.#mark(td, peer, sending);
        if (r < 0) n = r;
      }
      if (n < 0) {
        if (done === 0) return n;
        isOver = true;
        break;
      }
      buf.commit(n);
      done += n;
    }
    if (buf.length > before && !peer.readable.isEmpty) peer.readable.wakeup();
    if (uio.resid === 0 || isOver) return done;
    const timeout = this.options.sndTimeoutNs;
    return this.block(td, this.writable, "sock_wait_wmem", timeout, isNonblocking, done);
  }

  /** Says of the bytes to come who sends them and what goes with them. */
  #mark(td: Thread, peer: UnixStream, sending: Sending): number {
    const scm = sending.control as Scm | null;
    const isTold = this.options.passcred || peer.options.passcred || peer.file === null;
    const creds = scm?.creds ?? (isTold ? senderCreds(td) : null);
    const hasFiles = scm !== null && scm.files.length > 0;
    const marks = peer.#marks;
    if (creds === null && !hasFiles && marks.length === 0) return 0;
    const last = marks[marks.length - 1];
    if (last && !hasFiles && !last.rights && isSame(last.creds, creds)) return 0;
    if (!this.domain.kmem.take(MARK_BYTES)) return ENOBUFS;
    let rights: Rights | null = null;
    if (hasFiles) {
      const departed = this.domain.inFlight.depart(td as Lwp, scm.files);
      if (failed(departed)) {
        this.domain.kmem.give(MARK_BYTES);
        return departed;
      }
      rights = departed as Rights;
      // The message has them now.
      scm.files = [];
    }
    marks.push(new Mark(peer.#head + peer.#buf.length, creds, rights));
    return 0;
  }

  receive(
    td: Thread,
    uio: Uio,
    flags: number,
    receiving: Receiving | null,
    isNonblocking: boolean,
  ): number {
    if (this.state !== "established") return EINVAL;
    if ((flags & MSG_OOB) !== 0) return EOPNOTSUPP;
    const isPeek = (flags & MSG_PEEK) !== 0;
    const { options } = this;
    const buf = this.#buf;
    let { done } = td.restart;
    if (done > 0) uio.skip(done);
    const size = done + uio.resid;
    const target = (flags & MSG_WAITALL) !== 0 ? size : Math.min(options.rcvlowat, size) || 1;
    let at = isPeek ? Math.max(options.peekOff, 0) + done : 0;
    let isOver = false;
    while (uio.resid > 0 && at < buf.length && !isOver) {
      let max = uio.resid;
      let mark: Mark | null = null;
      if (this.#marks.length > 0) {
        mark = this.#markAt(at);
        max = Math.min(max, this.#markEnd(at) - at);
        if (this.#isOther(mark, done, receiving)) break;
      }
      const n = uio.copyout(buf.peek(at, max));
      if (n < 0) {
        if (done === 0) return n;
        break;
      }
      if (done === 0 && receiving) this.#tell(receiving, mark);
      done += n;
      if (mark?.rights) isOver = this.#passFiles(mark, at, receiving, isPeek);
      if (isPeek) at += n;
      else this.#drop(n);
    }
    if (options.peekOff >= 0 && done > td.restart.done)
      this.#movePeek(done - td.restart.done, isPeek);
    if (done >= target || isOver || uio.resid === 0 || at < buf.length) return done;
    if (this.error !== 0 && done === 0) return this.takeError();
    if ((this.closed & RCV_SHUTDOWN) !== 0) return done;
    const timeout = options.rcvTimeoutNs;
    return this.block(td, this.readable, "unix_stream_data_wait", timeout, isNonblocking, done);
  }

  #movePeek(n: number, isPeek: boolean): void {
    const { options } = this;
    options.peekOff = isPeek ? options.peekOff + n : Math.max(0, options.peekOff - n);
  }

  #tell(receiving: Receiving, mark: Mark | null): void {
    receiving.name = (this.peer as UnixStream | null)?.sentName ?? null;
    if (this.options.passcred) receiving.creds = mark?.creds ?? UNKNOWN;
  }

  /** Bytes of another sender do not join those that were read already. */
  #isOther(mark: Mark | null, done: number, receiving: Receiving | null): boolean {
    if (done === 0 || !receiving?.creds) return false;
    return !isSame(mark?.creds ?? UNKNOWN, receiving.creds);
  }

  /** Hands over what came with the bytes: true, as the read ends with them. */
  #passFiles(mark: Mark, at: number, receiving: Receiving | null, isPeek: boolean): boolean {
    const rights = mark.rights!;
    const { inFlight } = this.domain;
    if (isPeek) {
      if (receiving && !receiving.files) receiving.files = rights.files.map((fp) => fp.hold());
      return true;
    }
    mark.rights = null;
    if (receiving && at === 0) receiving.files = inFlight.arrive(rights);
    else inFlight.drop(rights);
    return true;
  }

  #drop(n: number): void {
    const buf = this.#buf;
    buf.drop(n);
    this.#head += n;
    if (this.#marks.length > 0) this.#forgetMarks();
    const { peer } = this;
    if (peer && !peer.writable.isEmpty && buf.length * 4 <= peer.options.sndbuf) {
      peer.writable.wakeup();
    }
  }

  /** The last mark at or before byte `at` of the buffer. */
  #markAt(at: number): Mark | null {
    let found: Mark | null = null;
    for (const m of this.#marks) {
      if (m.at > this.#head + at) break;
      found = m;
    }
    return found;
  }

  /** Where the bytes of the mark at `at` end, in the buffer. */
  #markEnd(at: number): number {
    for (const m of this.#marks) if (m.at > this.#head + at) return m.at - this.#head;
    return this.#buf.length;
  }

  /** Forgets those whose bytes were all read. */
  #forgetMarks(): void {
    const marks = this.#marks;
    if (this.#buf.length === 0) {
      this.#dropMarks(marks.length);
      return;
    }
    let gone = 0;
    while (gone + 1 < marks.length && marks[gone + 1]!.at <= this.#head) gone++;
    if (gone > 0) this.#dropMarks(gone);
  }

  #dropMarks(count: number): void {
    this.#marks.splice(0, count);
    this.domain.kmem.give(count * MARK_BYTES);
  }

  poll(_td: Thread, table: PollTable | null): number {
    table?.watch(this.readable, READABLE | POLLRDHUP | POLLHUP | POLLERR);
    table?.watch(this.writable, WRITABLE | POLLHUP | POLLERR);
    let events = 0;
    if (this.error !== 0) events |= POLLERR;
    if (this.closed === (RCV_SHUTDOWN | SEND_SHUTDOWN)) events |= POLLHUP;
    if ((this.closed & RCV_SHUTDOWN) !== 0) events |= POLLRDHUP | READABLE;
    if (this.#buf.length > 0 || this.backlogLength > 0) events |= READABLE;
    if (this.state === "closed") events |= POLLHUP;
    if (this.state !== "listening" && this.bytesInFlight * 4 <= this.options.sndbuf) {
      events |= WRITABLE;
    }
    return events;
  }

  /** What it sent and the other side has not read. */
  get bytesInFlight(): number {
    const peer = this.peer as UnixStream | null;
    return peer ? peer.#buf.length : 0;
  }

  bytesReadable(): number {
    return this.state === "listening" ? EINVAL : this.#buf.length;
  }

  bytesUnsent(): number {
    return this.state === "listening" ? EINVAL : this.bytesInFlight;
  }
}

/** What is told of bytes whose sender was not noted. */
export const UNKNOWN: PeerCred = { pid: null, uid: 65534, gid: 65534 };

function isSame(a: PeerCred | null, b: PeerCred | null): boolean {
  if (a === b) return true;
  return a !== null && b !== null && a.pid === b.pid && a.uid === b.uid && a.gid === b.gid;
}
