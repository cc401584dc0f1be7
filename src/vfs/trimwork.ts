/**
 * FITRIM under way: what is left of it.
 *
 * A file system of terabytes takes seconds, so it is done in pieces between which others run. It is
 * killed as Linux lets it be, but goes on past other signals: see ext4_trim_interrupted, fs/ext4/mballoc.c.
 */
export class TrimWork {
  /** Bytes of the file system: how far it has come, and to where it is to go. */
  at: number;
  readonly end: number;
  /** Shorter runs are left alone. */
  readonly leastBytes: number;
  /** Bytes that the disk was told of. */
  trimmedBytes = 0;

  constructor(start: number, end: number, leastBytes: number) {
    this.at = start;
    this.end = end;
    this.leastBytes = leastBytes;
  }

  get isDone(): boolean {
    return this.at >= this.end;
  }
}
