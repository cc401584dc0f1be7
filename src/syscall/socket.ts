/**
 * Sockets, but for their messages: socket(2), bind(2), listen(2), accept(2),
 * connect(2), shutdown(2), names and options.
 */
import { EAFNOSUPPORT, EFAULT, EINVAL, EMFILE, type Errno, failed } from "../abi/errno.ts";
import { O_NONBLOCK } from "../abi/fcntl.ts";
import { AF_MAX, SOCK_CLOEXEC, SOCK_MAX, SOCK_NONBLOCK, SOCK_TYPE_MASK } from "../abi/socket.ts";
import type { SocketFile } from "../net/socketfile.ts";
import type { Lwp } from "../proc/lwp.ts";
import type { Domain } from "../vfs/domain.ts";
import type { File } from "../vfs/file.ts";
import { flags, int, uaddr } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { newFd } from "./file.ts";
import { loadAddress, loadInt, sock, storeAddress, storeInt } from "./sockaddr.ts";

const SOCK_FLAGS = SOCK_NONBLOCK | SOCK_CLOEXEC;
/** No option is longer. */
const MAX_OPTION = 65536;
/** No option looks at more of what is in its place before it is told. */
const OPTION_INPUT_BYTES = 4;

export const sys_socket = syscall("socket", [int, flags, int], (td, family, type, protocol) => {
  const domain = domainOf(td, family, type);
  if (failed(domain)) return domain;
  const fp = domain.socket(td, type & SOCK_TYPE_MASK, protocol);
  return failed(fp) ? fp : newSocket(td, fp, type);
});

export const sys_socketpair = syscall(
  "socketpair",
  [int, flags, int, uaddr],
  (td, family, type, protocol, out) => {
    const domain = domainOf(td, family, type);
    if (failed(domain)) return domain;
    const pair = domain.pair(td, type & SOCK_TYPE_MASK, protocol);
    if (failed(pair)) return pair;
    const a = newSocket(td, pair[0], type);
    const b = a < 0 ? a : newSocket(td, pair[1], type);
    if (a < 0) pair[1].release();
    let r = b < 0 ? b : storeInt(td, out, a);
    if (r === 0) r = storeInt(td, out + 4, b);
    if (r === 0) return 0;
    if (a >= 0) td.fdtable.close(a);
    if (b >= 0) td.fdtable.close(b);
    return r;
  },
);

function domainOf(td: Lwp, family: number, type: number): Domain | Errno {
  if ((type & ~(SOCK_FLAGS | SOCK_TYPE_MASK)) !== 0) return EINVAL;
  if (family < 0 || family >= AF_MAX) return EAFNOSUPPORT;
  if ((type & SOCK_TYPE_MASK) >= SOCK_MAX) return EINVAL;
  return td.fs.vfs.domains.byFamily.get(family) ?? EAFNOSUPPORT;
}

function newSocket(td: Lwp, fp: File, how: number): number {
  if ((how & SOCK_NONBLOCK) !== 0) fp.flags |= O_NONBLOCK;
  return newFd(td, fp, (how & SOCK_CLOEXEC) !== 0);
}

/** The address that a call was given, read once. */
function address(td: Lwp, at: number, length: number): Uint8Array | Errno {
  if (td.isMadeAgain && td.firstRead) return td.firstRead as Uint8Array;
  const loaded = loadAddress(td, at, length);
  if (!failed(loaded)) td.firstRead = loaded;
  return loaded;
}

export const sys_bind = syscall("bind", [sock, uaddr, int], (td, fp, at, length) => {
  const to = address(td, at, length);
  return failed(to) ? to : fp.socket.bind(td, to);
});

export const sys_connect = syscall("connect", [sock, uaddr, int], (td, fp, at, length) => {
  const to = address(td, at, length);
  return failed(to) ? to : fp.socket.connect(td, to, fp.mayNotWait(0));
});

export const sys_listen = syscall("listen", [sock, int], (td, fp, backlog) =>
  fp.socket.listen(td, backlog),
);

export const sys_accept = syscall("accept", [sock, uaddr, uaddr], (td, fp, at, length) =>
  accept(td, fp, at, length, 0),
);

export const sys_accept4 = syscall(
  "accept4",
  [sock, uaddr, uaddr, flags],
  (td, fp, at, length, how) => accept(td, fp, at, length, how),
);

function accept(td: Lwp, fp: SocketFile, at: number, length: number, how: number): number {
  if ((how & ~SOCK_FLAGS) !== 0) return EINVAL;
  if (td.fdtable.isFull) return EMFILE;
  const accepted = fp.socket.accept(td, fp.mayNotWait(0));
  if (failed(accepted)) return accepted;
  const out = fp.inFrontOf(td, accepted);
  if (at !== 0) {
    const peer = accepted.peerName();
    const r = storeAddress(td, failed(peer) ? null : peer, at, length);
    if (r < 0) {
      out.release();
      return r;
    }
  }
  return newSocket(td, out, how);
}

export const sys_getsockname = syscall(
  "getsockname",
  [sock, uaddr, uaddr],
  (td, fp, at, length) => {
    const name = fp.socket.name();
    return failed(name) ? name : storeAddress(td, name, at, length);
  },
);

export const sys_getpeername = syscall(
  "getpeername",
  [sock, uaddr, uaddr],
  (td, fp, at, length) => {
    const name = fp.socket.peerName();
    return failed(name) ? name : storeAddress(td, name, at, length);
  },
);

export const sys_shutdown = syscall("shutdown", [sock, int], (_td, fp, how) =>
  fp.socket.shutdown(how),
);

export const sys_setsockopt = syscall(
  "setsockopt",
  [sock, int, int, uaddr, int],
  (td, fp, level, name, at, length) => {
    if (length < 0 || length > MAX_OPTION) return EINVAL;
    const value = new Uint8Array(length);
    if (failed(td.proc.vmspace.copyin(at, value))) return EFAULT;
    return fp.socket.setOption(td, level, name, value);
  },
);

export const sys_getsockopt = syscall(
  "getsockopt",
  [sock, int, int, uaddr, uaddr],
  (td, fp, level, name, at, lengthAddr) => {
    const room = loadInt(td, lengthAddr);
    if (room === null) return EFAULT;
    if (room < 0) return EINVAL;
    const asked = new Uint8Array(Math.min(room, OPTION_INPUT_BYTES));
    if (failed(td.proc.vmspace.copyin(at, asked))) asked.fill(0);
    const value = fp.socket.getOption(td, level, name, room, asked);
    if (failed(value)) return value;
    const n = Math.min(room, value.length);
    if (failed(td.proc.vmspace.copyout(at, value.subarray(0, n)))) return EFAULT;
    return storeInt(td, lengthAddr, n);
  },
);

export const socketSyscalls: readonly (readonly [number, Syscall])[] = [
  [198, sys_socket],
  [199, sys_socketpair],
  [200, sys_bind],
  [201, sys_listen],
  [202, sys_accept],
  [203, sys_connect],
  [204, sys_getsockname],
  [205, sys_getpeername],
  [208, sys_setsockopt],
  [209, sys_getsockopt],
  [210, sys_shutdown],
  [242, sys_accept4],
];
