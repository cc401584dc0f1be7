/** How /proc/net writes numbers and addresses. */
import type { InetAddr } from "../address.ts";

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

/** The bytes of an address in order. */
export function bytes(a: InetAddr, length: number): string {
  let s = "";
  for (let i = 0; i < length; i++) s += hex(i < a.length ? a.charCodeAt(i) : 0, 2);
  return s;
}
