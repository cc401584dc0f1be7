/** Packets that wait in a packet socket: each is charged to it; what finds no room is counted. */
import type { Timespec } from "../../kern/clock.ts";
import type { KernelMemory } from "../../kern/kmem.ts";

/** What one takes beside its bytes, about. */
const PACKET_BYTES = 768;

export interface HeldPacket {
  readonly bytes: Uint8Array;
  /** How long it was before it was cut. */
  readonly length: number;
  /** Bytes of link header in `bytes`. */
  readonly linkBytes: number;
  /** struct sockaddr_ll. */
  readonly from: Uint8Array;
  /** TP_STATUS_*. */
  readonly status: number;
  readonly time: Timespec;
}

export class PacketQueue {
  readonly #kmem: KernelMemory;
  #packets: HeldPacket[] = [];
  rmem = 0;

  constructor(kmem: KernelMemory) {
    this.#kmem = kmem;
  }

  get first(): HeldPacket | null {
    return this.#packets[0] ?? null;
  }

  hasRoom(limit: number): boolean {
    return this.rmem <= limit;
  }

  /** False if there is no memory. */
  put(p: HeldPacket): boolean {
    const cost = PACKET_BYTES + p.bytes.length;
    if (!this.#kmem.take(cost)) return false;
    this.rmem += cost;
    this.#packets.push(p);
    return true;
  }

  drop(): void {
    const p = this.#packets.shift();
    if (!p) return;
    const cost = PACKET_BYTES + p.bytes.length;
    this.rmem -= cost;
    this.#kmem.give(cost);
  }

  clear(): void {
    while (this.first) this.drop();
  }
}
