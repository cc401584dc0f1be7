/**
 * Dumps: answers of many messages, which come in pieces as the program reads.
 *
 * A dump knows how far it is by the number of things it has told; what changes
 * meanwhile may be told twice or not at all, and NLM_F_DUMP_INTR says so. See
 * netlink(7); Linux net/netlink/af_netlink.c netlink_dump.
 */
import { EMSGSIZE, type Errno } from "../../abi/errno.ts";
import { NLM_F_DUMP_FILTERED, NLM_F_DUMP_INTR, NLM_F_MULTI } from "../../abi/netlink.ts";
import type { NetlinkWriter } from "./writer.ts";

/** What `fill` returns when there is more to come. */
export const DUMP_MORE = 1;

export abstract class Dump {
  readonly seq: number;
  readonly pid: number;
  /** Flags of each of its messages. */
  flags = NLM_F_MULTI;

  constructor(request: { readonly seq: number; readonly pid: number }) {
    this.seq = request.seq;
    this.pid = request.pid;
  }

  /** Only some things are told, as was asked for. */
  protected filtered(): void {
    this.flags |= NLM_F_DUMP_FILTERED;
  }

  /** Writes the next messages, as many as fit: 0 if that was all, DUMP_MORE, or an errno that ends it. */
  abstract fill(w: NetlinkWriter): number;

  /** Begins a message of this dump. */
  protected begin(w: NetlinkWriter, type: number): NetlinkWriter {
    return w.begin(type, this.flags, this.seq, this.pid);
  }
}

export abstract class ListDump<T> extends Dump {
  #told = 0;
  #generation = -1;

  /** All there is to tell, in an order that lasts. */
  protected abstract items(): Iterable<T>;
  /** Writes the message of one: what `NetlinkWriter.end` says. */
  protected abstract write(w: NetlinkWriter, item: T): boolean;

  /** A number that changes with the list. */
  protected generation(): number {
    return 0;
  }

  fill(w: NetlinkWriter): number {
    const now = this.generation();
    if (this.#told > 0 && now !== this.#generation) this.flags |= NLM_F_DUMP_INTR;
    this.#generation = now;
    let index = 0;
    for (const item of this.items()) {
      if (index++ < this.#told) continue;
      if (!this.write(w, item)) return w.length > 0 ? DUMP_MORE : EMSGSIZE;
      this.#told++;
    }
    return 0;
  }
}

/** A dump that cannot be: its end says why. */
export class FailedDump extends Dump {
  readonly #error: Errno;

  constructor(request: { readonly seq: number; readonly pid: number }, error: Errno) {
    super(request);
    this.#error = error;
  }

  fill(): number {
    return this.#error;
  }
}
