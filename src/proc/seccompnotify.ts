/**
 * seccomp(2)'s user notification: calls that another process answers, through
 * the descriptor of the filter that asks for it. See seccomp_unotify(2).
 *
 * A notification lives as long as its call sleeps; a signal that ends the call
 * takes it away, and so does the end of its thread. Who answers may give the
 * thread open files before, and with the answer.
 */
import { E2BIG, EBADF, EFAULT, EINPROGRESS, EINVAL, ENOENT, ENOSYS, failed } from "../abi/errno.ts";
import { O_CLOEXEC, O_RDWR } from "../abi/fcntl.ts";
import { POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../abi/poll.ts";
import {
  SECCOMP_ADDFD_FLAG_SEND,
  SECCOMP_ADDFD_FLAG_SETFD,
  SECCOMP_DATA_SIZE,
  SECCOMP_IOCTL_NOTIF_ADDFD,
  SECCOMP_IOCTL_NOTIF_ID_VALID,
  SECCOMP_IOCTL_NOTIF_ID_VALID_WRONG_DIR,
  SECCOMP_IOCTL_NOTIF_RECV,
  SECCOMP_IOCTL_NOTIF_SEND,
  SECCOMP_IOCTL_NOTIF_SET_FLAGS,
  SECCOMP_NOTIF_RESP_SIZE,
  SECCOMP_NOTIF_SIZE,
  SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP,
  SECCOMP_USER_NOTIF_FLAG_CONTINUE,
  SeccompNotifAddfd,
} from "../abi/seccomp.ts";
import type { Abandonable, Thread } from "../kern/thread.ts";
import { WaitQueue } from "../kern/waitqueue.ts";
import type { Attr } from "../vfs/attr.ts";
import { File } from "../vfs/file.ts";
import type { PollTable } from "../vfs/poll.ts";
import { PAGE_SIZE } from "../vm/param.ts";
import type { UserMemory } from "../vm/usermem.ts";
import type { Lwp } from "./lwp.ts";

/** Of an ioctl's number: what it is, whatever its struct; and how large that is. */
const IOC_TYPE_NR = 0xffff;
const IOC_SIZE = 0x3fff;

/** One call that waits for its answer. */
export class Notification implements Abandonable {
  readonly id: number;
  /** Whose call it is. */
  readonly td: Lwp;
  /** struct seccomp_data, as words. */
  readonly data: Int32Array;
  readonly answered = new WaitQueue();
  readonly listener: SeccompListener;
  state: "new" | "sent" | "answered" = "new";
  /** The call is made after all. */
  goesOn = false;
  result = 0;

  constructor(id: number, td: Lwp, data: Int32Array, listener: SeccompListener) {
    this.id = id;
    this.td = td;
    this.data = data;
    this.listener = listener;
  }

  /** Somebody has it. */
  sent(): void {
    this.state = "sent";
    if (this.listener.isKillable) this.td.isUninterruptible = true;
  }

  abandon(): void {
    this.td.isUninterruptible = false;
    this.listener.forget(this);
  }

  answer(result: number, goesOn: boolean): void {
    this.state = "answered";
    this.result = result;
    this.goesOn = goesOn;
    this.td.isUninterruptible = false;
    this.listener.forget(this);
    this.answered.wakeup();
  }
}

export class SeccompListener extends File {
  /** No thread is under the filter any more. */
  isHungUp = false;
  isClosed = false;
  /** Only what kills ends a call that somebody has been told of: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV. */
  readonly isKillable: boolean;
  readonly #waiting = new Set<Notification>();
  readonly #changed = new WaitQueue();
  readonly #attr: Attr;
  #lastId = 0;

  constructor(attr: Attr, isKillable: boolean) {
    super(O_RDWR);
    this.isKillable = isKillable;
    this.#attr = attr;
  }

  describe(): string {
    return "anon_inode:seccomp notify";
  }

  override stat(): Attr {
    return this.#attr;
  }

  notify(td: Lwp, data: Int32Array): Notification {
    const n = new Notification(++this.#lastId, td, data, this);
    this.#waiting.add(n);
    this.#changed.wakeup();
    return n;
  }

  forget(n: Notification): void {
    if (this.#waiting.delete(n)) this.#changed.wakeup();
  }

  hangUp(): void {
    this.isHungUp = true;
    this.#changed.wakeup();
  }

  override poll(_td: Thread, table: PollTable | null): number {
    table?.watch(this.#changed);
    let events = this.isHungUp ? POLLHUP : 0;
    for (const { state } of this.#waiting) {
      if (state === "new") events |= POLLIN | POLLRDNORM;
      if (state === "sent") events |= POLLOUT | POLLWRNORM;
    }
    return events;
  }

  override ioctl(td: Thread, request: number, arg: number, mem: UserMemory): number {
    switch (request >>> 0) {
      case SECCOMP_IOCTL_NOTIF_RECV:
        return this.#receive(td, arg, mem);
      case SECCOMP_IOCTL_NOTIF_SEND:
        return this.#send(arg, mem);
      case SECCOMP_IOCTL_NOTIF_SET_FLAGS:
        // Whoever is woken runs on the same CPU anyhow.
        return (arg & ~SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP) !== 0 || arg > 1 ? EINVAL : 0;
      case SECCOMP_IOCTL_NOTIF_ID_VALID_WRONG_DIR:
      case SECCOMP_IOCTL_NOTIF_ID_VALID: {
        const id = mem.loadU64(arg);
        if (failed(id)) return EFAULT;
        return this.#find(id)?.state === "sent" ? 0 : ENOENT;
      }
      default:
        if (((request ^ SECCOMP_IOCTL_NOTIF_ADDFD) & IOC_TYPE_NR) !== 0) return EINVAL;
        return this.#addFd(td as Lwp, arg, mem, (request >>> 16) & IOC_SIZE);
    }
  }

  /** Gives the thread a file of the caller's: its descriptor there. `size` is that of the struct, which may grow. */
  #addFd(td: Lwp, arg: number, mem: UserMemory, size: number): number {
    if (size < SeccompNotifAddfd.sizeof || size >= PAGE_SIZE) return EINVAL;
    const bytes = new Uint8Array(size);
    if (failed(mem.copyin(arg, bytes))) return EFAULT;
    for (let i = SeccompNotifAddfd.sizeof; i < size; i++) if (bytes[i] !== 0) return E2BIG;
    const v = new DataView(bytes.buffer);
    const fdFlags = SeccompNotifAddfd.newfd_flags.get(v, 0);
    const flags = SeccompNotifAddfd.flags.get(v, 0);
    const to = SeccompNotifAddfd.newfd.get(v, 0);
    if ((fdFlags & ~O_CLOEXEC) !== 0) return EINVAL;
    if ((flags & ~(SECCOMP_ADDFD_FLAG_SETFD | SECCOMP_ADDFD_FLAG_SEND)) !== 0) return EINVAL;
    const isAt = (flags & SECCOMP_ADDFD_FLAG_SETFD) !== 0;
    if (to !== 0 && !isAt) return EINVAL;
    const fp = td.fdtable.get(SeccompNotifAddfd.srcfd.get(v, 0) | 0);
    if (!fp) return EBADF;
    const n = this.#find(SeccompNotifAddfd.id.get(v, 0));
    if (!n) return ENOENT;
    if (n.state !== "sent") return EINPROGRESS;
    const { fdtable } = n.td;
    const isCloexec = fdFlags !== 0;
    fp.hold();
    const fd = isAt ? fdtable.install(to | 0, fp, isCloexec) : fdtable.alloc(fp, isCloexec);
    if (fd < 0) fp.release();
    else if ((flags & SECCOMP_ADDFD_FLAG_SEND) !== 0) n.answer(fd, false);
    return fd;
  }

  #find(id: number): Notification | null {
    for (const n of this.#waiting) if (n.id === id) return n;
    return null;
  }

  #receive(td: Thread, arg: number, mem: UserMemory): number {
    const bytes = new Uint8Array(SECCOMP_NOTIF_SIZE);
    if (failed(mem.copyin(arg, bytes))) return EFAULT;
    if (bytes.some((b) => b !== 0)) return EINVAL;
    for (const n of this.#waiting) {
      if (n.state !== "new") continue;
      const v = new DataView(bytes.buffer);
      v.setUint32(0, n.id % 2 ** 32, true);
      v.setUint32(4, Math.floor(n.id / 2 ** 32), true);
      v.setInt32(8, (td as Lwp).proc.table.numberIn((td as Lwp).pidns, n.td.tid), true);
      for (let i = 0; i < SECCOMP_DATA_SIZE / 4; i++) v.setInt32(16 + 4 * i, n.data[i]!, true);
      if (failed(mem.copyout(arg, bytes))) return EFAULT;
      n.sent();
      this.#changed.wakeup();
      return 0;
    }
    if (this.isHungUp) return ENOENT;
    return td.sleep(this.#changed, "seccomp_notify");
  }

  #send(arg: number, mem: UserMemory): number {
    const bytes = new Uint8Array(SECCOMP_NOTIF_RESP_SIZE);
    if (failed(mem.copyin(arg, bytes))) return EFAULT;
    const v = new DataView(bytes.buffer);
    const id = v.getUint32(4, true) * 2 ** 32 + v.getUint32(0, true);
    const value = v.getInt32(12, true) * 2 ** 32 + v.getUint32(8, true);
    const error = v.getInt32(16, true);
    const flags = v.getUint32(20, true);
    if ((flags & ~SECCOMP_USER_NOTIF_FLAG_CONTINUE) !== 0) return EINVAL;
    const goesOn = flags !== 0;
    if (goesOn && (error !== 0 || value !== 0)) return EINVAL;
    const n = this.#find(id);
    if (!n) return ENOENT;
    if (n.state !== "sent") return EINPROGRESS;
    n.answer(error !== 0 ? error : value, goesOn);
    return 0;
  }

  /** Nobody will answer: as if there had been no listener. */
  override onLastClose(): void {
    this.isClosed = true;
    for (const n of [...this.#waiting]) n.answer(ENOSYS, false);
  }
}
