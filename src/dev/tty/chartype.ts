/**
 * What a byte is, to the line discipline: Linux's ctype, which reads bytes
 * above 0x9f as Latin-1 whatever the locale. See isalpha(3).
 */
import { IUTF8 } from "../../abi/termios.ts";

export function isControl(c: number): boolean {
  return c < 0x20 || c === 0x7f;
}

export function isAlphanumeric(c: number): boolean {
  if (c >= 0xc0) return c !== 0xd7 && c !== 0xf7;
  const letter = c | 0x20;
  return (c >= 0x30 && c <= 0x39) || (letter >= 0x61 && letter <= 0x7a && c < 0x80);
}

export function toLower(c: number): number {
  const isUpper = (c >= 0x41 && c <= 0x5a) || (c >= 0xc0 && c <= 0xde && c !== 0xd7);
  return isUpper ? c + 0x20 : c;
}

export function toUpper(c: number): number {
  const isLower = (c >= 0x61 && c <= 0x7a) || (c >= 0xdf && c !== 0xf7);
  return isLower ? c - 0x20 : c;
}

/** A second or later byte of a UTF-8 character, if the terminal speaks UTF-8. */
export function isContinuation(c: number, iflag: number): boolean {
  return (iflag & IUTF8) !== 0 && (c & 0xc0) === 0x80;
}
