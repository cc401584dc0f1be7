/**
 * Netlink messages being written: headers, fixed parts and attributes, nested
 * ones too, one message after the other in one array.
 *
 * Lengths are filled in when a message or a nest ends. Everything is aligned to
 * four bytes, and padding is zero. With a limit, a message that would pass it
 * is taken back whole (`end` says so): that is how dumps come in pieces. See netlink(7).
 */
import { NLA_F_NESTED, NLMSG_HDRLEN, NlMsgHdr } from "../../abi/netlink.ts";

const FIRST_BYTES = 512;

export class NetlinkWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;
  #message = 0;
  readonly #limit: number;

  constructor(limit = Number.POSITIVE_INFINITY) {
    this.#limit = limit;
    this.#bytes = new Uint8Array(Math.min(FIRST_BYTES, limit));
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  /** What was written so far; not to be written to any more. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Begins a message. */
  begin(type: number, flags: number, seq: number, pid: number): this {
    this.#message = this.#length;
    const at = this.#room(NLMSG_HDRLEN);
    const v = this.#view;
    NlMsgHdr.nlmsg_type.set(v, at, type);
    NlMsgHdr.nlmsg_flags.set(v, at, flags);
    NlMsgHdr.nlmsg_seq.set(v, at, seq);
    NlMsgHdr.nlmsg_pid.set(v, at, pid);
    return this;
  }

  /** Ends the message: false if it went past the limit and is not there. */
  end(): boolean {
    if (this.#length > this.#limit) {
      this.cancel();
      return false;
    }
    NlMsgHdr.nlmsg_len.set(this.#view, this.#message, this.#length - this.#message);
    return true;
  }

  /** Takes back the message that was begun. */
  cancel(): void {
    this.#bytes.fill(0, this.#message, this.#length);
    this.#length = this.#message;
  }

  /** Adds flags to the message that was begun last. */
  addFlags(flags: number): void {
    const f = NlMsgHdr.nlmsg_flags;
    f.set(this.#view, this.#message, f.get(this.#view, this.#message) | flags);
  }

  /** The fixed part of a message: `fill` gets the view and where it begins. */
  fixed(size: number): { readonly view: DataView; readonly at: number } {
    const at = this.#room(size);
    return { view: this.#view, at };
  }

  /** Bytes as they are, padded. */
  raw(bytes: Uint8Array): void {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
  }

  attr(type: number, payload: Uint8Array): void {
    const at = this.#attr(type, payload.length);
    this.#bytes.set(payload, at);
  }

  /** A byte string as it is. */
  chars(type: number, s: string): void {
    const at = this.#attr(type, s.length);
    for (let i = 0; i < s.length; i++) this.#bytes[at + i] = s.charCodeAt(i);
  }

  /** A byte string and a NUL. */
  string(type: number, s: string): void {
    this.chars(type, `${s}\0`);
  }

  flag(type: number): void {
    this.#attr(type, 0);
  }

  u8(type: number, value: number): void {
    this.#bytes[this.#attr(type, 1)] = value;
  }

  u16(type: number, value: number): void {
    const at = this.#attr(type, 2);
    this.#view.setUint16(at, value, true);
  }

  be16(type: number, value: number): void {
    const at = this.#attr(type, 2);
    this.#view.setUint16(at, value);
  }

  u32(type: number, value: number): void {
    const at = this.#attr(type, 4);
    this.#view.setUint32(at, value, true);
  }

  u64(type: number, value: number): void {
    const at = this.#attr(type, 8);
    this.#view.setUint32(at, value % 2 ** 32, true);
    this.#view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
  }

  /** Begins an attribute that holds others: what `endNest` wants. */
  nest(type: number): number {
    return this.#attr(type | NLA_F_NESTED, 0) - 4;
  }

  /** As `nest`, without the flag that newer families set. */
  plainNest(type: number): number {
    return this.#attr(type, 0) - 4;
  }

  endNest(nest: number): void {
    this.#view.setUint16(nest, this.#length - nest, true);
  }

  /** Where the payload of a new attribute of `size` bytes is. */
  #attr(type: number, size: number): number {
    const at = this.#room(4 + size);
    this.#view.setUint16(at, 4 + size, true);
    this.#view.setUint16(at + 2, type, true);
    return at + 4;
  }

  #room(size: number): number {
    const at = this.#length;
    const end = at + ((size + 3) & ~3);
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = end;
    return at;
  }
}
