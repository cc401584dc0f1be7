/**
 * Messages that wait in a netlink socket, each charged to it and paid for.
 *
 * Once one was lost, nothing more is taken in until all that waits was read:
 * then who reads knows that something is missing.
 */
import type { KernelMemory } from "../../kern/kmem.ts";
import type { PeerCred } from "../message.ts";

/** What one takes beside its bytes, about. */
const MESSAGE_BYTES = 768;

export interface Waiting {
  readonly bytes: Uint8Array;
  readonly port: number;
  readonly group: number;
  readonly creds: PeerCred;
}

export class Inbox {
  readonly #kmem: KernelMemory;
  readonly #messages: Waiting[] = [];
  /** Bytes that wait are charged with this. */
  rmem = 0;
  drops = 0;
  /** Something was lost. */
  isCongested = false;

  constructor(kmem: KernelMemory) {
    this.#kmem = kmem;
  }

  get first(): Waiting | undefined {
    return this.#messages[0];
  }

  isFull(limit: number): boolean {
    return this.rmem > limit || this.isCongested;
  }

  /** False if there is no room and the message is lost. */
  put(message: Waiting, limit: number): boolean {
    const cost = costOf(message);
    if (this.isFull(limit) || !this.#kmem.take(cost)) {
      this.drops++;
      return false;
    }
    this.rmem += cost;
    this.#messages.push(message);
    return true;
  }

  /** Drops the first. */
  shift(): void {
    const message = this.#messages.shift();
    if (message) this.#pay(message);
  }

  clear(): void {
    for (const message of this.#messages.splice(0)) this.#pay(message);
  }

  #pay(message: Waiting): void {
    const cost = costOf(message);
    this.rmem -= cost;
    this.#kmem.give(cost);
  }
}

function costOf(message: Waiting): number {
  return MESSAGE_BYTES + message.bytes.length;
}
