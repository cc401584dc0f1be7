/** What a socket wants to be told with each message, bits of IpOptions.recv4 and recv6. */
export const RECV_PKTINFO = 1;
export const RECV_TTL = 2;
export const RECV_TOS = 4;
export const RECV_OPTS = 8;
export const RECV_RETOPTS = 16;
export const RECV_ORIGDSTADDR = 32;
export const RECV_FRAGSIZE = 64;
export const RECV_HOPOPTS = 128;
export const RECV_DSTOPTS = 256;
export const RECV_RTHDR = 512;
export const RECV_PATHMTU = 1024;
export const RECV_FLOWINFO = 2048;
