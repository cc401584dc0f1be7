/**
 * Addresses of UNIX sockets: a path, or with a leading NUL an abstract name of
 * any bytes. See unix(7), "Address format".
 */
import { EINVAL, type Errno } from "../../abi/errno.ts";
import { AF_UNIX, SOCKADDR_UN_SIZE } from "../../abi/socket.ts";
import { byteString } from "../../lib/bytes.ts";

/** sun_path follows the family. */
export const PATH_OFFSET = 2;

/** True for the family alone: bind(2) finds a name then. */
export function isUnnamed(address: Uint8Array): boolean {
  return address.length === PATH_OFFSET && familyOf(address) === AF_UNIX;
}

/** The address without what follows it; EINVAL. */
export function checkAddress(address: Uint8Array): 0 | Errno {
  if (address.length <= PATH_OFFSET || address.length > SOCKADDR_UN_SIZE) return EINVAL;
  return familyOf(address) === AF_UNIX ? 0 : EINVAL;
}

export function familyOf(address: Uint8Array): number {
  return address[0]! | (address[1]! << 8);
}

export function isAbstract(address: Uint8Array): boolean {
  return address[PATH_OFFSET] === 0;
}

/** The path of a checked address that is not abstract. */
export function pathOf(address: Uint8Array): string {
  let end = PATH_OFFSET;
  while (end < address.length && address[end] !== 0) end++;
  return byteString(address, PATH_OFFSET, end);
}

/** As getsockname(2) tells it: with the NUL that ends a path, even where there was no room for one. */
export function pathAddress(path: string): Uint8Array {
  const address = new Uint8Array(PATH_OFFSET + path.length + 1);
  address[0] = AF_UNIX;
  for (let i = 0; i < path.length; i++) address[PATH_OFFSET + i] = path.charCodeAt(i);
  return address;
}

/** What getsockname(2) tells of a socket without a name. */
export function noAddress(): Uint8Array {
  return Uint8Array.of(AF_UNIX, 0);
}

/** As /proc/net/unix shows it: NULs are "@". */
export function shownAddress(address: Uint8Array): string {
  const end = isAbstract(address) ? address.length : address.length - 1;
  return byteString(address, PATH_OFFSET, end).replaceAll("\0", "@");
}
