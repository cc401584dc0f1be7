/**
 * CRC-16 with polynomial 0x8005, reflected (ARC): the checksum of ext4 group
 * descriptors before metadata_csum. The seed is the caller's, nothing is inverted.
 * Source: lib/crc16.c of Linux.
 */
export function crc16(
  seed: number,
  bytes: Uint8Array,
  start = 0,
  end: number = bytes.length,
): number {
  let crc = seed & 0xffff;
  for (let i = start; i < end; i++) {
    crc ^= bytes[i]!;
    for (let k = 0; k < 8; k++) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1;
  }
  return crc;
}
