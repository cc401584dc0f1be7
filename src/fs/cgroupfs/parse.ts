/** Numbers as control files take and show them. */
import { EINVAL, ERANGE, type Errno } from "../../abi/errno.ts";

export const MAX = "max";

export function maxOr(n: number): string {
  return n === Number.POSITIVE_INFINITY ? MAX : String(n);
}

/** As kstrtoint(text, 0): decimal, 0x or 0 for octal; EINVAL, ERANGE past 32 bits. */
export function parseInt32(text: string): number | Errno {
  const m = /^([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d*)$/.exec(text);
  if (!m) return EINVAL;
  const digits = m[2]!;
  const isOctal = /^0[0-7]+$/.test(digits);
  const n = (m[1] === "-" ? -1 : 1) * (isOctal ? Number.parseInt(digits, 8) : Number(digits));
  return n < -(2 ** 31) || n >= 2 ** 31 ? ERANGE : n;
}

/** A negative number that is meant, where an errno would be mistaken for one. */
export type ParsedInt = { readonly n: number } | { readonly error: Errno };

export function parseSigned(text: string): ParsedInt {
  if (!/^[+-]?(0[xX][0-9a-fA-F]+|\d+)$/.test(text)) return { error: EINVAL };
  const n = Number(text.replace(/^\+/, ""));
  if (Number.isNaN(n)) return { error: EINVAL };
  return Math.abs(n) >= 2 ** 63 ? { error: ERANGE } : { n };
}

/** "max" or a number of at least 0: EINVAL, ERANGE. */
export function parseCount(text: string): number | Errno {
  if (text === MAX) return Number.POSITIVE_INFINITY;
  if (/^-\d+$/.test(text)) return ERANGE;
  return parseInt32(text);
}

/** "max" or an unsigned number of any size. */
export function parseUnsigned(text: string): number | Errno {
  if (text === MAX) return Number.POSITIVE_INFINITY;
  return /^\d{1,20}$/.test(text) ? Number(text) : EINVAL;
}

const SUFFIXES = "KMGTPE";
const PAGE = 4096;

/** "max", or bytes with a suffix as memparse() knows them, in whole pages; EINVAL. */
export function parsePages(text: string): number | Errno {
  if (text === MAX) return Number.POSITIVE_INFINITY;
  const bytes = parseBytes(text);
  return bytes < 0 ? EINVAL : Math.floor(bytes / PAGE);
}

export function parseBytes(text: string): number | Errno {
  const m = /^(0[xX][0-9a-fA-F]{1,16}|\d{1,20})([kKmMgGtTpPeE]?)$/.exec(text);
  if (!m) return EINVAL;
  const power = m[2] === "" ? 0 : SUFFIXES.indexOf(m[2]!.toUpperCase()) + 1;
  return Number(m[1]) * 1024 ** power;
}

export function bytesOrMax(pages: number): string {
  return maxOr(pages * PAGE);
}
