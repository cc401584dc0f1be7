/**
 * Open file descriptions: what a descriptor refers to, shared by dup(2) and fork(2).
 *
 * Whatever can be opened subclasses File and overrides what it can do; the
 * rest answers as Linux does. `refs` counts descriptor slots, system calls in
 * flight and messages; `onLastClose` runs once, when it reaches 0.
 * See open(2), "Open file descriptions".
 */
import {
  EBADF,
  EINVAL,
  ENODEV,
  ENOTDIR,
  ENOTTY,
  EOPNOTSUPP,
  type Errno,
  ESPIPE,
} from "../abi/errno.ts";
import { O_ACCMODE, O_ASYNC, O_PATH, O_RDONLY, O_WRONLY } from "../abi/fcntl.ts";
import { IN_CLOSE_NOWRITE, IN_CLOSE_WRITE } from "../abi/inotify.ts";
import { POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../abi/poll.ts";
import type { KernelMemory } from "../kern/kmem.ts";
import type { Namespace } from "../kern/namespace.ts";
import type { Thread } from "../kern/thread.ts";
import type { VmObject } from "../vm/object.ts";
import type { Uio } from "../vm/uio.ts";
import type { UserMemory } from "../vm/usermem.ts";
import type { Attr, AttrChange } from "./attr.ts";
import { endNotices } from "./dnotify.ts";
import { AsyncNotice, type FileOwner } from "./fileowner.ts";
import type { Lockable, LockList } from "./lockf.ts";
import { type Path, releasePath } from "./path.ts";
import type { PollTable } from "./poll.ts";
import type { DirSink } from "./vnode.ts";
import { notifyOpen } from "./watch.ts";

/** Somebody who must hear that a file ends: an epoll that watches it. */
export interface FileWatcher {
  nextWatcher: FileWatcher | null;
  fileClosed(): void;
}

/** What an open file takes, about. */
export const FILE_BYTES = 512;

export abstract class File {
  refs = 1;
  /** O_ACCMODE and the status flags that F_GETFL shows (O_APPEND, O_NONBLOCK, …). */
  flags: number;
  /** The path it was opened by; null for pipes, eventfds and the like. */
  path: Path | null = null;
  watchers: FileWatcher | null = null;
  locks: LockList | null = null;
  /** Who paid for it, and is paid back; see FdTable. */
  kmem: KernelMemory | null = null;
  /** Errors of its file system's write-back, up to which syncfs(2) has told of them. */
  fsErrorsSeen = 0;
  /** F_SETOWN and F_SETSIG: who is told, and by which signal (0: SIGIO), while O_ASYNC is set. */
  owner: FileOwner | null = null;
  ownerSignal = 0;
  #async: AsyncNotice | null = null;
  /** As Vnode.writeHint, for a file without a vnode. */
  writeHint = 0;
  /** What is done with it is told to nobody: fanotify(7) opened it for who listens. */
  isQuiet = false;

  constructor(flags: number) {
    this.flags = flags;
  }

  /** The name space that it stands for: a file of /proc/PID/ns. */
  get namespace(): Namespace | null {
    return null;
  }

  /** What its locks are on: all that has no vnode, nor is shared as a pipe is, is locked by itself. */
  get lockable(): Lockable {
    return this.path?.entry.vnode ?? this;
  }

  get identity(): { readonly dev: number; readonly ino: number } {
    const a = this.stat();
    return typeof a === "number" ? { dev: 0, ino: 0 } : a;
  }

  get isReadable(): boolean {
    return (this.flags & O_ACCMODE) !== O_WRONLY;
  }

  get isWritable(): boolean {
    return (this.flags & O_ACCMODE) !== O_RDONLY;
  }

  /** What /proc/PID/fd shows for a file without a path: "pipe:[12]", "anon_inode:[eventfd]". */
  abstract describe(): string;

  /** What /proc/PID/fdinfo says of it beyond what it says of all: lines, or nothing. */
  fdinfo(_td: Thread): string {
    return "";
  }

  /** The attributes of what is open; a device or fifo has those of its node. */
  stat(): Attr | Errno {
    return this.path?.entry.vnode?.getattr() ?? EBADF;
  }

  /** Changes the attributes of what has no place in the tree; permission was checked by the caller. */
  setattr(_change: AttrChange): number {
    return EOPNOTSUPP;
  }

  /** At the file's own offset, which it moves. Bytes moved, 0 at end of file, or an error. */
  read(_td: Thread, _uio: Uio): number {
    return EINVAL;
  }

  write(_td: Thread, _uio: Uio): number {
    return EINVAL;
  }

  pread(_td: Thread, _uio: Uio, _offset: number): number {
    return ESPIPE;
  }

  pwrite(_td: Thread, _uio: Uio, _offset: number): number {
    return ESPIPE;
  }

  seek(_offset: number, _whence: number): number {
    return ESPIPE;
  }

  /** Which POLL* hold now; with a table, also who wakes the poller when that may change. */
  poll(_td: Thread, _table: PollTable | null): number {
    return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
  }

  /** `arg` is the raw third argument: a number or a user address, as `request` says. */
  ioctl(_td: Thread, _request: number, _arg: number, _mem: UserMemory): number {
    return ENOTTY;
  }

  /** What mmap(2) maps. */
  object(): VmObject | Errno {
    return ENODEV;
  }

  readdir(_sink: DirSink): number {
    return ENOTDIR;
  }

  truncate(_sizeBytes: number, _td: Thread): number {
    return EINVAL;
  }

  fsync(_dataOnly: boolean): number {
    return EINVAL;
  }

  /** fallocate(2) on what is no regular file. */
  allocate(_mode: number, _offset: number, _length: number): number {
    return ENODEV;
  }

  /** posix_fadvise(2): FADV_* for [offset, end). */
  advise(_advice: number, _offset: number, _end: number): void {}

  /** An error of writing back what was written to it, if its user has not been told: a negative errno, or 0. */
  lateError(): number {
    return 0;
  }

  /** F_SETFL changed the status flags. */
  setStatusFlags(flags: number): number {
    this.flags = flags;
    return 0;
  }

  /** Whether O_ASYNC can be set. */
  get canBeAsync(): boolean {
    return false;
  }

  /** O_ASYNC by the descriptor `fd`: from here on the owner is told of what it can do. */
  setAsync(td: Thread, isOn: boolean, fd: number): void {
    this.#async?.end();
    this.#async = isOn ? new AsyncNotice(td, this, fd) : null;
    this.flags = isOn ? this.flags | O_ASYNC : this.flags & ~O_ASYNC;
  }

  /** FIONREAD's answer: bytes that a read would find. */
  bytesReadable(): number {
    return ENOTTY;
  }

  /** A descriptor of the table `owner` was closed, perhaps not the last: POSIX locks go. */
  flush(owner: object): void {
    const vp = this.path?.entry.vnode;
    const { lockable } = this;
    lockable.locks?.table.closed(lockable, owner);
    if (vp?.watches) endNotices(vp, this, owner);
  }

  onLastClose(): void {}

  hold(): this {
    this.refs++;
    return this;
  }

  release(): void {
    if (--this.refs > 0) return;
    for (let w = this.watchers; w; w = this.watchers) {
      this.watchers = w.nextWatcher;
      w.fileClosed();
    }
    const vp = this.path?.entry.vnode;
    const { lockable } = this;
    lockable.locks?.table.fileClosed(lockable, this);
    if (vp?.watches) endNotices(vp, this, null);
    vp?.leases?.fileClosed(this);
    this.#async?.end();
    this.onLastClose();
    if (this.path && !this.isQuiet && (this.flags & O_PATH) === 0) {
      notifyOpen(this.path, this.isWritable ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
    }
    if (this.kmem) {
      this.kmem.fileClosed();
      this.kmem.give(FILE_BYTES);
    }
    if (this.path) releasePath(this.path);
  }
}
