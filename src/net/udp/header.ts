/** The header of UDP: two ports, length, checksum. RFC 768. */

export const UDP_HEADER_BYTES = 8;
