/** Numbers and addresses as the tables of /proc/net show them. See proc_net(5). */
import { type InetAddr, mapped } from "./address.ts";

export function hex(n: number, digits: number): string {
  return n.toString(16).toUpperCase().padStart(digits, "0");
}

/** An address of a table of IPv4's (8 digits) or of IPv6's (32): words as a little-endian machine sees them. */
export function hexAddress(a: InetAddr, is4: boolean): string {
  if (a === "") return "0".repeat(is4 ? 8 : 32);
  const bytes = is4 ? a : mapped(a);
  let out = "";
  for (let i = 0; i < bytes.length; i += 4) {
    for (let k = 3; k >= 0; k--) out += hex(bytes.charCodeAt(i + k), 2);
  }
  return out;
}
