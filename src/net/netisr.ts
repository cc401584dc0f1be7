/**
 * Packets that arrived and wait to be taken in: one queue of the machine.
 *
 * An interface never calls the input of a protocol from its output; it puts the
 * packet here. Whoever entered the network from outside (a system call, a
 * callout, a driver) calls `drain` as its last act, when its own structures
 * are in order; so a whole conversation over loopback happens inside one send,
 * without recursion. Who forgets to is made up for: the queue is a callout
 * that is due at once. See netisr(9).
 */
import { Callout } from "../kern/callout.ts";
import type { Cpu } from "../kern/cpu.ts";
import type { Mbuf } from "./mbuf.ts";

/** Most packets taken in at one go: programs run in between, whatever packets say to each other. */
const MAX_DRAINED = 4096;

/** However many may wait, and what each takes beside its bytes, about. */
const MAX_BYTES = 16 * 2 ** 20;
const PACKET_BYTES = 512;

export class Netisr extends Callout {
  readonly #cpu: Cpu;
  #queue: Mbuf[] = [];
  /** What the packets in the queue take. */
  #bytes = 0;
  #isDraining = false;
  /** Packets taken in, thrown away because too many waited, and drains cut short: /proc/net/softnet_stat. */
  processed = 0;
  dropped = 0;
  squeezed = 0;

  constructor(cpu: Cpu) {
    super();
    this.#cpu = cpu;
  }

  /**
   * A packet that came over `m.rcvif`, with `m.off` at its network header. False if it was dropped.
   *
   * Linux takes in what a program sends before it sends the next: so `maxBacklog` is only for
   * what packets bring about; a datagram in a thousand fragments arrives.
   */
  enqueue(m: Mbuf, maxBacklog: number): boolean {
    const isFull = this.#isDraining && this.#queue.length > maxBacklog;
    if (isFull || this.#bytes > MAX_BYTES) {
      this.dropped++;
      return false;
    }
    this.#queue.push(m);
    this.#bytes += m.length + PACKET_BYTES;
    if (this.index < 0 && !this.#isDraining) this.#cpu.callouts.arm(this, 0);
    return true;
  }

  /** Takes in what waits, and what that brings about; at once from inside, where somebody is at it already. */
  drain(): void {
    if (this.#isDraining || this.#queue.length === 0) return;
    this.#isDraining = true;
    let left = MAX_DRAINED;
    while (this.#queue.length > 0 && left > 0) {
      const batch = this.#queue;
      this.#queue = [];
      let i = 0;
      for (; i < batch.length && left > 0; i++, left--) {
        const m = batch[i]!;
        this.processed++;
        this.#bytes -= m.length + PACKET_BYTES;
        m.rcvif!.stack.input(m);
      }
      if (i < batch.length) this.#queue = batch.slice(i).concat(this.#queue);
    }
    this.#isDraining = false;
    if (this.#queue.length > 0) {
      this.squeezed++;
      this.#cpu.callouts.arm(this, 0);
    } else this.#cpu.callouts.disarm(this);
  }

  fire(): void {
    this.drain();
  }
}
