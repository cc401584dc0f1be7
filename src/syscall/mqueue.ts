/** POSIX message queues: mq_open(3) and its family. Their names are not paths: the C library takes the slash off. */
import {
  EAGAIN,
  EBADF,
  EEXIST,
  EFAULT,
  EINVAL,
  EMFILE,
  EMSGSIZE,
  ENOENT,
  ENOSYS,
  ERESTARTSYS,
  type Errno,
  ETIMEDOUT,
  failed,
} from "../abi/errno.ts";
import { O_ACCMODE, O_CREAT, O_EXCL, O_NONBLOCK, O_RDONLY, O_WRONLY } from "../abi/fcntl.ts";
import { MqFile } from "../fs/mqueue/mqfile.ts";
import { checkName, type Mqueuefs, MqueueType } from "../fs/mqueue/mqueuefs.ts";
import type { Timespec } from "../kern/clock.ts";
import type { WaitQueue } from "../kern/waitqueue.ts";
import { bytes, i64, struct } from "../lib/struct.ts";
import type { Lwp } from "../proc/lwp.ts";
import { RLIMIT_MSGQUEUE } from "../proc/rlimit.ts";
import { access, checkSticky, MAY_READ, MAY_WRITE } from "../vfs/access.ts";
import type { File } from "../vfs/file.ts";
import { fd, flags, mode, size, uaddr, uint, upath } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { newFd } from "./file.ts";
import { loadTimespec } from "./timespec.ts";

const MQ_PRIO_MAX = 32768;
const SIGEV_SIGNAL = 0;
const SIGEV_NONE = 1;
const SIGRTMAX = 64;
const SIGEVENT_BYTES = 64;

const MqAttr = struct({
  mq_flags: i64,
  mq_maxmsg: i64,
  mq_msgsize: i64,
  mq_curmsgs: i64,
  __reserved: bytes(32),
});

export const sys_mq_open = syscall(
  "mq_open",
  [upath, flags, mode, uaddr],
  (td, name, how, bits, attr) => {
    const fs = mqueues(td);
    if (!fs) return ENOSYS;
    const asked = attr === 0 ? null : loadAttr(td, attr);
    if (failed(asked)) return asked;
    if (name === "") return ENOENT;
    if (td.fdtable.isFull) return EMFILE;
    const bad = checkName(name);
    if (failed(bad)) return bad;
    let queue = fs.directory.lookup(name);
    if (!failed(queue)) {
      if ((how & O_CREAT) !== 0 && (how & O_EXCL) !== 0) return EEXIST;
      if ((how & O_ACCMODE) === O_ACCMODE) return EINVAL;
      const denied = access(queue, td.cred, wantedOf(how));
      if (failed(denied)) return denied;
    } else {
      if ((how & O_CREAT) === 0) return ENOENT;
      const limit = td.proc.rlimits.soft(RLIMIT_MSGQUEUE);
      const wanted = asked && {
        maxMessages: MqAttr.mq_maxmsg.get(asked, 0),
        messageBytes: MqAttr.mq_msgsize.get(asked, 0),
      };
      queue = fs.create(name, bits & ~td.fs.umask, td.cred, wanted, limit);
      if (failed(queue)) return queue;
    }
    const fp = new MqFile(queue, how & (O_ACCMODE | O_NONBLOCK));
    return newFd(td, fp, true);
  },
);

export const sys_mq_unlink = syscall("mq_unlink", [upath], (td, name) => {
  const fs = mqueues(td);
  if (!fs) return ENOSYS;
  const bad = checkName(name);
  if (failed(bad)) return bad;
  const queue = fs.directory.lookup(name);
  if (failed(queue)) return queue;
  const denied = checkSticky(fs.directory, queue, td.cred);
  return failed(denied) ? denied : fs.directory.unlink(name, queue);
});

export const sys_mq_timedsend = syscall(
  "mq_timedsend",
  [fd, uaddr, size, uint, uaddr],
  (td, fp, msg, length, priority, timeout) => {
    const until = timeout === 0 ? null : loadTimespec(td, timeout);
    if (failed(until)) return until;
    if (priority >= MQ_PRIO_MAX) return EINVAL;
    if (!(fp instanceof MqFile) || !fp.isWritable) return EBADF;
    const { queue } = fp;
    if (length > queue.messageBytes) return EMSGSIZE;
    if (queue.isFull) return wait(td, fp, queue.senders, "mq_send", until);
    const text = new Uint8Array(length);
    const r = td.proc.vmspace.copyin(msg, text);
    return failed(r) ? r : queue.send(td, { priority, text });
  },
);

export const sys_mq_timedreceive = syscall(
  "mq_timedreceive",
  [fd, uaddr, size, uaddr, uaddr],
  (td, fp, msg, length, priorityOut, timeout) => {
    const until = timeout === 0 ? null : loadTimespec(td, timeout);
    if (failed(until)) return until;
    if (!(fp instanceof MqFile) || !fp.isReadable) return EBADF;
    const { queue } = fp;
    if (length < queue.messageBytes) return EMSGSIZE;
    if (queue.messages.length === 0) return wait(td, fp, queue.receivers, "mq_receive", until);
    const { priority, text } = queue.receive(td);
    const vs = td.proc.vmspace;
    if (priorityOut !== 0 && failed(vs.storeU32(priorityOut, priority))) return EFAULT;
    return failed(vs.copyout(msg, text)) ? EFAULT : text.length;
  },
);

export const sys_mq_notify = syscall("mq_notify", [fd, uaddr], (td, fp, sevp) => {
  const view = new DataView(new ArrayBuffer(SIGEVENT_BYTES));
  if (sevp !== 0) {
    const r = td.proc.vmspace.copyin(sevp, new Uint8Array(view.buffer));
    if (failed(r)) return r;
  }
  const signo = view.getInt32(8, true);
  const how = view.getInt32(12, true);
  // SIGEV_THREAD comes over a netlink socket, of which there are none.
  if (how !== SIGEV_SIGNAL && how !== SIGEV_NONE) return EINVAL;
  if (how === SIGEV_SIGNAL && (signo < 0 || signo > SIGRTMAX)) return EINVAL;
  if (!(fp instanceof MqFile)) return EBADF;
  if (sevp === 0) {
    fp.queue.unregister(td.pid);
    return 0;
  }
  return fp.queue.register({
    proc: td.proc,
    how,
    signo: how === SIGEV_SIGNAL ? signo : 0,
    valueLo: view.getInt32(0, true),
    valueHi: view.getInt32(4, true),
  });
});

export const sys_mq_getsetattr = syscall(
  "mq_getsetattr",
  [fd, uaddr, uaddr],
  (td, fp, fresh, old) => {
    const wanted = fresh === 0 ? null : loadAttr(td, fresh);
    if (failed(wanted)) return wanted;
    const newFlags = wanted ? MqAttr.mq_flags.get(wanted, 0) : 0;
    if (newFlags !== 0 && newFlags !== O_NONBLOCK) return EINVAL;
    if (!(fp instanceof MqFile)) return EBADF;
    const { queue } = fp;
    const view = new DataView(new ArrayBuffer(MqAttr.sizeof));
    MqAttr.mq_flags.set(view, 0, fp.flags & O_NONBLOCK);
    MqAttr.mq_maxmsg.set(view, 0, queue.maxMessages);
    MqAttr.mq_msgsize.set(view, 0, queue.messageBytes);
    MqAttr.mq_curmsgs.set(view, 0, queue.messages.length);
    if (wanted) fp.flags = (fp.flags & ~O_NONBLOCK) | newFlags;
    return old === 0 ? 0 : td.proc.vmspace.copyout(old, new Uint8Array(view.buffer));
  },
);

export const mqueueSyscalls: readonly (readonly [number, Syscall])[] = [
  [180, sys_mq_open],
  [181, sys_mq_unlink],
  [182, sys_mq_timedsend],
  [183, sys_mq_timedreceive],
  [184, sys_mq_notify],
  [185, sys_mq_getsetattr],
];

function mqueues(td: Lwp): Mqueuefs | null {
  const type = td.fs.vfs.types.get("mqueue");
  return type instanceof MqueueType ? type.of(td.ipc) : null;
}

function wantedOf(how: number): number {
  const access = how & O_ACCMODE;
  if (access === O_RDONLY) return MAY_READ;
  return access === O_WRONLY ? MAY_WRITE : MAY_READ | MAY_WRITE;
}

/** Sleeps until `queue` is woken, or the time of day `until` has come. */
function wait(td: Lwp, fp: File, queue: WaitQueue, wmesg: string, until: Timespec | null): number {
  if ((fp.flags & O_NONBLOCK) !== 0) return EAGAIN;
  const { clock } = td.cpu;
  const deadlineNs = until ? clock.monotonicAt(until) : Number.POSITIVE_INFINITY;
  if (clock.isPast(deadlineNs)) return ETIMEDOUT;
  td.watch(queue);
  td.sleepUntil(until ? clock.wasSet : null, wmesg, deadlineNs);
  return ERESTARTSYS;
}

function loadAttr(td: Lwp, at: number): DataView | Errno {
  const view = new DataView(new ArrayBuffer(MqAttr.sizeof));
  const r = td.proc.vmspace.copyin(at, new Uint8Array(view.buffer));
  return failed(r) ? r : view;
}
