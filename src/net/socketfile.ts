/**
 * The open file in front of a socket: read(2) receives, write(2) sends. See socket(7).
 */
import { EINVAL, ENOTTY, EPIPE, type Errno, ESPIPE } from "../abi/errno.ts";
import { O_NONBLOCK, O_RDWR } from "../abi/fcntl.ts";
import {
  AF_INET,
  AF_PACKET,
  FIOGETOWN,
  FIOSETOWN,
  MSG_DONTWAIT,
  MSG_EOR,
  SIOCGPGRP,
  SIOCINQ,
  SIOCOUTQ,
  SIOCSPGRP,
  SOCK_SEQPACKET,
} from "../abi/socket.ts";
import { S_IFSOCK } from "../abi/stat.ts";
import type { Thread } from "../kern/thread.ts";
import { ownerPid, setOwner } from "../proc/ioowner.ts";
import type { Lwp } from "../proc/lwp.ts";
import { changedAttr } from "../vfs/anon.ts";
import type { Attr, AttrChange } from "../vfs/attr.ts";
import { File } from "../vfs/file.ts";
import type { PollTable } from "../vfs/poll.ts";
import type { VmObject } from "../vm/object.ts";
import type { Uio } from "../vm/uio.ts";
import type { UserMemory } from "../vm/usermem.ts";
import { releaseFilter } from "./filteroption.ts";
import { inetIoctl, interfaceIoctl } from "./ifioctl.ts";
import { plainSending } from "./message.ts";
import type { NetStack } from "./netstack.ts";
import type { Socket } from "./socket.ts";
import type { SockFs } from "./sockfs.ts";

const PLAIN = plainSending(0);
const PLAIN_RECORD = plainSending(MSG_EOR);

export class SocketFile extends File {
  readonly socket: Socket;
  readonly #sockfs: SockFs;
  #attr: Attr;

  constructor(td: Thread, socket: Socket, sockfs: SockFs) {
    super(O_RDWR);
    this.socket = socket;
    this.#sockfs = sockfs;
    this.#attr = attrOf(td, socket, sockfs);
    socket.file = this;
    sockfs.inUse++;
  }

  /** The file in front of a connection that was accepted here. */
  inFrontOf(td: Thread, accepted: Socket): SocketFile {
    return new SocketFile(td, accepted, this.#sockfs);
  }

  describe(): string {
    return `socket:[${this.socket.ino}]`;
  }

  override stat(): Attr {
    return this.#attr;
  }

  /** The mode is what bind(2) makes the file of a UNIX socket with. */
  override setattr(change: AttrChange): number {
    this.#attr = changedAttr(this.#attr, change);
    return 0;
  }

  override read(td: Thread, uio: Uio): number {
    if (uio.resid === 0) return 0;
    return this.socket.receive(td, uio, 0, null, (this.flags & O_NONBLOCK) !== 0);
  }

  override write(td: Thread, uio: Uio): number {
    const { socket } = this;
    const sending = socket.type === SOCK_SEQPACKET ? PLAIN_RECORD : PLAIN;
    const r = socket.send(td, uio, sending, (this.flags & O_NONBLOCK) !== 0);
    if (r === EPIPE && !socket.raisesSigpipe) td.isSigpipeSpared = true;
    return r;
  }

  /** Sends or receives with MSG_* `flags`: whether it may wait. */
  mayNotWait(flags: number): boolean {
    return ((this.flags & O_NONBLOCK) | (flags & MSG_DONTWAIT)) !== 0;
  }

  override seek(): number {
    return ESPIPE;
  }

  override get canBeAsync(): boolean {
    return true;
  }

  override object(): VmObject | Errno {
    return this.socket.object();
  }

  override poll(td: Thread, table: PollTable | null): number {
    return this.socket.poll(td, table);
  }

  override ioctl(td: Thread, request: number, arg: number, mem: UserMemory): number {
    switch (request) {
      case SIOCINQ: {
        const bytes = this.socket.bytesReadable();
        return bytes < 0 ? bytes : mem.storeU32(arg, Math.min(bytes, 0x7fffffff));
      }
      case SIOCOUTQ: {
        const bytes = this.socket.bytesUnsent();
        return bytes < 0 ? bytes : mem.storeU32(arg, Math.min(bytes, 0x7fffffff));
      }
      case FIOSETOWN:
      case SIOCSPGRP: {
        const who = mem.loadU32(arg);
        if (who < 0) return who;
        return setOwner(td as Lwp, this, who | 0);
      }
      case FIOGETOWN:
      case SIOCGPGRP:
        return mem.storeU32(arg, ownerPid(td as Lwp, this) >>> 0);
      default: {
        const r = this.socket.ioctl(td, request, arg, mem);
        return r === ENOTTY ? this.#interfaceIoctl(td, request, arg, mem) : r;
      }
    }
  }

  /** What the network answers at any socket. */
  #interfaceIoctl(td: Thread, request: number, arg: number, mem: UserMemory): number {
    const { socket } = this;
    const stack = this.socket.netns.contents as NetStack | null;
    if (!stack) return ENOTTY;
    const isInet = socket.family === AF_INET || socket.family === AF_PACKET;
    const r = isInet ? inetIoctl(td, stack, request, arg, mem) : ENOTTY;
    return r === ENOTTY ? interfaceIoctl(td, stack, request, arg, mem) : r;
  }

  override bytesReadable(): number {
    return ENOTTY;
  }

  override fsync(): number {
    return EINVAL;
  }

  override onLastClose(): void {
    this.#sockfs.inUse--;
    this.socket.file = null;
    releaseFilter(this.#sockfs.kmem, this.socket.options);
    this.socket.close();
  }

  override release(): void {
    super.release();
    if (this.refs > 0) this.socket.fileReleased(this);
  }
}

function attrOf(td: Thread, socket: Socket, sockfs: SockFs): Attr {
  const now = td.cpu.clock.realtime();
  return {
    mode: S_IFSOCK | 0o777,
    ino: socket.ino,
    dev: sockfs.dev,
    nlink: 1,
    uid: td.cred.fsuid,
    gid: td.cred.fsgid,
    rdev: 0,
    sizeBytes: 0,
    blksize: 4096,
    blocks: 0,
    atime: now,
    mtime: now,
    ctime: now,
    btime: null,
  };
}
