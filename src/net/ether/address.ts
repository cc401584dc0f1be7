/** Ethernet addresses. See IEEE 802. */
import type { NetStack } from "../netstack.ts";

export const ETHER_BYTES = 6;
export const ETHER_BROADCAST = new Uint8Array(ETHER_BYTES).fill(0xff);

/** An address at random, of those that everybody may give himself. */
export function randomAddress(stack: NetStack): Uint8Array {
  const a = new Uint8Array(ETHER_BYTES);
  const view = new DataView(a.buffer);
  view.setUint32(0, stack.random());
  view.setUint16(4, stack.random() & 0xffff);
  a[0] = (a[0]! & 0xfe) | 2;
  return a;
}

export function isGroupAddress(a: Uint8Array): boolean {
  return (a[0]! & 1) !== 0;
}

/** "02:00:00:00:00:01" */
export function printEther(a: Uint8Array): string {
  return [...a].map((b) => b.toString(16).padStart(2, "0")).join(":");
}
