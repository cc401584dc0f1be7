/**
 * Messages of sockets: sendto(2), recvfrom(2), sendmsg(2), recvmsg(2), and many
 * at a time: sendmmsg(2), recvmmsg(2).
 *
 * A struct msghdr and what it names (address, segments, control messages) is
 * read once. It stays with the thread, paid for, while the call sleeps. What
 * was received so far is told before each sleep, as a signal may end the call there.
 */
import { EFAULT, EINVAL, EMSGSIZE, ENOBUFS, EPIPE, type Errno, failed } from "../abi/errno.ts";
import { SIGPIPE } from "../abi/signal.ts";
import {
  MMSGHDR_LEN,
  MMSGHDR_SIZE,
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSG_WAITFORONE,
  MsgHdr,
  SOCKADDR_MAX,
} from "../abi/socket.ts";
import { NS_PER_SEC } from "../kern/clock.ts";
import type { KernelMemory } from "../kern/kmem.ts";
import type { Abandonable } from "../kern/thread.ts";
import { plainSending, Receiving, type Sending, type SentControl } from "../net/message.ts";
import type { SocketFile } from "../net/socketfile.ts";
import type { Lwp } from "../proc/lwp.ts";
import { tsignal } from "../proc/signal.ts";
import { type IoVec, Uio } from "../vm/uio.ts";
import { flags, int, size, uaddr, ubuf, uint } from "./args.ts";
import { ControlWriter } from "./cmsg.ts";
import { type Syscall, syscall } from "./declare.ts";
import { readIov } from "./iov.ts";
import { loadAddress, sock, storeAddress, storeInt } from "./sockaddr.ts";
import { loadTimespec, storeTimespec, timespecOfNs } from "./timespec.ts";

const IOV_MAX = 1024;
/** Most messages of one sendmmsg(2) or recvmmsg(2). */
const MMSG_MAX = 1024;
const INT_MAX = 0x7fffffff;
/** What a message that is kept takes, and each of its segments, about. */
const KEPT_BYTES = 256;
const SEGMENT_BYTES = 48;

/** A struct msghdr as it was read. Addresses of user memory are numbers. */
interface Header {
  readonly name: number;
  readonly nameLength: number;
  readonly segments: readonly IoVec[];
  readonly control: number;
  readonly controlLength: number;
}

function loadHeader(td: Lwp, at: number): Header | Errno {
  const view = td.cpu.scratchView;
  if (failed(td.proc.vmspace.copyin(at, td.cpu.scratchPrefix(MsgHdr.sizeof)))) return EFAULT;
  const name = MsgHdr.msg_name.get(view, 0);
  const nameLength = name === 0 ? 0 : MsgHdr.msg_namelen.get(view, 0);
  const iov = MsgHdr.msg_iov.get(view, 0);
  const count = MsgHdr.msg_iovlen.get(view, 0);
  const control = MsgHdr.msg_control.get(view, 0);
  const controlLength = MsgHdr.msg_controllen.get(view, 0);
  if (nameLength < 0) return EINVAL;
  if (count > IOV_MAX) return EMSGSIZE;
  const segments = readIov(td, iov, count);
  if (failed(segments)) return segments;
  return {
    name,
    nameLength: Math.min(nameLength, SOCKADDR_MAX),
    segments,
    control,
    controlLength,
  };
}

/** Something that a call keeps while it sleeps: paid for until the call ends. */
abstract class Kept implements Abandonable {
  readonly segments: readonly IoVec[];
  readonly #kmem: KernelMemory;
  #paid = 0;

  constructor(td: Lwp, segments: readonly IoVec[]) {
    this.segments = segments;
    this.#kmem = td.cpu.kmem;
  }

  /** False if there is no memory for it. */
  pay(more: number): boolean {
    const bytes = KEPT_BYTES + this.segments.length * SEGMENT_BYTES + more;
    if (!this.#kmem.take(bytes)) return false;
    this.#paid = bytes;
    return true;
  }

  abandon(): void {
    this.#kmem.give(this.#paid);
    this.#paid = 0;
  }
}

/** A message that is being sent. */
class Outgoing extends Kept implements Sending {
  readonly flags: number;
  name: Uint8Array | null = null;
  control: SentControl | null = null;

  constructor(td: Lwp, segments: readonly IoVec[], how: number) {
    super(td, segments);
    this.flags = how;
  }

  override abandon(): void {
    super.abandon();
    this.control?.release();
    this.control = null;
  }
}

/** A message that is being received. */
class Incoming extends Kept {
  readonly header: Header;
  readonly receiving: Receiving;

  constructor(td: Lwp, header: Header, how: number) {
    super(td, header.segments);
    this.header = header;
    this.receiving = new Receiving(how);
  }

  override abandon(): void {
    super.abandon();
    this.receiving.releaseFiles();
  }
}

/** Reads the struct msghdr at `at` and all that goes with it, for sending. */
function loadOutgoing(td: Lwp, fp: SocketFile, at: number, how: number): Outgoing | Errno {
  const header = loadHeader(td, at);
  if (failed(header)) return header;
  const out = new Outgoing(td, header.segments, how);
  if (header.nameLength > 0) {
    const name = loadAddress(td, header.name, header.nameLength);
    if (failed(name)) return name;
    out.name = name;
  }
  const { controlLength } = header;
  if (controlLength > INT_MAX || controlLength > fp.socket.tunables.optmemMax.get()) return ENOBUFS;
  if (!out.pay(controlLength)) return ENOBUFS;
  if (controlLength > 0) {
    const bytes = new Uint8Array(controlLength);
    let r: SentControl | null | Errno = EFAULT;
    if (!failed(td.proc.vmspace.copyin(header.control, bytes))) r = fp.socket.control(td, bytes);
    if (failed(r)) {
      out.abandon();
      return r;
    }
    out.control = r;
  }
  return out;
}

function loadIncoming(td: Lwp, at: number, how: number): Incoming | Errno {
  const header = loadHeader(td, at);
  if (failed(header)) return header;
  const incoming = new Incoming(td, header, how);
  return incoming.pay(0) ? incoming : ENOBUFS;
}

/** Sends what is left of a message. */
function send(td: Lwp, fp: SocketFile, uio: Uio, out: Sending): number {
  const r = fp.socket.send(td, uio, out, fp.mayNotWait(out.flags));
  if (r === EPIPE && fp.socket.raisesSigpipe && (out.flags & MSG_NOSIGNAL) === 0) {
    tsignal(td, SIGPIPE);
  }
  return r;
}

/** Receives, and tells the caller at `at` what came: bytes, or an error. */
function receive(td: Lwp, fp: SocketFile, at: number, incoming: Incoming): number {
  const { receiving } = incoming;
  const uio = Uio.userv(td.proc.vmspace, incoming.segments);
  const how = receiving.flags;
  const before = td.restart.done;
  const r = fp.socket.receive(td, uio, how, receiving, fp.mayNotWait(how));
  if (r < 0 && !(td.state === "sleeping" && td.restart.done > before)) return r;
  const told = tell(td, fp, at, incoming);
  return r >= 0 && told < 0 ? told : r;
}

function tell(td: Lwp, fp: SocketFile, at: number, { header, receiving }: Incoming): number {
  const mem = td.proc.vmspace;
  const room = Math.min(header.controlLength, INT_MAX);
  const control = new ControlWriter(td, header.control, room);
  const { creds, files, time } = receiving;
  if (header.control !== 0) control.write(receiving, fp.socket.options.timestamp);
  else if (creds || files || time || receiving.control.length > 0) control.outFlags |= MSG_CTRUNC;
  receiving.releaseFiles();
  if (header.name !== 0) {
    const name = receiving.name ?? NO_NAME;
    const n = Math.min(header.nameLength, name.length);
    if (n > 0 && failed(mem.copyout(header.name, name.subarray(0, n)))) return EFAULT;
    const r = storeInt(td, at + MsgHdr.msg_namelen.offset, name.length);
    if (r < 0) return r;
  }
  const outFlags = receiving.outFlags | control.outFlags | (receiving.flags & MSG_CMSG_CLOEXEC);
  const r = storeInt(td, at + MsgHdr.msg_flags.offset, outFlags);
  if (r < 0) return r;
  const view = td.cpu.scratchView;
  MsgHdr.msg_name.set(view, 0, control.used);
  return mem.copyout(at + MsgHdr.msg_controllen.offset, td.cpu.scratchPrefix(8));
}

const NO_NAME = new Uint8Array(0);

export const sys_sendto = syscall(
  "sendto",
  [sock, ubuf("length"), size, flags, uaddr, int],
  (td, fp, buf, length, how, at, atLength) => {
    const uio = Uio.user(td.proc.vmspace, buf, length);
    if (at === 0) return send(td, fp, uio, how === 0 ? PLAIN : plainSending(how));
    const kept = td.isMadeAgain ? td.firstRead : null;
    const name = kept ? (kept as Uint8Array) : loadAddress(td, at, atLength);
    if (failed(name)) return name;
    td.firstRead = name;
    return send(td, fp, uio, {
      flags: how,
      name: name.length > 0 ? name : null,
      control: null,
    });
  },
);

const PLAIN = plainSending(0);

export const sys_recvfrom = syscall(
  "recvfrom",
  [sock, ubuf("length"), size, flags, uaddr, uaddr],
  (td, fp, buf, length, how, at, atLength) => {
    const { socket } = fp;
    const uio = Uio.user(td.proc.vmspace, buf, length);
    const isAsked = at !== 0 || socket.options.passcred;
    const receiving = isAsked ? new Receiving(how) : null;
    const r = socket.receive(td, uio, how, receiving, fp.mayNotWait(how));
    receiving?.releaseFiles();
    if (r < 0 || at === 0) return r;
    const stored = storeAddress(td, receiving!.name, at, atLength);
    return stored < 0 ? stored : r;
  },
);

export const sys_sendmsg = syscall("sendmsg", [sock, uaddr, flags], (td, fp, at, how) => {
  const { data } = td.restart;
  const out = data instanceof Outgoing ? data : loadOutgoing(td, fp, at, how);
  if (failed(out)) return out;
  // Whether it sleeps or ends: the dispatcher sees to it that it is abandoned.
  td.restart.data = out;
  return send(td, fp, Uio.userv(td.proc.vmspace, out.segments), out);
});

export const sys_recvmsg = syscall("recvmsg", [sock, uaddr, flags], (td, fp, at, how) => {
  const { data } = td.restart;
  const incoming = data instanceof Incoming ? data : loadIncoming(td, at, how);
  if (failed(incoming)) return incoming;
  td.restart.data = incoming;
  return receive(td, fp, at, incoming);
});

/** How far a call with many messages is. */
class Batch implements Abandonable {
  index = 0;
  /** The message it is at, and how much of that has moved. */
  current: Outgoing | Incoming | null = null;
  done = 0;
  endNs = Number.POSITIVE_INFINITY;

  abandon(): void {
    this.current?.abandon();
    this.current = null;
  }
}

function batchOf(td: Lwp): Batch {
  const { restart } = td;
  const batch = restart.data instanceof Batch ? restart.data : new Batch();
  restart.data = batch;
  restart.done = batch.done;
  return batch;
}

/**
 * After each message of a batch: null goes on to the next. A signal that ends a
 * sleep leaves as the answer how many messages have moved, if only in part.
 */
function settle(td: Lwp, batch: Batch, r: number, lengthAddr: number): number | null {
  const { restart } = td;
  if (td.state !== "running") {
    batch.done = restart.done;
    if (batch.done > 0) storeInt(td, lengthAddr, batch.done);
    restart.done = batch.index + (batch.done > 0 ? 1 : 0);
    return r;
  }
  batch.abandon();
  batch.done = restart.done = 0;
  restart.deadlineNs = -1;
  const error = r < 0 ? r : storeInt(td, lengthAddr, r);
  if (error < 0) return batch.index > 0 ? batch.index : error;
  batch.index++;
  return null;
}

export const sys_sendmmsg = syscall(
  "sendmmsg",
  [sock, uaddr, uint, flags],
  (td, fp, at, count, how) => {
    const batch = batchOf(td);
    const most = Math.min(count, MMSG_MAX);
    while (batch.index < most) {
      const message = at + batch.index * MMSGHDR_SIZE;
      const out = (batch.current as Outgoing | null) ?? loadOutgoing(td, fp, message, how);
      if (failed(out)) return batch.index > 0 ? batch.index : out;
      batch.current = out;
      const r = send(td, fp, Uio.userv(td.proc.vmspace, out.segments), out);
      const end = settle(td, batch, r, message + MMSGHDR_LEN);
      if (end !== null) return end;
    }
    return batch.index;
  },
);

export const sys_recvmmsg = syscall(
  "recvmmsg",
  [sock, uaddr, uint, flags, uaddr],
  (td, fp, at, count, how, timeout) => {
    const batch = batchOf(td);
    const { clock } = td.cpu;
    if (timeout !== 0 && batch.endNs === Number.POSITIVE_INFINITY) {
      const t = loadTimespec(td, timeout);
      if (failed(t)) return t;
      batch.endNs = clock.monotonicNs() + t.sec * NS_PER_SEC + t.nsec;
    }
    if (batch.index === 0 && batch.done === 0 && !batch.current) {
      const { error } = fp.socket;
      if (error !== 0) return fp.socket.takeError();
    }
    const r = receiveAll(td, fp, at, Math.min(count, MMSG_MAX), how, batch);
    if (timeout === 0 || r < 0) return r;
    const left = timespecOfNs(Math.max(0, batch.endNs - clock.monotonicNs()));
    return storeTimespec(td, timeout, left) < 0 ? EFAULT : r;
  },
);

function receiveAll(
  td: Lwp,
  fp: SocketFile,
  at: number,
  most: number,
  how: number,
  batch: Batch,
): number {
  while (batch.index < most) {
    const message = at + batch.index * MMSGHDR_SIZE;
    const isLater = batch.index > 0 && (how & MSG_WAITFORONE) !== 0;
    const used = (how & ~MSG_WAITFORONE) | (isLater ? MSG_DONTWAIT : 0);
    const incoming = (batch.current as Incoming | null) ?? loadIncoming(td, message, used);
    if (failed(incoming)) return batch.index > 0 ? batch.index : incoming;
    batch.current = incoming;
    const r = receive(td, fp, message, incoming);
    const end = settle(td, batch, r, message + MMSGHDR_LEN);
    if (end !== null) return end;
    if (td.cpu.clock.isPast(batch.endNs)) break;
  }
  return batch.index;
}

export const sockmsgSyscalls: readonly (readonly [number, Syscall])[] = [
  [206, sys_sendto],
  [207, sys_recvfrom],
  [211, sys_sendmsg],
  [212, sys_recvmsg],
  [243, sys_recvmmsg],
  [269, sys_sendmmsg],
];
