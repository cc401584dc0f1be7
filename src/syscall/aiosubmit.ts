/**
 * One request of io_submit(2), from its struct iocb to its event.
 *
 * As in Linux a transfer that must wait makes the submitter wait (for pipes, sockets,
 * terminals; disks are waited for anyhow), and what is wrong with a request before it begins is
 * io_submit's error, what goes wrong later its event's. A signal that ends the wait is
 * the event's EINTR.
 */
import {
  IOCB_CMD_FDSYNC,
  IOCB_CMD_FSYNC,
  IOCB_CMD_POLL,
  IOCB_CMD_PREAD,
  IOCB_CMD_PREADV,
  IOCB_CMD_PWRITE,
  IOCB_CMD_PWRITEV,
  IOCB_FLAG_IOPRIO,
  IOCB_FLAG_RESFD,
  Iocb,
  KIOCB_KEY,
} from "../abi/aio.ts";
import {
  EAGAIN,
  EBADF,
  EFAULT,
  EINTR,
  EINVAL,
  ENOMEM,
  EPIPE,
  ERESTART_RESTARTBLOCK,
  ERESTARTSYS,
  type Errno,
  ESPIPE,
  failed,
} from "../abi/errno.ts";
import { SIGPIPE } from "../abi/signal.ts";
import type { Abandonable } from "../kern/thread.ts";
import type { Lwp } from "../proc/lwp.ts";
import { tsignal } from "../proc/signal.ts";
import type { AioContext } from "../vfs/aio.ts";
import { AioPoll } from "../vfs/aiopoll.ts";
import type { AioEvent } from "../vfs/aioring.ts";
import { EpollFile } from "../vfs/epoll.ts";
import { EventFile } from "../vfs/eventfd.ts";
import type { File } from "../vfs/file.ts";
import { InotifyFile } from "../vfs/inotify.ts";
import { VnodeFile } from "../vfs/vnodefile.ts";
import { USER_END } from "../vm/param.ts";
import { type IoVec, Uio } from "../vm/uio.ts";
import { didRead, didWrite } from "./file.ts";
import { readIov, refuseFlags } from "./iov.ts";
import { refuseIoprio } from "./sched.ts";

const TWO63 = 2 ** 63;
const KEY_OFFSET = 8;
const ZEROES = Object.freeze({ deadlineNs: -1, done: 0, data: null });

/** A transfer that sleeps, with what its file keeps over the sleep. */
export class Transfer implements Abandonable {
  readonly context: AioContext;
  readonly event: AioEvent;
  readonly file: File;
  readonly notify: EventFile | null;
  readonly isWrite: boolean;
  readonly offset: number;
  readonly rwf: number;
  readonly segments: readonly IoVec[];
  /** The file's part of the thread's restart state. */
  inner: { deadlineNs: number; done: number; data: unknown } = ZEROES;

  constructor(
    context: AioContext,
    event: AioEvent,
    file: File,
    notify: EventFile | null,
    isWrite: boolean,
    offset: number,
    rwf: number,
    segments: readonly IoVec[],
  ) {
    this.context = context;
    this.event = event;
    this.file = file.hold();
    this.notify = notify?.hold() ?? null;
    this.isWrite = isWrite;
    this.offset = offset;
    this.rwf = rwf;
    this.segments = segments;
  }

  /** The call is not made again: a signal came, or the thread is gone. */
  abandon(): void {
    const { data, done } = this.inner;
    if (data !== null && typeof data === "object" && "abandon" in data) {
      (data as Abandonable).abandon();
    }
    this.end(done > 0 ? done : EINTR);
  }

  end(result: number): void {
    this.context.complete(this.event, result, this.notify);
    this.file.release();
    this.notify?.release();
  }
}

/**
 * Submits the struct iocb at `request`, or goes on with the transfer that slept: 0, or why
 * it was refused. With `td.restart.data` a Transfer afterwards, it sleeps, and the result is a restart code.
 */
export function submitOne(
  td: Lwp,
  context: AioContext,
  request: number,
  slept: Transfer | null,
): number {
  if (slept) return carryOut(td, slept);
  const bytes = new Uint8Array(Iocb.sizeof);
  if (failed(td.proc.vmspace.copyin(request, bytes))) return EFAULT;
  const iocb = new DataView(bytes.buffer);
  if (Iocb.reserved2.get(iocb, 0) !== 0 || Iocb.nbytes.get(iocb, 0) >= TWO63) return EINVAL;
  if (!context.takeSlot()) return EAGAIN;
  const r = begin(td, context, request, iocb);
  if (r < 0 && !(td.restart.data instanceof Transfer)) context.giveSlot();
  return r;
}

function begin(td: Lwp, context: AioContext, request: number, iocb: DataView): number {
  const file = td.fdtable.get(Iocb.fildes.get(iocb, 0));
  if (!file) return EBADF;
  let notify: EventFile | null = null;
  if ((Iocb.flags.get(iocb, 0) & IOCB_FLAG_RESFD) !== 0) {
    const fp = td.fdtable.get(Iocb.resfd.get(iocb, 0));
    if (!fp) return EBADF;
    if (!(fp instanceof EventFile)) return EINVAL;
    notify = fp;
  }
  if (failed(td.proc.vmspace.storeU32(request + KEY_OFFSET, KIOCB_KEY))) return EFAULT;
  const event = { dataLo: iocb.getUint32(0, true), dataHi: iocb.getUint32(4, true), request };
  switch (Iocb.lio_opcode.get(iocb, 0)) {
    case IOCB_CMD_PREAD:
    case IOCB_CMD_PREADV:
      return transfer(td, context, event, iocb, file, notify, false);
    case IOCB_CMD_PWRITE:
    case IOCB_CMD_PWRITEV:
      return transfer(td, context, event, iocb, file, notify, true);
    case IOCB_CMD_FSYNC:
    case IOCB_CMD_FDSYNC:
      return sync(context, event, iocb, file, notify);
    case IOCB_CMD_POLL:
      return poll(td, context, event, iocb, file, notify);
    default:
      return EINVAL;
  }
}

function transfer(
  td: Lwp,
  context: AioContext,
  event: AioEvent,
  iocb: DataView,
  file: File,
  notify: EventFile | null,
  isWrite: boolean,
): number {
  if ((Iocb.flags.get(iocb, 0) & IOCB_FLAG_IOPRIO) !== 0) {
    const refused = refuseIoprio(td, Iocb.reqprio.get(iocb, 0));
    if (refused < 0) return refused;
  }
  const rwf = Iocb.rw_flags.get(iocb, 0);
  const refused = refuseFlags(file, rwf);
  if (refused < 0) return refused;
  if (isWrite ? !file.isWritable : !file.isReadable) return EBADF;
  if (!canTransfer(file, isWrite)) return EINVAL;
  const segments = segmentsOf(td, iocb);
  if (failed(segments)) return segments;
  const offset = Iocb.offset.get(iocb, 0);
  if (offset < 0) return EINVAL;
  return carryOut(td, new Transfer(context, event, file, notify, isWrite, offset, rwf, segments));
}

/** False for what Linux has no read_iter or write_iter for. */
function canTransfer(file: File, isWrite: boolean): boolean {
  if (file instanceof VnodeFile && file.vp.isDir) return false;
  if (file instanceof InotifyFile || file instanceof EpollFile) return false;
  return !(isWrite && file instanceof EventFile);
}

function segmentsOf(td: Lwp, iocb: DataView): readonly IoVec[] | Errno {
  const base = Iocb.buf.get(iocb, 0);
  const length = Iocb.nbytes.get(iocb, 0);
  const op = Iocb.lio_opcode.get(iocb, 0);
  if (op === IOCB_CMD_PREADV || op === IOCB_CMD_PWRITEV) return readIov(td, base, length);
  const count = Math.min(length, Uio.MAX_COUNT);
  return base + count > USER_END ? EFAULT : [{ base, length: count }];
}

/** Moves the bytes, with the file's restart state where it looks for it. */
function carryOut(td: Lwp, t: Transfer): number {
  const { restart } = td;
  Object.assign(restart, t.inner);
  const uio = Uio.userv(td.proc.vmspace, t.segments);
  uio.flags = t.rwf;
  const r = t.isWrite ? didWrite(td, write(td, t, uio)) : didRead(td, read(td, t, uio));
  if (isToBeMadeAgain(td, r)) {
    t.inner = { deadlineNs: restart.deadlineNs, done: restart.done, data: restart.data };
    restart.deadlineNs = -1;
    restart.data = t;
    return r;
  }
  td.clearRestart();
  if (r === EPIPE && t.isWrite) {
    if (!td.isSigpipeSpared) tsignal(td, SIGPIPE);
    td.isSigpipeSpared = false;
  }
  t.end(r);
  return 0;
}

/** What is not at any offset is read and written where it stands. */
function read(td: Lwp, t: Transfer, uio: Uio): number {
  const r = t.file.pread(td, uio, t.offset);
  return r === ESPIPE ? t.file.read(td, uio) : r;
}

function write(td: Lwp, t: Transfer, uio: Uio): number {
  const r = t.file.pwrite(td, uio, t.offset);
  return r === ESPIPE ? t.file.write(td, uio) : r;
}

/** It sleeps, or there was no memory, which the dispatcher finds some of. */
function isToBeMadeAgain(td: Lwp, r: number): boolean {
  if (r <= ERESTARTSYS && r >= ERESTART_RESTARTBLOCK) return true;
  const { vmspace, table } = td.proc;
  if (r === EFAULT && vmspace.ranOut) return true;
  return r === ENOMEM && table.pages.charges.short !== null;
}

function sync(
  context: AioContext,
  event: AioEvent,
  iocb: DataView,
  file: File,
  notify: EventFile | null,
): number {
  const isPlain =
    Iocb.buf.get(iocb, 0) === 0 &&
    Iocb.offset.get(iocb, 0) === 0 &&
    Iocb.nbytes.get(iocb, 0) === 0 &&
    Iocb.rw_flags.get(iocb, 0) === 0;
  if (!isPlain) return EINVAL;
  const r = file.fsync(Iocb.lio_opcode.get(iocb, 0) === IOCB_CMD_FDSYNC);
  if (r === EINVAL) return EINVAL;
  context.complete(event, r, notify);
  return 0;
}

function poll(
  td: Lwp,
  context: AioContext,
  event: AioEvent,
  iocb: DataView,
  file: File,
  notify: EventFile | null,
): number {
  const events = Iocb.buf.get(iocb, 0);
  if (events > 0xffff) return EINVAL;
  const isPlain =
    Iocb.offset.get(iocb, 0) === 0 &&
    Iocb.nbytes.get(iocb, 0) === 0 &&
    Iocb.rw_flags.get(iocb, 0) === 0;
  if (!isPlain) return EINVAL;
  return AioPoll.submit(td, context, event, file, events, notify) ? 0 : EAGAIN;
}
