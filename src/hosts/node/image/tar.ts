/**
 * A streaming tar reader: ustar with pax headers and GNU long names.
 *
 * Archives are hostile input: sizes are bounded, numbers are checked, and an
 * archive that ends early is an error. Paths are handed on as they stand; the
 * tree refuses those that lead out. Source: tar(5) of libarchive, pax(1).
 */
import { ImageError } from "./error.ts";

export type TarType = "file" | "link" | "symlink" | "char" | "block" | "dir" | "fifo";

export interface TarEntry {
  readonly path: string;
  readonly type: TarType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  /** Target of a link or symlink. */
  readonly target: string;
  readonly major: number;
  readonly minor: number;
  /** Contents; empty unless a file. */
  readonly data: Uint8Array;
}

const BLOCK = 512;
const MAX_FILE_BYTES = 2 ** 31;
const MAX_HEADER_BYTES = 1 << 20;
const TYPES: Readonly<Record<string, TarType | undefined>> = {
  "0": "file",
  "\0": "file",
  "7": "file",
  "1": "link",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "dir",
  "6": "fifo",
};

/** The entries of the archive in `source`; types that no file system has are skipped. */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const input = new ByteReader(source);
  let pax = new Map<string, string>();
  const globals = new Map<string, string>();
  for (;;) {
    const header = await input.take(BLOCK, true);
    if (header === undefined || header.every((byte) => byte === 0)) break;
    checkSum(header);
    const type = String.fromCharCode(header[156]!);
    const size = Number(pax.get("size") ?? globals.get("size") ?? number(header, 124, 12));
    const isExtension = "xgLK".includes(type);
    const limit = isExtension ? MAX_HEADER_BYTES : MAX_FILE_BYTES;
    if (!Number.isSafeInteger(size) || size < 0 || size > limit) {
      throw new ImageError(`archive member of impossible size ${size}`);
    }
    const hasBody = isExtension || TYPES[type] === "file" || TYPES[type] === undefined;
    const length = hasBody ? size : 0;
    const padded = (await input.take(Math.ceil(length / BLOCK) * BLOCK))!;
    const body = padded.subarray(0, length);
    if (type === "x") readPax(body, pax);
    else if (type === "g") readPax(body, globals);
    else if (type === "L") pax.set("path", cString(body));
    else if (type === "K") pax.set("linkpath", cString(body));
    else {
      const field = (key: string, otherwise: () => string) =>
        pax.get(key) ?? globals.get(key) ?? otherwise();
      const known = TYPES[type];
      if (known !== undefined) {
        const path = field("path", () => ustarPath(header));
        yield {
          path,
          type: known === "file" && path.endsWith("/") ? "dir" : known,
          mode: number(header, 100, 8) & 0o7777,
          uid: id(field("uid", () => String(number(header, 108, 8)))),
          gid: id(field("gid", () => String(number(header, 116, 8)))),
          mtime: Math.floor(Number(field("mtime", () => String(number(header, 136, 12))))) || 0,
          target: field("linkpath", () => cString(header.subarray(157, 257))),
          major: number(header, 329, 8),
          minor: number(header, 337, 8),
          data: body,
        };
      }
      pax = new Map();
    }
  }
}

/** Cuts a stream of chunks into pieces of the sizes asked for. */
class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #current: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** The next `count` bytes; at the end of the stream undefined if `mayEnd`, else an error. */
  async take(count: number, mayEnd = false): Promise<Uint8Array | undefined> {
    if (this.#current.length - this.#at >= count) {
      this.#at += count;
      return this.#current.subarray(this.#at - count, this.#at);
    }
    const parts: Uint8Array[] = [];
    let have = 0;
    while (have < count) {
      if (this.#at === this.#current.length) {
        const next = await this.#chunks.next();
        if (next.done === true) {
          if (mayEnd && have === 0) return undefined;
          throw new ImageError("the archive ends in the middle");
        }
        this.#current = next.value;
        this.#at = 0;
      }
      const part = this.#current.subarray(this.#at, this.#at + count - have);
      parts.push(part);
      this.#at += part.length;
      have += part.length;
    }
    return Buffer.concat(parts, count);
  }
}

/** The header's checksum counts its own field as spaces. */
function checkSum(header: Uint8Array): void {
  let sum = 8 * 0x20;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += header[i]!;
  if (sum !== number(header, 148, 8)) throw new ImageError("the archive has a damaged header");
}

/** An octal field, or GNU's base-256 when its first bit is set. */
function number(header: Uint8Array, at: number, length: number): number {
  if (header[at]! & 0x80) {
    let value = header[at]! & 0x3f;
    for (let i = at + 1; i < at + length; i++) value = value * 256 + header[i]!;
    return value;
  }
  const text = cString(header.subarray(at, at + length)).trim();
  return text === "" ? 0 : Number.parseInt(text, 8) || 0;
}

const id = (text: string): number => {
  const n = Number(text);
  return Number.isInteger(n) && n >= 0 && n < 2 ** 32 ? n : 65534;
};

function ustarPath(header: Uint8Array): string {
  const name = cString(header.subarray(0, 100));
  const isUstar = cString(header.subarray(257, 263)) === "ustar";
  const prefix = isUstar ? cString(header.subarray(345, 500)) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

/** Records of "LENGTH KEY=VALUE\n", LENGTH in bytes and counting itself. */
function readPax(body: Uint8Array, into: Map<string, string>): void {
  const bytes = Buffer.from(body);
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(bytes.toString("latin1", at, space));
    if (!Number.isInteger(length) || length <= space - at || at + length > bytes.length) {
      throw new ImageError("the archive has a damaged pax header");
    }
    const record = bytes.toString("utf8", space + 1, at + length - 1);
    const equals = record.indexOf("=");
    if (equals > 0) into.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
}

function cString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString("utf8");
}
