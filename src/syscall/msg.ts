/** msgget(2), msgsnd(2), msgrcv(2), msgctl(2). */
import {
  E2BIG,
  EACCES,
  EAGAIN,
  EFAULT,
  EIDRM,
  EINVAL,
  ENOMEM,
  ENOMSG,
  EPERM,
  ERESTARTNOHAND,
  failed,
} from "../abi/errno.ts";
import {
  IPC_INFO,
  IPC_NOWAIT,
  IPC_RMID,
  IPC_SET,
  IPC_STAT,
  MSG_COPY,
  MSG_EXCEPT,
  MSG_INFO,
  MSG_NOERROR,
  MSG_STAT,
  MSG_STAT_ANY,
  Msginfo,
  Msqid64Ds,
} from "../abi/ipc.ts";
import { type Message, type MsgQueue, MsgReceiver, MsgSender, type Selection } from "../ipc/msg.ts";
import { CAP_SYS_RESOURCE } from "../kern/cred.ts";
import type { Lwp } from "../proc/lwp.ts";
import { flags, int, long, size, uaddr } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { owner, setPerm } from "./ipcperm.ts";

const READ = 0o444;
const WRITE = 0o222;
/** The register of msgrcv's type, of which every bit counts. */
const A3 = 13;
const TYPE_BYTES = 8;
/** A size that is negative as a long. */
const TOO_LONG = 2 ** 63;
const LONG_MAX = 2n ** 63n - 1n;
/** Numbers of IPC_INFO that mean nothing any more. */
const MSGSSZ = 16;
const MSGSEG = 0xffff;

export const sys_msgget = syscall("msgget", [int, flags], (td, key, how) =>
  td.ipc.msg.get(key, how, td.cred),
);

export const sys_msgsnd = syscall(
  "msgsnd",
  [int, uaddr, size, flags],
  (td, id, msgp, length, how) => {
    const { msg } = td.ipc;
    let sender = td.restart.data as MsgSender | null;
    if (!sender) {
      const type = loadType(td, msgp);
      if (failed(type)) return EFAULT;
      if (length > msg.maxMessage || id < 0) return EINVAL;
      if (type < 1n) return EINVAL;
      if (!msg.pay(length)) return ENOMEM;
      const message = { type: type as bigint, text: new Uint8Array(length) };
      const r = td.proc.vmspace.copyin(msgp + TYPE_BYTES, message.text);
      const queue = failed(r) ? r : msg.ids.get(id);
      if (failed(queue)) {
        msg.free(message);
        return queue;
      }
      sender = new MsgSender(queue, message);
      td.restart.data = sender;
    }
    const { queue, message } = sender;
    if (queue.isRemoved) return EIDRM;
    if (!queue.permits(td.cred, WRITE)) return EACCES;
    if (!queue.fits(message)) {
      if ((how & IPC_NOWAIT) !== 0) return EAGAIN;
      td.sleep(queue.senders, "msgsnd");
      return ERESTARTNOHAND;
    }
    sender.isSent = true;
    queue.send(message, td.pid);
    return 0;
  },
);

export const sys_msgrcv = syscall(
  "msgrcv",
  [int, uaddr, size, long, flags],
  (td, id, msgp, length, _type, how) => {
    const before = td.restart.data as MsgReceiver | null;
    const outcome = before?.outcome ?? EAGAIN;
    if (before && outcome !== EAGAIN) {
      return failed(outcome) ? outcome : deliver(td, msgp, length, outcome as Message);
    }
    if (id < 0 || length >= TOO_LONG) return EINVAL;
    const isCopy = (how & MSG_COPY) !== 0;
    if (isCopy && ((how & MSG_EXCEPT) !== 0 || (how & IPC_NOWAIT) === 0)) return EINVAL;
    const queue = before?.from ?? td.ipc.msg.ids.get(id);
    if (failed(queue)) return queue;
    if (queue.isRemoved) return EIDRM;
    if (!queue.permits(td.cred, READ)) return EACCES;
    const which = selectionOf(typeArgument(td), how);
    const found = queue.find(which);
    const isCutting = (how & MSG_NOERROR) !== 0;
    if (found) {
      if (found.text.length > length && !isCutting) return E2BIG;
      // Nothing is cut off a copy.
      if (isCopy) return found.text.length > length ? EINVAL : deliver(td, msgp, length, found);
      queue.take(found, td.pid);
      const r = deliver(td, msgp, length, found);
      queue.table.free(found);
      return r;
    }
    if ((how & IPC_NOWAIT) !== 0) return ENOMSG;
    const waiter = new MsgReceiver(td, queue, which, isCutting ? Infinity : length);
    td.restart.data = waiter;
    queue.await(waiter);
    td.sleepUntil(null, "msgrcv", Number.POSITIVE_INFINITY);
    return ERESTARTNOHAND;
  },
);

export const sys_msgctl = syscall("msgctl", [int, int, uaddr], (td, id, command, buf) => {
  const { msg } = td.ipc;
  if (id < 0 || command < 0) return EINVAL;
  switch (command) {
    case IPC_INFO:
    case MSG_INFO:
      return storeInfo(td, buf, command === MSG_INFO);
    case IPC_STAT:
    case MSG_STAT:
    case MSG_STAT_ANY: {
      const queue = command === IPC_STAT ? msg.ids.get(id) : msg.ids.at(id);
      if (failed(queue)) return queue;
      if (command !== MSG_STAT_ANY && !queue.permits(td.cred, READ)) return EACCES;
      const r = storeQueue(td, buf, queue);
      return failed(r) || command === IPC_STAT ? r : queue.id;
    }
    case IPC_SET:
    case IPC_RMID:
      return change(td, id, command, buf);
    default:
      return EINVAL;
  }
});

export const msgSyscalls: readonly (readonly [number, Syscall])[] = [
  [186, sys_msgget],
  [187, sys_msgctl],
  [188, sys_msgrcv],
  [189, sys_msgsnd],
];

/** mtype: any 64 bits, which a number could not tell apart. */
function loadType(td: Lwp, at: number): bigint | number {
  const view = new DataView(new ArrayBuffer(TYPE_BYTES));
  const r = td.proc.vmspace.copyin(at, new Uint8Array(view.buffer));
  return failed(r) ? r : view.getBigInt64(0, true);
}

function typeArgument(td: Lwp): bigint {
  return (BigInt(td.context.xhi(A3)) << 32n) | BigInt(td.context.xlo(A3) >>> 0);
}

function selectionOf(type: bigint, how: number): Selection {
  const signed = BigInt.asIntN(64, type);
  if ((how & MSG_COPY) !== 0) return { by: "place", place: signed < 0n ? LONG_MAX : signed };
  if (signed === 0n) return { by: "any" };
  if (signed < 0n) return { by: "upto", type: -signed > LONG_MAX ? LONG_MAX : -signed };
  return { by: (how & MSG_EXCEPT) !== 0 ? "except" : "type", type: signed };
}

function deliver(td: Lwp, msgp: number, length: number, { type, text }: Message): number {
  const vs = td.proc.vmspace;
  const view = new DataView(new ArrayBuffer(TYPE_BYTES));
  view.setBigInt64(0, type, true);
  const r = vs.copyout(msgp, new Uint8Array(view.buffer));
  if (failed(r)) return r;
  const part = text.length > length ? text.subarray(0, length) : text;
  const copied = vs.copyout(msgp + TYPE_BYTES, part);
  return failed(copied) ? copied : part.length;
}

function change(td: Lwp, id: number, command: number, buf: number): number {
  const { msg } = td.ipc;
  const bytes = new Uint8Array(Msqid64Ds.sizeof);
  if (command === IPC_SET) {
    const r = td.proc.vmspace.copyin(buf, bytes);
    if (failed(r)) return r;
  }
  const queue = msg.ids.get(id);
  if (failed(queue)) return queue;
  if (!queue.mayControl(td.cred)) return EPERM;
  if (command === IPC_RMID) {
    msg.remove(queue);
    return 0;
  }
  const view = new DataView(bytes.buffer);
  const maxBytes = Msqid64Ds.msg_qbytes.get(view, 0);
  if (maxBytes > msg.maxQueue && !td.cred.hasCapIn(td.ipc.owner, CAP_SYS_RESOURCE)) return EPERM;
  const mode = Msqid64Ds.mode.get(view, 0);
  const [uid, gid] = owner(td, Msqid64Ds, view);
  const r = queue.setOwner(uid, gid, mode, msg.nowSec);
  if (failed(r)) return r;
  queue.maxBytes = maxBytes;
  queue.lookAgain();
  return 0;
}

function storeQueue(td: Lwp, buf: number, q: MsgQueue): number {
  const view = new DataView(new ArrayBuffer(Msqid64Ds.sizeof));
  setPerm(td, Msqid64Ds, view, q);
  Msqid64Ds.msg_stime.set(view, 0, q.stimeSec);
  Msqid64Ds.msg_rtime.set(view, 0, q.rtimeSec);
  Msqid64Ds.msg_ctime.set(view, 0, q.ctimeSec);
  Msqid64Ds.msg_cbytes.set(view, 0, q.bytes);
  Msqid64Ds.msg_qnum.set(view, 0, q.messages.length);
  Msqid64Ds.msg_qbytes.set(view, 0, q.maxBytes);
  Msqid64Ds.msg_lspid.set(view, 0, td.proc.table.numberIn(td.pidns, q.lspid));
  Msqid64Ds.msg_lrpid.set(view, 0, td.proc.table.numberIn(td.pidns, q.lrpid));
  return td.proc.vmspace.copyout(buf, new Uint8Array(view.buffer));
}

function storeInfo(td: Lwp, buf: number, isUse: boolean): number {
  const { msg } = td.ipc;
  const view = new DataView(new ArrayBuffer(Msginfo.sizeof));
  const poolKib = Math.floor((msg.ids.limit * msg.maxQueue) / 1024);
  Msginfo.msgpool.set(view, 0, isUse ? msg.ids.count : poolKib);
  Msginfo.msgmap.set(view, 0, isUse ? msg.messages : msg.maxQueue);
  Msginfo.msgmax.set(view, 0, msg.maxMessage);
  Msginfo.msgmnb.set(view, 0, msg.maxQueue);
  Msginfo.msgmni.set(view, 0, msg.ids.limit);
  Msginfo.msgssz.set(view, 0, MSGSSZ);
  Msginfo.msgtql.set(view, 0, isUse ? msg.bytes : msg.maxQueue);
  Msginfo.msgseg.set(view, 0, MSGSEG);
  const r = td.proc.vmspace.copyout(buf, new Uint8Array(view.buffer));
  return failed(r) ? r : msg.ids.maxIndex;
}
