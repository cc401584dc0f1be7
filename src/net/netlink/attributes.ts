/**
 * Attributes of netlink messages, read: type, length, value, padded to four bytes.
 *
 * What programs send is hostile: every length is looked at before anything is
 * read. Types that nobody knows are passed over, unless the sender wants to be
 * checked strictly; the last of several of one type counts. Compare Linux lib/nlattr.c.
 */
import { EINVAL, EOPNOTSUPP, ERANGE, type Errno } from "../../abi/errno.ts";
import { NLA_HDRLEN, NLA_TYPE_MASK } from "../../abi/netlink.ts";
import { byteString } from "../../lib/bytes.ts";
import type { ExtAck } from "./extack.ts";

/** What an attribute must look like. A number of bytes is a minimum. */
export type AttrKind =
  | "u8"
  | "u16"
  | "u32"
  | "u64"
  | "flag"
  | "nested"
  /** A string of at most so many bytes, with or without its NUL. */
  | { readonly string: number }
  | { readonly bytes: number }
  /** Not to be given in a request. */
  | "reject";

export type Policy = Readonly<Record<number, AttrKind>>;

const SIZES = { u8: 1, u16: 2, u32: 4, u64: 8 } as const;

export interface Attr {
  readonly type: number;
  /** Where its header is, and its payload. */
  readonly at: number;
  readonly from: number;
  readonly to: number;
}

export class Attrs {
  readonly #message: Uint8Array;
  readonly #view: DataView;
  readonly #byType = new Map<number, Attr>();

  private constructor(message: Uint8Array) {
    this.#message = message;
    this.#view = new DataView(message.buffer, message.byteOffset, message.length);
  }

  /**
   * The attributes in message[from, to). `isStrict`: nothing unknown, and nothing left
   * over. EINVAL, ERANGE, with the reason in `ack`.
   */
  static parse(
    message: Uint8Array,
    from: number,
    to: number,
    policy: Policy,
    ack: ExtAck,
    isStrict = false,
  ): Attrs | Errno {
    const attrs = new Attrs(message);
    let at = from;
    for (const a of each(message, from, to)) {
      at = Math.min(to, align(a.to));
      const kind = policy[a.type];
      if (kind === undefined) {
        if (!isStrict) continue;
        return ack.fail(EINVAL, "Unknown attribute type", a.at);
      }
      const bad = attrs.#check(a, kind);
      if (bad !== 0) {
        const isReject = kind === "reject";
        const why = isReject ? "Unsupported attribute" : "Attribute failed policy validation";
        return ack.fail(isReject ? EINVAL : bad, why, a.at);
      }
      attrs.#byType.set(a.type, a);
    }
    if (isStrict && to - at > 0) return ack.fail(EINVAL, "bytes leftover after parsing attributes");
    return attrs;
  }

  /** Of a nested attribute; none if it is absent. */
  nested(type: number, policy: Policy, ack: ExtAck, isStrict = false): Attrs | Errno {
    const a = this.#byType.get(type);
    if (!a) return new Attrs(this.#message);
    return Attrs.parse(this.#message, a.from, a.to, policy, ack, isStrict);
  }

  /** The attributes inside of one, in order, whatever they are. */
  *inside(type: number): Generator<Attr> {
    const a = this.#byType.get(type);
    if (a) yield* each(this.#message, a.from, a.to);
  }

  has(type: number): boolean {
    return this.#byType.has(type);
  }

  get types(): Iterable<number> {
    return this.#byType.keys();
  }

  /** Where its payload is in the message. */
  payloadOf(type: number): Attr | null {
    return this.#byType.get(type) ?? null;
  }

  /** Offset of its header in the message, for extended acknowledgements; -1. */
  offsetOf(type: number): number {
    return this.#byType.get(type)?.at ?? -1;
  }

  u8(type: number): number | null {
    const a = this.#sized(type, 1);
    return a ? this.#view.getUint8(a.from) : null;
  }

  u16(type: number): number | null {
    const a = this.#sized(type, 2);
    return a ? this.#view.getUint16(a.from, true) : null;
  }

  u32(type: number): number | null {
    const a = this.#sized(type, 4);
    return a ? this.#view.getUint32(a.from, true) : null;
  }

  s32(type: number): number | null {
    const a = this.#sized(type, 4);
    return a ? this.#view.getInt32(a.from, true) : null;
  }

  bytes(type: number): Uint8Array | null {
    const a = this.#byType.get(type);
    return a ? this.#message.subarray(a.from, a.to) : null;
  }

  /** All its bytes as a byte string. */
  chars(type: number): string | null {
    const a = this.#byType.get(type);
    return a ? byteString(this.#message, a.from, a.to) : null;
  }

  /** A string up to its NUL. */
  string(type: number): string | null {
    const s = this.chars(type);
    if (s === null) return null;
    const end = s.indexOf("\0");
    return end < 0 ? s : s.slice(0, end);
  }

  #sized(type: number, bytes: number): Attr | null {
    const a = this.#byType.get(type);
    return a && a.to - a.from >= bytes ? a : null;
  }

  #check(a: Attr, kind: AttrKind): Errno | 0 {
    const length = a.to - a.from;
    if (typeof kind === "object") {
      if ("bytes" in kind) return length < kind.bytes ? ERANGE : 0;
      // The NUL may be missing, or be there beyond the limit.
      let n = length;
      if (n > 0 && this.#message[a.to - 1] === 0) n--;
      return n > kind.string ? ERANGE : 0;
    }
    switch (kind) {
      case "reject":
        return EOPNOTSUPP;
      case "flag":
        return length > 0 ? ERANGE : 0;
      case "nested":
        return length > 0 && length < NLA_HDRLEN ? ERANGE : 0;
      default: {
        return length < SIZES[kind] ? ERANGE : 0;
      }
    }
  }
}

/** What looks like attributes, as far as it does. */
export function* each(message: Uint8Array, from: number, to: number): Generator<Attr> {
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  let at = from;
  while (to - at >= NLA_HDRLEN) {
    const length = view.getUint16(at, true);
    if (length < NLA_HDRLEN || length > to - at) return;
    const type = view.getUint16(at + 2, true) & NLA_TYPE_MASK;
    yield { type, at, from: at + NLA_HDRLEN, to: at + length };
    at += align(length);
  }
}

function align(n: number): number {
  return (n + 3) & ~3;
}
