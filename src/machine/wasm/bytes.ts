/**
 * A growing run of bytes, with the variable-length integers WebAssembly uses (LEB128).
 */
/** What the first byte makes room for. */
const FIRST_BYTES = 2048;
const NOTHING = new Uint8Array(0);

export class ByteSink {
  buf = NOTHING;
  len = 0;

  byte(v: number): this {
    if (this.len === this.buf.length) this.#grow(1);
    this.buf[this.len++] = v;
    return this;
  }

  bytes(src: Uint8Array): this {
    if (this.len + src.length > this.buf.length) this.#grow(src.length);
    this.buf.set(src, this.len);
    this.len += src.length;
    return this;
  }

  /** Unsigned LEB128 of a 32-bit value. */
  u32(v: number): this {
    let n = v >>> 0;
    while (n >= 0x80) {
      this.byte((n & 0x7f) | 0x80);
      n >>>= 7;
    }
    return this.byte(n);
  }

  /** Signed LEB128 of a 32-bit value. */
  s32(v: number): this {
    let n = v | 0;
    for (;;) {
      const low = n & 0x7f;
      n >>= 7;
      if ((n === 0 && !(low & 0x40)) || (n === -1 && low & 0x40)) return this.byte(low);
      this.byte(low | 0x80);
    }
  }

  /** Signed LEB128 of a 64-bit value: a safe integer, or a bigint for what a number cannot hold. */
  s64(v: number | bigint): this {
    if (typeof v === "number") {
      // Seven bits at a time until the rest fits 32: exact for safe integers.
      let n = v;
      for (; (n | 0) !== n; n = Math.floor(n / 128)) this.byte((n & 0x7f) | 0x80);
      return this.s32(n);
    }
    let n = BigInt.asIntN(64, v);
    for (;;) {
      const low = Number(n & 0x7fn);
      n >>= 7n;
      if ((n === 0n && !(low & 0x40)) || (n === -1n && low & 0x40)) return this.byte(low);
      this.byte(low | 0x80);
    }
  }

  /** A name: ASCII, with its length before it. */
  name(s: string): this {
    this.u32(s.length);
    for (let i = 0; i < s.length; i++) this.byte(s.charCodeAt(i));
    return this;
  }

  /** The bytes written so far, without copying. */
  view(): Uint8Array<ArrayBuffer> {
    return this.buf.subarray(0, this.len);
  }

  #grow(n: number): void {
    const bigger = new Uint8Array(Math.max(this.buf.length * 2, this.len + n, FIRST_BYTES));
    bigger.set(this.buf.subarray(0, this.len));
    this.buf = bigger;
  }
}
