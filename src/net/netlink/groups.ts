/** The multicast groups that a netlink socket listens to. They count from 1. */

export class GroupSet {
  readonly #words: Uint32Array;

  constructor(count: number) {
    this.#words = new Uint32Array(Math.ceil(count / 32));
  }

  /** As many as fit into its words. */
  get room(): number {
    return this.#words.length * 32;
  }

  has(group: number): boolean {
    const word = (group - 1) >> 5;
    if (word >= this.#words.length) return false;
    return (this.#words[word]! & (1 << ((group - 1) & 31))) !== 0;
  }

  set(group: number, is: boolean): void {
    const bit = 1 << ((group - 1) & 31);
    if (is) this.#words[(group - 1) >> 5]! |= bit;
    else this.#words[(group - 1) >> 5]! &= ~bit;
  }

  /** The first 32 groups as bits, as addresses name them. */
  get first(): number {
    return this.#words[0]!;
  }

  set first(bits: number) {
    this.#words[0] = bits;
  }

  /** All groups as bits, in words. */
  bytes(): Uint8Array {
    return new Uint8Array(this.#words.slice().buffer);
  }
}
