/**
 * A socket: what a protocol family implements and socket calls are served by.
 *
 * It may live longer than the open file in front of it (a connection that was
 * closed goes on saying good-bye) or exist before it (one that waits to be
 * accepted). An operation that must wait does so by `block`; nothing has moved
 * then but what `td.restart.done` says. See socket(9), protocols(5).
 */
import {
  EAGAIN,
  EINVAL,
  ENODEV,
  ENOPROTOOPT,
  ENOTTY,
  EOPNOTSUPP,
  ERESTARTNOHAND,
  type Errno,
} from "../abi/errno.ts";
import { POLLIN, POLLOUT, POLLRDNORM, POLLWRBAND, POLLWRNORM } from "../abi/poll.ts";
import { SOL_SOCKET } from "../abi/socket.ts";
import type { Thread } from "../kern/thread.ts";
import { WaitQueue } from "../kern/waitqueue.ts";
import type { NetNamespace } from "../vfs/netns.ts";
import type { PollTable } from "../vfs/poll.ts";
import type { VmObject } from "../vm/object.ts";
import type { Uio } from "../vm/uio.ts";
import type { UserMemory } from "../vm/usermem.ts";
import type { Receiving, Sending, SentControl } from "./message.ts";
import { SocketOptions } from "./options.ts";
import type { SocketFile } from "./socketfile.ts";
import { getSocketOption, setSocketOption } from "./sockopt.ts";
import type { NetTunables } from "./tunables.ts";

/** Bits of `Socket.closed`: nothing more comes in, nothing more goes out. */
export const RCV_SHUTDOWN = 1;
export const SEND_SHUTDOWN = 2;

/** What poll(2) says of a socket that has something to read, and of one that takes something. */
export const READABLE = POLLIN | POLLRDNORM;
export const WRITABLE = POLLOUT | POLLWRNORM | POLLWRBAND;

export abstract class Socket {
  readonly family: number;
  readonly type: number;
  readonly protocol: number;
  /** Names it in /proc: "socket:[ino]". */
  readonly ino: number;
  readonly tunables: NetTunables;
  readonly options: SocketOptions;
  /** The open file in front of it; null before accept(2) and after close(2). */
  file: SocketFile | null = null;
  /** What happened to it and was not told yet: a negative errno, or 0. */
  error = 0;
  /** RCV_SHUTDOWN and SEND_SHUTDOWN. */
  closed = 0;
  /** Woken when there may be something to read or to accept; when there may be room to write. */
  readonly readable = new WaitQueue();
  readonly writable = new WaitQueue();

  constructor(family: number, type: number, protocol: number, ino: number, tunables: NetTunables) {
    this.family = family;
    this.type = type;
    this.protocol = protocol;
    this.ino = ino;
    this.tunables = tunables;
    this.options = new SocketOptions(tunables);
  }

  /** The network that it is of, and is held by it: not always that of who uses it. */
  abstract get netns(): NetNamespace;

  /** A send on a broken connection raises SIGPIPE. */
  get raisesSigpipe(): boolean {
    return false;
  }

  get isListening(): boolean {
    return false;
  }

  /** Addresses are struct sockaddr as they came, at least the family. */
  bind(_td: Thread, _address: Uint8Array): number {
    return EOPNOTSUPP;
  }

  listen(_td: Thread, _backlog: number): number {
    return EOPNOTSUPP;
  }

  /** The socket of the next connection; may sleep. */
  accept(_td: Thread, _isNonblocking: boolean): Socket | Errno {
    return EOPNOTSUPP;
  }

  connect(_td: Thread, _address: Uint8Array, _isNonblocking: boolean): number {
    return EOPNOTSUPP;
  }

  /** Its own address, as getsockname(2) tells it. */
  abstract name(): Uint8Array | Errno;
  /** The other end's; ENOTCONN. */
  abstract peerName(): Uint8Array | Errno;

  /** Bytes sent; `uio` starts at the first byte of the call, `td.restart.done` of them are gone already. */
  abstract send(td: Thread, uio: Uio, sending: Sending, isNonblocking: boolean): number;

  /** Bytes received, or for messages with MSG_TRUNC their length. Null: nobody asks what came with them. */
  abstract receive(
    td: Thread,
    uio: Uio,
    flags: number,
    receiving: Receiving | null,
    isNonblocking: boolean,
  ): number;

  /** Understands the control messages of a sendmsg(2): EINVAL and their own errors. */
  control(_td: Thread, _bytes: Uint8Array): SentControl | null | Errno {
    return null;
  }

  /** SHUT_*. */
  abstract shutdown(how: number): number;

  abstract poll(td: Thread, table: PollTable | null): number;

  /** FIONREAD, and SIOCOUTQ. */
  abstract bytesReadable(): number;
  abstract bytesUnsent(): number;

  ioctl(_td: Thread, _request: number, _arg: number, _mem: UserMemory): number {
    return ENOTTY;
  }

  /** `value` is what the caller gave, of any length. */
  setOption(td: Thread, level: number, name: number, value: Uint8Array): number {
    return level === SOL_SOCKET ? setSocketOption(td, this, name, value) : EOPNOTSUPP;
  }

  /** The option's whole value. `asked`: what is where it will be written, for the few that look at it. */
  getOption(
    td: Thread,
    level: number,
    name: number,
    room: number,
    _asked?: Uint8Array,
  ): Uint8Array | Errno {
    return level === SOL_SOCKET ? getSocketOption(td, this, name, room) : EOPNOTSUPP;
  }

  /** Options of SOL_SOCKET that only some families have. */
  setOwnOption(_td: Thread, _name: number, _value: Uint8Array): number {
    return ENOPROTOOPT;
  }

  getOwnOption(_td: Thread, _name: number, _room: number): Uint8Array | Errno {
    return ENOPROTOOPT;
  }

  /** The last descriptor is closed. */
  abstract close(): void;

  /** What mmap(2) maps: ENODEV where there is no such thing. */
  object(): VmObject | Errno {
    return ENODEV;
  }

  /** References to its file went, though not the last one. */
  fileReleased(_fp: SocketFile): void {}

  /** Its pending error, which is told once. */
  takeError(): number {
    const { error } = this;
    this.error = 0;
    return error;
  }

  /**
   * For who cannot go on: the answer at once, or a sleep on `queue`. What has
   * moved (`done`) is the answer if the call may not wait or has waited long enough.
   */
  protected block(
    td: Thread,
    queue: WaitQueue,
    wmesg: string,
    timeoutNs: number,
    isNonblocking: boolean,
    done: number,
  ): Errno | number {
    if (isNonblocking) return done > 0 ? done : EAGAIN;
    if (timeoutNs === Number.POSITIVE_INFINITY) {
      td.restart.done = done;
      return td.sleep(queue, wmesg);
    }
    const { clock } = td.cpu;
    if (td.restart.deadlineNs < 0) td.restart.deadlineNs = clock.monotonicNs() + timeoutNs;
    if (clock.isPast(td.restart.deadlineNs)) return done > 0 ? done : EAGAIN;
    td.restart.done = done;
    td.sleepUntil(queue, wmesg, td.restart.deadlineNs);
    // A wait with an end is not begun anew after a handler.
    return ERESTARTNOHAND;
  }

  /** Which bits SHUT_* stands for; EINVAL. */
  protected shutdownBits(how: number): number {
    return how >= 0 && how <= 2 ? how + 1 : EINVAL;
  }
}
