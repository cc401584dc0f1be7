/**
 * Bytes from file to file: splice(2), tee(2), vmsplice(2), sendfile(2), copy_file_range(2).
 *
 * A call moves one buffer's worth, looks at its source without consuming it,
 * and takes from the source only what the sink accepted: so it can sleep in
 * either and start over.
 */
import {
  EAGAIN,
  EBADF,
  EFAULT,
  EINVAL,
  EISDIR,
  EOVERFLOW,
  EPIPE,
  ESPIPE,
  EXDEV,
  failed,
} from "../abi/errno.ts";
import { O_APPEND, O_NONBLOCK } from "../abi/fcntl.ts";
import type { Lwp } from "../proc/lwp.ts";
import type { File } from "../vfs/file.ts";
import { PipeFile } from "../vfs/pipe.ts";
import { VnodeFile } from "../vfs/vnodefile.ts";
import { Uio } from "../vm/uio.ts";
import { fd, flags, size, uaddr } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { writeFailed } from "./file.ts";
import { loadIov } from "./iov.ts";

const SPLICE_F_NONBLOCK = 2;
const SPLICE_F_ALL = 15;
const CHUNK = 65536;
/** What one copy_file_range(2) moves at most before it lets others run. */
/** Of a loff_t; beyond 2^53 imprecise, but then so is what is compared with it. */
const OFFSET_MAX = 2 ** 63;
const MAX_COPY = 16 * 1024 * 1024;

export const sys_sendfile = syscall(
  "sendfile",
  [fd, fd, uaddr, size],
  (td, out, input, offsetAddr, count) => {
    if (!input.isReadable || !out.isWritable) return EBADF;
    if (!(input instanceof VnodeFile)) return offsetAddr === 0 ? EINVAL : ESPIPE;
    if ((out.flags & O_APPEND) !== 0 && out instanceof VnodeFile) return EINVAL;
    if (input.vp.isDir) return EINVAL;
    const at = loadOffset(td, offsetAddr, input);
    if (at < 0) return at;
    const r = copyChunk(td, input, at, out, null, Math.min(count, CHUNK));
    if (r <= 0) return r;
    return storeOffset(td, offsetAddr, input, at + r) < 0 ? EFAULT : r;
  },
);

export const sys_copy_file_range = syscall(
  "copy_file_range",
  [fd, uaddr, fd, uaddr, size, flags],
  (td, input, inAddr, out, outAddr, count, how) => {
    if (how !== 0) return EINVAL;
    if (!(input instanceof VnodeFile) || !(out instanceof VnodeFile)) return EINVAL;
    if (input.vp.isDir || out.vp.isDir) return EISDIR;
    if (!input.isReadable || !out.isWritable || (out.flags & O_APPEND) !== 0) return EBADF;
    if (input.vp.fs.typeName !== out.vp.fs.typeName) return EXDEV;
    const from = loadOffset(td, inAddr, input);
    if (from < 0) return from;
    const to = loadOffset(td, outAddr, out);
    if (to < 0) return to;
    if (from + count > OFFSET_MAX || to + count > OFFSET_MAX) return EOVERFLOW;
    const a = input.vp.getattr();
    if (failed(a)) return a;
    const left = Math.max(0, Math.min(count, a.sizeBytes - from));
    if (input.vp === out.vp && from < to + left && to < from + left) return EINVAL;
    let done = 0;
    for (const end = Math.min(left, MAX_COPY); done < end; ) {
      const r = copyChunk(td, input, from + done, out, to + done, Math.min(CHUNK, end - done));
      if (r < 0 && done === 0) return r;
      if (r <= 0) break;
      done += r;
    }
    if (storeOffset(td, inAddr, input, from + done) < 0) return EFAULT;
    return storeOffset(td, outAddr, out, to + done) < 0 ? EFAULT : done;
  },
);

/** Reads at `from` and writes at `to` (null: the sink's own way). Bytes the sink took. */
function copyChunk(
  td: Lwp,
  input: VnodeFile,
  from: number,
  out: File,
  to: number | null,
  count: number,
): number {
  const { scratch } = td.cpu;
  const n = input.pread(td, Uio.kernel(scratch.subarray(0, count)), from);
  if (n <= 0) return n;
  const uio = Uio.kernel(scratch.subarray(0, n));
  const r = to === null ? takenBy(td, out, uio) : out.pwrite(td, uio, to);
  return r >= 0 ? r : writeFailed(td, r);
}

/**
 * Writes to `out`, but does not wait with some of it written: what was taken is
 * the answer, so that the source moves by just that whatever happens next.
 */
function takenBy(td: Lwp, out: File, uio: Uio): number {
  const r = out.write(td, uio);
  const { done } = td.restart;
  if (td.state !== "sleeping" || done === 0) return r;
  td.restart.done = 0;
  td.isUninterruptible = false;
  td.cancelSleep();
  return done;
}

function loadOffset(td: Lwp, addr: number, fp: VnodeFile): number {
  if (addr === 0) return fp.offset;
  const offset = td.proc.vmspace.loadU64(addr);
  if (offset < 0) return offset;
  return offset > Number.MAX_SAFE_INTEGER ? EINVAL : offset;
}

function storeOffset(td: Lwp, addr: number, fp: VnodeFile, offset: number): number {
  if (addr !== 0) return td.proc.vmspace.storeU64(addr, offset);
  fp.offset = offset;
  return 0;
}

export const sys_splice = syscall(
  "splice",
  [fd, uaddr, fd, uaddr, size, flags],
  (td, input, inAddr, out, outAddr, count, how) => {
    if (count === 0) return 0;
    if ((how & ~SPLICE_F_ALL) !== 0) return EINVAL;
    if (!input.isReadable || !out.isWritable) return EBADF;
    if (input instanceof VnodeFile && input.vp.isDir) return EINVAL;
    const isNonblocking = (how & SPLICE_F_NONBLOCK) !== 0;
    if (input instanceof PipeFile) {
      if (inAddr !== 0) return ESPIPE;
      if (out instanceof PipeFile) {
        if (outAddr !== 0) return ESPIPE;
        return pipeToPipe(td, input, out, count, isNonblocking, true);
      }
      return pipeToFile(td, input, out, outAddr, count, isNonblocking);
    }
    if (!(out instanceof PipeFile)) return EINVAL;
    if (outAddr !== 0) return ESPIPE;
    return fileToPipe(td, input, inAddr, out, count, isNonblocking);
  },
);

/** Waits until the pipe has bytes: 0, or what the call returns meanwhile. */
function waitReadable(td: Lwp, input: PipeFile, isNonblocking: boolean): number | null {
  const { pipe } = input;
  if (pipe.length > 0) return null;
  if (pipe.writers === 0) return 0;
  if (isNonblocking || (input.flags & O_NONBLOCK) !== 0) return EAGAIN;
  return td.sleep(pipe.readable, "pipe_read");
}

function waitWritable(td: Lwp, out: PipeFile, isNonblocking: boolean): number | null {
  const { pipe } = out;
  if (pipe.readers === 0) return EPIPE;
  if (pipe.room > 0) return null;
  if (isNonblocking || (out.flags & O_NONBLOCK) !== 0) return EAGAIN;
  return td.sleep(pipe.writable, "pipe_write");
}

function pipeToFile(
  td: Lwp,
  input: PipeFile,
  out: File,
  outAddr: number,
  count: number,
  isNonblocking: boolean,
): number {
  const waiting = waitReadable(td, input, isNonblocking);
  if (waiting !== null) return waiting;
  if ((out.flags & O_APPEND) !== 0) return EINVAL;
  const uio = Uio.kernel(input.pipe.peek(count));
  let r: number;
  if (outAddr === 0) r = takenBy(td, out, uio);
  else {
    const at = td.proc.vmspace.loadU64(outAddr);
    if (at < 0) return at;
    r = placed(out.pwrite(td, uio, at));
    if (r > 0 && failed(td.proc.vmspace.storeU64(outAddr, at + r))) return EFAULT;
  }
  if (r > 0) input.pipe.drop(r);
  return r >= 0 ? r : writeFailed(td, r);
}

function fileToPipe(
  td: Lwp,
  input: File,
  inAddr: number,
  out: PipeFile,
  count: number,
  isNonblocking: boolean,
): number {
  const waiting = waitWritable(td, out, isNonblocking);
  if (waiting !== null) return waiting;
  const { pipe } = out;
  const uio = Uio.kernel(pipe.space(Math.min(count, CHUNK)));
  let r: number;
  if (inAddr === 0) r = input.read(td, uio);
  else {
    const at = td.proc.vmspace.loadU64(inAddr);
    if (at < 0) return at;
    r = placed(input.pread(td, uio, at));
    if (r > 0 && failed(td.proc.vmspace.storeU64(inAddr, at + r))) return EFAULT;
  }
  if (r > 0) {
    pipe.commit(r);
    pipe.readable.wakeup();
  }
  return r;
}

/** An offset in what has none is a wrong argument to splice(2), not an illegal seek. */
function placed(r: number): number {
  return r === ESPIPE ? EINVAL : r;
}

function pipeToPipe(
  td: Lwp,
  input: PipeFile,
  out: PipeFile,
  count: number,
  isNonblocking: boolean,
  isMoving: boolean,
): number {
  if (input.pipe === out.pipe) return EINVAL;
  const empty = waitReadable(td, input, isNonblocking);
  if (empty !== null) return empty;
  const full = waitWritable(td, out, isNonblocking);
  if (full !== null) return full;
  const bytes = input.pipe.peek(Math.min(count, out.pipe.room));
  let done = 0;
  while (done < bytes.length) {
    const room = out.pipe.space(bytes.length - done);
    room.set(bytes.subarray(done, done + room.length));
    out.pipe.commit(room.length);
    done += room.length;
  }
  if (isMoving) input.pipe.drop(done);
  out.pipe.readable.wakeup();
  return done;
}

export const sys_tee = syscall("tee", [fd, fd, size, flags], (td, input, out, count, how) => {
  if ((how & ~SPLICE_F_ALL) !== 0) return EINVAL;
  if (!(input instanceof PipeFile) || !(out instanceof PipeFile)) return EINVAL;
  if (!input.isReadable || !out.isWritable) return EBADF;
  if (count === 0) return 0;
  return pipeToPipe(td, input, out, count, (how & SPLICE_F_NONBLOCK) !== 0, false);
});

export const sys_vmsplice = syscall(
  "vmsplice",
  [fd, uaddr, size, flags],
  (td, fp, iov, count, how) => {
    if ((how & ~SPLICE_F_ALL) !== 0) return EINVAL;
    if (!(fp instanceof PipeFile)) return EBADF;
    const segments = loadIov(td, iov, Math.min(count, 1025));
    if (failed(segments)) return segments;
    const uio = Uio.userv(td.proc.vmspace, segments);
    if (uio.resid === 0) return 0;
    const isNonblocking = (how & SPLICE_F_NONBLOCK) !== 0;
    if (!fp.isWritable) {
      const waiting = waitReadable(td, fp, isNonblocking);
      return waiting !== null ? waiting : fp.read(td, uio);
    }
    const waiting = waitWritable(td, fp, isNonblocking);
    if (waiting !== null) return waiting;
    const n = uio.copyin(fp.pipe.space(uio.resid));
    if (n <= 0) return n;
    fp.pipe.commit(n);
    fp.pipe.readable.wakeup();
    return n;
  },
);

export const spliceSyscalls: readonly (readonly [number, Syscall])[] = [
  [71, sys_sendfile],
  [75, sys_vmsplice],
  [76, sys_splice],
  [77, sys_tee],
  [285, sys_copy_file_range],
];
