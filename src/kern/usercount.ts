/** What each user has of something that is limited: counts by kernel uid, kept while there are any. */
export class UserCount {
  readonly #counts = new Map<number, number>();

  of(uid: number): number {
    return this.#counts.get(uid) ?? 0;
  }

  /** Counts `count` more for `uid`, unless that is above `max`: then false. */
  take(uid: number, count: number, max: number): boolean {
    const n = this.of(uid) + count;
    if (n > max) return false;
    this.#counts.set(uid, n);
    return true;
  }

  give(uid: number, count: number): void {
    const n = this.of(uid) - count;
    if (n > 0) this.#counts.set(uid, n);
    else this.#counts.delete(uid);
  }
}
