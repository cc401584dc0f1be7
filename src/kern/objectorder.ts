/**
 * An order among objects of the kernel that have none of their own, for kcmp(2):
 * by when each was first asked about. It lasts as long as the object does.
 */
export class ObjectOrder {
  readonly #numbers = new WeakMap<object, number>();
  #last = 0;

  of(object: object): number {
    let n = this.#numbers.get(object);
    if (n === undefined) {
      n = ++this.#last;
      this.#numbers.set(object, n);
    }
    return n;
  }
}
