/** A text of procfs that is too long to be made at once comes in pieces. */
export interface TextPiece {
  readonly text: string;
  /** Where the next piece begins, in whatever its maker counts; TEXT_END if there is none. */
  readonly next: number;
}

export const TEXT_END = -1;
