/**
 * Asynchronous requests: the contexts of an address space, and the places in their rings.
 *
 * A request takes a place when it is submitted and gives it back when the program
 * has taken its event: so a ring never overflows, unless the program
 * wrote to its header, which harms nobody else. Transfers are over when they are
 * submitted, since disks here are waited for; only POLL requests stay. See io_setup(2), io_submit(2).
 *
 * Invariant: a context is in its table while it is not dead; a dead one has no requests.
 */
import { Callout } from "../kern/callout.ts";
import type { Cpu } from "../kern/cpu.ts";
import { WaitQueue } from "../kern/waitqueue.ts";
import type { UserMemory } from "../vm/usermem.ts";
import type { Tenant } from "../vm/vmspace.ts";
import type { AioLimits } from "./aiolimits.ts";
import type { AioEvent, AioRing } from "./aioring.ts";
import type { EventFile } from "./eventfd.ts";
import type { File } from "./file.ts";

/** A request that waits for something. */
export interface AioPending {
  readonly event: AioEvent;
  /** Looks whether it is over, and ends it if so. */
  look(): void;
  /** Ends it, though nothing has happened. */
  cancel(): void;
}

export class AioContext {
  readonly table: AioTable;
  readonly ring: AioRing;
  /** What it counts as for fs.aio-nr. */
  readonly requests: number;
  /** Threads in io_getevents(2). */
  readonly waiting = new WaitQueue();
  readonly pending = new Set<AioPending>();
  isDead = false;
  #tail = 0;
  #free: number;
  /** Events whose places were not given back yet. */
  #completed = 0;

  constructor(table: AioTable, ring: AioRing, requests: number) {
    this.table = table;
    this.ring = ring;
    this.requests = requests;
    this.#free = ring.slots - 1;
  }

  /** A place for one more request: false if there is none. */
  takeSlot(): boolean {
    if (this.#free === 0) this.#refill();
    if (this.#free === 0) return false;
    this.#free--;
    return true;
  }

  /** The request was refused after all. */
  giveSlot(): void {
    this.#free++;
  }

  /** A request is over. */
  complete(event: AioEvent, result: number, notify: EventFile | null): void {
    if (!this.isDead) {
      this.ring.put(this.#tail, event, result);
      this.#tail = (this.#tail + 1) % this.ring.slots;
      this.#completed++;
      if (this.#completed > 1) this.#refill();
    }
    notify?.signal();
    this.waiting.wakeup();
  }

  /** Hands events out: how many, or EFAULT. */
  take(mem: UserMemory, to: number, max: number): number {
    this.table.settle();
    return this.ring.take(mem, to, max);
  }

  /** Ends everything, threads that wait for events too. */
  end(): void {
    this.isDead = true;
    for (const request of [...this.pending]) request.cancel();
    this.waiting.wakeup();
    this.ring.release();
  }

  #refill(): void {
    const taken = this.#completed - Math.min(this.#completed, this.ring.waiting);
    this.#completed -= taken;
    this.#free += taken;
  }
}

/** The contexts of an address space. Also the callout for what must not be done where a file became ready. */
export class AioTable extends Callout implements Tenant {
  readonly cpu: Cpu;
  readonly limits: AioLimits;
  readonly #contexts = new Map<AioRing, AioContext>();
  readonly #woken = new Set<AioPending>();
  readonly #unused: File[] = [];
  #nextId = 0;

  constructor(cpu: Cpu, limits: AioLimits) {
    super();
    this.cpu = cpu;
    this.limits = limits;
  }

  nextId(): number {
    return this.#nextId++ >>> 0;
  }

  /** Takes over the hold on `ring`; `limits` has been asked. */
  add(ring: AioRing, requests: number): void {
    this.#contexts.set(ring, new AioContext(this, ring, requests));
  }

  find(ring: AioRing): AioContext | null {
    return this.#contexts.get(ring) ?? null;
  }

  remove(context: AioContext): void {
    this.#contexts.delete(context.ring);
    this.limits.give(context.requests);
    context.end();
  }

  /** To be looked at again soon: by the next who takes events, or when the callout comes. */
  later(request: AioPending): void {
    this.#woken.add(request);
    this.#arm();
  }

  /** A file that a request used is let go, but not within what goes on now. */
  releaseLater(file: File): void {
    this.#unused.push(file);
    this.#arm();
  }

  settle(): void {
    for (const request of [...this.#woken]) {
      this.#woken.delete(request);
      request.look();
    }
  }

  fire(): void {
    this.settle();
    for (const file of this.#unused.splice(0)) file.release();
  }

  end(): void {
    for (const context of [...this.#contexts.values()]) this.remove(context);
    this.#woken.clear();
    this.cpu.callouts.disarm(this);
    for (const file of this.#unused.splice(0)) file.release();
  }

  #arm(): void {
    if (this.index < 0) this.cpu.callouts.arm(this, 0);
  }
}
