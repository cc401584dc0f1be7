/** How /proc/net writes numbers and addresses. */
import { type InetAddr, mapped } from "../address.ts";

export function hex(n: number, digits: number): string {
  return (n >>> 0).toString(16).padStart(digits, "0");
}

export function hexUpper(n: number, digits: number): string {
  return hex(n, digits).toUpperCase();
}

/** An IPv4 address as a little-endian word; "" is zero. */
export function word4(a: InetAddr): string {
  if (a === "") return "00000000";
  let s = "";
  for (let i = 3; i >= 0; i--) s += hexUpper(a.charCodeAt(i), 2);
  return s;
}

/** An address of a table of IPv4's (8 digits) or of IPv6's (32): words as a little-endian machine sees them. */
export function hexAddress(a: InetAddr, is4: boolean): string {
  if (is4) return word4(a);
  if (a === "") return "0".repeat(32);
  const whole = mapped(a);
  return (
    word4(whole.slice(0, 4)) +
    word4(whole.slice(4, 8)) +
    word4(whole.slice(8, 12)) +
    word4(whole.slice(12))
  );
}

/** The bytes of an address in order. */
export function bytes(a: InetAddr, length: number): string {
  let s = "";
  for (let i = 0; i < length; i++) s += hex(i < a.length ? a.charCodeAt(i) : 0, 2);
  return s;
}
