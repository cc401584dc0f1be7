/**
 * Initial sequence numbers that nobody can guess: a keyed hash of the connection, plus a
 * clock of 64 ns ticks. See RFC 6528. The hash is HalfSipHash-2-4, as Linux's siphash is its kind.
 */
import type { Flow } from "./tcb.ts";

const TICK_NS = 64;

export class SequenceKeys {
  readonly #k0: number;
  readonly #k1: number;

  /** 8 bytes that nobody knows. */
  constructor(key: Uint8Array) {
    const view = new DataView(key.buffer, key.byteOffset, 8);
    this.#k0 = view.getInt32(0, true);
    this.#k1 = view.getInt32(4, true);
  }

  initialSeq(flow: Flow, nowNs: number): number {
    const hash = this.#hash(flow.laddr, flow.faddr, flow.lport, flow.fport, 0);
    return (hash + Math.floor(nowNs / TICK_NS)) >>> 0;
  }

  timestampOffset(flow: Flow): number {
    return this.#hash(flow.laddr, flow.faddr, 0, 0, 1);
  }

  cookieHash(flow: Flow, salt: number): number {
    return this.#hash(flow.laddr, flow.faddr, flow.lport, flow.fport, 2 + salt);
  }

  /** Of two addresses, two ports and what it is for: 32 bits. */
  #hash(a: string, b: string, p: number, q: number, use: number): number {
    const s = new HalfSip(this.#k0, this.#k1);
    let word = 0;
    let n = 0;
    for (const text of [a, b]) {
      for (let i = 0; i < text.length; i++) {
        word = (word << 8) | text.charCodeAt(i);
        if ((++n & 3) === 0) s.word(word);
      }
    }
    s.word((p << 16) | q);
    s.word((use << 8) | n);
    return s.end();
  }
}

class HalfSip {
  #v0: number;
  #v1: number;
  #v2: number;
  #v3: number;

  constructor(k0: number, k1: number) {
    this.#v0 = k0;
    this.#v1 = k1;
    this.#v2 = 0x6c796765 ^ k0;
    this.#v3 = 0x74656462 ^ k1;
  }

  word(m: number): void {
    this.#v3 ^= m;
    this.#round();
    this.#round();
    this.#v0 ^= m;
  }

  end(): number {
    this.#v2 ^= 0xff;
    for (let i = 0; i < 4; i++) this.#round();
    return (this.#v1 ^ this.#v3) >>> 0;
  }

  #round(): void {
    let v0 = (this.#v0 + this.#v1) | 0;
    let v1 = rotl(this.#v1, 5) ^ v0;
    v0 = rotl(v0, 16);
    let v2 = (this.#v2 + this.#v3) | 0;
    let v3 = rotl(this.#v3, 8) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = rotl(v3, 7) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = rotl(v1, 13) ^ v2;
    v2 = rotl(v2, 16);
    this.#v0 = v0;
    this.#v1 = v1;
    this.#v2 = v2;
    this.#v3 = v3;
  }
}

function rotl(x: number, n: number): number {
  return (x << n) | (x >>> (32 - n));
}
