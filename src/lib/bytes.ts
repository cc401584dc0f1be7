/**
 * Bytes and strings.
 *
 * The kernel keeps file names, paths and arguments as *byte strings*: one
 * UTF-16 unit per byte (U+0000–U+00FF), because Unix names are bytes and must
 * come back as they went in. UTF-8 is for people: messages, the API.
 */

/** Bytes of a byte string; units above U+00FF keep their low byte. */
export function bytesOf(s: string): Uint8Array {
  const out = new Uint8Array(s.length);
  for (let i = 0; i < s.length; i++) out[i] = s.charCodeAt(i);
  return out;
}

/**
 * The byte string of `bytes[start, end)`. Eight at a time, because spreading an
 * array into fromCharCode costs ten times as much on names and paths.
 */
export function byteString(bytes: Uint8Array, start = 0, end = bytes.length): string {
  const of = String.fromCharCode;
  let s = "";
  let i = start;
  for (; i + 8 <= end; i += 8) {
    s += of(
      bytes[i]!,
      bytes[i + 1]!,
      bytes[i + 2]!,
      bytes[i + 3]!,
      bytes[i + 4]!,
      bytes[i + 5]!,
      bytes[i + 6]!,
      bytes[i + 7]!,
    );
  }
  for (; i < end; i++) s += of(bytes[i]!);
  return s;
}

/** A byte string holding the UTF-8 form of `text`. */
export function utf8(text: string): string {
  let s = "";
  for (const ch of text) {
    const c = ch.codePointAt(0)!;
    if (c < 0x80) s += ch;
    else if (c < 0x800) s += unit(0xc0 | (c >> 6), low(c));
    else if (c < 0x10000) s += unit(0xe0 | (c >> 12), low(c >> 6), low(c));
    else s += unit(0xf0 | (c >> 18), low(c >> 12), low(c >> 6), low(c));
  }
  return s;
}

const low = (c: number): number => 0x80 | (c & 0x3f);
const unit = (...units: number[]): string => String.fromCharCode(...units);
