/**
 * Write-back errors that everybody who may care hears of exactly once.
 *
 * An error is a new number; each open file remembers the number it saw last.
 * Whoever opens the file after an error that nobody has been told of yet is
 * told of it too. See errseq_t in Linux's lib/errseq.c, fsync(2).
 */
export class ErrSeq {
  #seq = 0;
  #errno = 0;
  #isSeen = true;

  /** Notes an error (a negative errno). */
  set(errno: number): void {
    // Errors that nobody has heard of yet are one.
    if (this.#isSeen || errno !== this.#errno) this.#seq++;
    this.#errno = errno;
    this.#isSeen = false;
  }

  /** What a new reader starts from. */
  sample(): number {
    return this.#isSeen ? this.#seq : this.#seq - 1;
  }

  /** The error since `seen`, or 0; the reader goes on from `sample()`. */
  check(seen: number): number {
    if (seen === this.#seq) return 0;
    this.#isSeen = true;
    return this.#errno;
  }
}
