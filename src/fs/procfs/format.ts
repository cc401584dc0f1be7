/**
 * How numbers look in proc(5).
 */
import type { SigSet } from "../../proc/sigset.ts";

/** Clock ticks per second that programs see (sysconf _SC_CLK_TCK). */
const USER_HZ = 100;
const NS_PER_TICK = 1e9 / USER_HZ;

export function ticks(ns: number): number {
  return Math.floor(ns / NS_PER_TICK);
}

/** "Name:      123 kB" with the number right-aligned to `width`. */
export function kibLine(name: string, bytes: number, width: number): string {
  return `${name}${String(Math.floor(bytes / 1024)).padStart(width)} kB\n`;
}

export function hex(n: number, digits: number): string {
  return n.toString(16).padStart(digits, "0");
}

/** A signal set as 16 hexadecimal digits. */
export function sigHex(set: SigSet): string {
  return hex(set.hi >>> 0, 8) + hex(set.lo >>> 0, 8);
}

/** Escapes what would break a field of a line: blanks and backslashes as octal. */
export function octalEscaped(s: string, also = ""): string {
  let out = "";
  for (const c of s) {
    const isSpecial = c === " " || c === "\t" || c === "\n" || c === "\\" || also.includes(c);
    out += isSpecial ? `\\${c.charCodeAt(0).toString(8).padStart(3, "0")}` : c;
  }
  return out;
}

/** A limit or size that may be without bound, as the kernel's unsigned long shows it. */
export function unsignedLong(n: number): string {
  return Number.isFinite(n) ? String(n) : "18446744073709551615";
}
