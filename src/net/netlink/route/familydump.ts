/** Dumps of what interfaces have of each family: addresses, neighbours; of all, or of one interface. */
import { AF_INET, AF_INET6 } from "../../../abi/socket.ts";
import type { NetStack } from "../../netstack.ts";
import { ListDump } from "../dump.ts";
import type { Request } from "../request.ts";

export abstract class FamilyDump<T> extends ListDump<T> {
  protected readonly stack: NetStack;
  readonly #family: number;
  readonly #index: number;

  /** `family` 0: both; `index` 0: all interfaces. */
  constructor(request: Request, family: number, index: number) {
    super(request);
    this.stack = request.socket.stack;
    this.#family = family;
    this.#index = index;
    if (index !== 0) this.filtered();
  }

  /** Those of one family, of the interfaces that are asked for. */
  protected abstract ofFamily(family: number): Iterable<T>;

  protected isAskedFor(index: number): boolean {
    return this.#index === 0 || index === this.#index;
  }

  protected *items(): Generator<T> {
    for (const family of [AF_INET, AF_INET6]) {
      if (this.#family === 0 || this.#family === family) yield* this.ofFamily(family);
    }
  }
}
