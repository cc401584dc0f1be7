/** Socket addresses on their way from and to user memory: struct sockaddr and its length. */
import { EFAULT, EINVAL, ENOTSOCK, type Errno, failed } from "../abi/errno.ts";
import { SOCKADDR_MAX } from "../abi/socket.ts";
import { SocketFile } from "../net/socketfile.ts";
import type { Lwp } from "../proc/lwp.ts";
import type { File } from "../vfs/file.ts";
import { fd } from "./args.ts";
import type { ArgType } from "./declare.ts";

/** A descriptor that must be a socket: EBADF, ENOTSOCK. */
export const sock: ArgType<SocketFile> = {
  ...fd,
  decode: (td, i): SocketFile | Errno => {
    const fp: File | Errno = fd.decode(td, i);
    return fp instanceof SocketFile || failed(fp) ? fp : ENOTSOCK;
  },
};

/** The address at `at`: EINVAL for a length that none has, EFAULT. */
export function loadAddress(td: Lwp, at: number, length: number): Uint8Array | Errno {
  if (length < 0 || length > SOCKADDR_MAX) return EINVAL;
  const address = new Uint8Array(length);
  return failed(td.proc.vmspace.copyin(at, address)) ? EFAULT : address;
}

/** Stores as much of an address as there is room for, and how long it is: value-result, as in accept(2). */
export function storeAddress(
  td: Lwp,
  address: Uint8Array | null,
  to: number,
  lengthAddr: number,
): number {
  const mem = td.proc.vmspace;
  const room = loadInt(td, lengthAddr);
  if (room === null) return EFAULT;
  if (room < 0) return EINVAL;
  const length = address?.length ?? 0;
  const n = Math.min(room, length);
  if (n > 0 && failed(mem.copyout(to, address!.subarray(0, n)))) return EFAULT;
  return storeInt(td, lengthAddr, length);
}

/** The C int at an address of any alignment; null: EFAULT. */
export function loadInt(td: Lwp, at: number): number | null {
  const bytes = td.cpu.scratchPrefix(4);
  if (failed(td.proc.vmspace.copyin(at, bytes))) return null;
  return td.cpu.scratchView.getInt32(0, true);
}

export function storeInt(td: Lwp, at: number, value: number): number {
  td.cpu.scratchView.setInt32(0, value, true);
  return failed(td.proc.vmspace.copyout(at, td.cpu.scratchPrefix(4))) ? EFAULT : 0;
}
