/**
 * Where a machine's translations outlive it, if the host has such a place.
 *
 * What comes back is believed to be what was put in by the same build of this program: a host keeps
 * it as it keeps the program itself, out of the reach of guests and of other users. Calls never throw and never wait
 * for anybody; errors are negative errnos.
 */

/** What one earlier machine left. Offsets and lengths are bytes. */
export interface TranslationSegment {
  readonly sizeBytes: number;
  /** Fills `into` whole: 0, or an error. */
  read(offset: number, into: Uint8Array): number;
}

export interface TranslationStore {
  /** The newest first: what was made again replaces what was made before. */
  readonly segments: readonly TranslationSegment[];
  /** What an earlier machine gave to `keep` by this name; null if there is nothing. */
  kept(name: string): Uint8Array<ArrayBuffer> | null;
  /** Keeps some bytes for later machines, if that can be. */
  keep(name: string, bytes: Uint8Array): void;
  /** Appends to the segment of this machine, which others see once it is finished: 0, or an error. */
  append(bytes: Uint8Array): number;
  /** No more comes; what was appended is kept if `isWhole`, and has all that was worth keeping of the segments in `merged`. */
  finish(isWhole: boolean, merged: readonly TranslationSegment[]): void;
}
