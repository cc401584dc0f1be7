/**
 * veth: two Ethernet interfaces joined by a cable, often between two networks. See veth(4).
 *
 * What one sends the other receives, by way of the machine's input queue. They have
 * a carrier while both are up, and end together.
 */
import type { Mbuf } from "../mbuf.ts";
import type { NetStack } from "../netstack.ts";
import { ETHER_HEADER, EtherIf } from "./etherif.ts";

export class Veth extends EtherIf {
  override readonly kind = "veth";
  #peer: Veth | null = null;

  /** Two ends, not attached yet. */
  static pair(a: NetStack, b: NetStack): readonly [Veth, Veth] {
    const one = new Veth(a);
    const other = new Veth(b);
    one.#peer = other;
    other.#peer = one;
    one.hasCarrier = other.hasCarrier = false;
    one.operstate = other.operstate = "down";
    return [one, other];
  }

  get peer(): Veth | null {
    return this.#peer;
  }

  override get link(): number {
    return this.#peer?.index ?? 0;
  }

  override get linkStack(): NetStack | null {
    return this.#peer?.stack ?? null;
  }

  override flagsChanged(): void {
    super.flagsChanged();
    const peer = this.#peer;
    if (!peer?.stack) return;
    const isJoined = this.isUp && peer.isUp;
    this.#setCarrier(isJoined);
    if (peer.#setCarrier(isJoined)) peer.stack.linkTouched(peer);
    this.master?.portChanged?.();
    peer.master?.portChanged?.();
  }

  /** True if that is another. */
  #setCarrier(isOn: boolean): boolean {
    const state = isOn ? "up" : this.isUp ? "lowerlayerdown" : "down";
    const isNew = this.hasCarrier !== isOn || this.operstate !== state;
    if (this.hasCarrier !== isOn) {
      if (isOn) this.carrierUps++;
      else this.carrierDowns++;
    }
    this.hasCarrier = isOn;
    this.operstate = state;
    return isNew;
  }

  protected transmitFrame(m: Mbuf): void {
    const peer = this.#peer;
    if (!peer?.isUp || m.length > peer.mtu + ETHER_HEADER) {
      this.counters.txDropped++;
      return;
    }
    peer.receiveFrame(m);
  }

  override detached(): void {
    super.detached();
    const peer = this.#peer;
    this.#peer = null;
    if (!peer || peer.index === 0) return;
    peer.#peer = null;
    peer.stack.detach(peer);
    peer.detached();
  }
}
