/** States of neighbours. Source: linux/neighbour.h, linux/if_arp.h. */
export const NUD_NONE = 0x00;
export const NUD_INCOMPLETE = 0x01;
export const NUD_REACHABLE = 0x02;
export const NUD_STALE = 0x04;
export const NUD_DELAY = 0x08;
export const NUD_PROBE = 0x10;
export const NUD_FAILED = 0x20;
export const NUD_NOARP = 0x40;
export const NUD_PERMANENT = 0x80;
/** States with a link address that may be used. */
export const NUD_VALID = 0x80 | 0x40 | 0x02 | 0x10 | 0x04 | 0x08;

/** Flags of /proc/net/arp. */
export const ATF_COM = 0x02;
export const ATF_PERM = 0x04;
