/** Computes the transport checksum that output left open, for links that do not do it themselves. */
import { checksum, packetSum } from "./checksum.ts";
import { CSUM_GOOD, CSUM_PARTIAL, type Mbuf } from "./mbuf.ts";

/** Afterwards the checksum is in the packet. Its field holds the sum of the pseudo-header. */
export function completeChecksum(m: Mbuf): void {
  if (m.csum !== CSUM_PARTIAL) return;
  const sum = checksum(packetSum(m, 0, m.csumStart - m.off));
  // No checksum at all is what zero means to UDP; its other form is the same sum.
  m.view.setUint16(m.csumStart + m.csumOffset, sum === 0 ? 0xffff : sum);
  m.csum = CSUM_GOOD;
}
