/**
 * Heads of packets, cut from larger pieces: an array of its own for the headers of every packet would cost more than all the rest of sending it.
 *
 * A piece is garbage when the last packet with a head in it is, so it is small: what a few packets that wait can hold on to.
 */
const PIECE_BYTES = 1024;

export class HeadPool {
  /** The piece that is being cut, and a window on it. */
  bytes = new Uint8Array(0);
  view = new DataView(this.bytes.buffer);
  #at = 0;

  /** A head of `count` bytes: where it begins in `bytes`, which may be another array than before. */
  take(count: number): number {
    if (this.#at + count > this.bytes.length) {
      this.bytes = new Uint8Array(PIECE_BYTES);
      this.view = new DataView(this.bytes.buffer);
      this.#at = 0;
    }
    const at = this.#at;
    this.#at += count;
    return at;
  }
}
