/**
 * The socket calls of a kernel without protocol families: as a Linux that was
 * built with none, `socket` answers EAFNOSUPPORT, and since no descriptor can
 * be a socket, the others answer EBADF or ENOTSOCK. See socket(2).
 */
import { EAFNOSUPPORT, EINVAL, ENOTSOCK } from "../abi/errno.ts";
import { fd, flags, int, uaddr } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";

/** SOCK_NONBLOCK and SOCK_CLOEXEC, beside the type's low four bits. */
const SOCK_FLAGS = 0o4000 | 0o2000000;
const SOCK_TYPE_MASK = 0xf;

function checkType(type: number): number {
  return (type & ~(SOCK_FLAGS | SOCK_TYPE_MASK)) !== 0 ? EINVAL : EAFNOSUPPORT;
}

export const sys_socket = syscall("socket", [int, flags, int], (_td, _family, type) =>
  checkType(type),
);

export const sys_socketpair = syscall(
  "socketpair",
  [int, flags, int, uaddr],
  (_td, _family, type) => checkType(type),
);

const onSocket = (name: string): Syscall => syscall(name, [fd], () => ENOTSOCK);

export const socketSyscalls: readonly (readonly [number, Syscall])[] = [
  [198, sys_socket],
  [199, sys_socketpair],
  [200, onSocket("bind")],
  [201, onSocket("listen")],
  [202, onSocket("accept")],
  [203, onSocket("connect")],
  [204, onSocket("getsockname")],
  [205, onSocket("getpeername")],
  [206, onSocket("sendto")],
  [207, onSocket("recvfrom")],
  [208, onSocket("setsockopt")],
  [209, onSocket("getsockopt")],
  [210, onSocket("shutdown")],
  [211, onSocket("sendmsg")],
  [212, onSocket("recvmsg")],
  [242, onSocket("accept4")],
  [243, onSocket("recvmmsg")],
  [269, onSocket("sendmmsg")],
];
