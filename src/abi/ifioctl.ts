/** Requests of ioctl(2) about interfaces and routes. Source: linux/sockios.h, linux/if.h, linux/route.h; netdevice(7). */
export const SIOCADDRT = 0x890b;
export const SIOCDELRT = 0x890c;
export const SIOCGIFNAME = 0x8910;
export const SIOCGIFCONF = 0x8912;
export const SIOCGIFFLAGS = 0x8913;
export const SIOCSIFFLAGS = 0x8914;
export const SIOCGIFADDR = 0x8915;
export const SIOCSIFADDR = 0x8916;
export const SIOCGIFDSTADDR = 0x8917;
export const SIOCGIFBRDADDR = 0x8919;
export const SIOCSIFBRDADDR = 0x891a;
export const SIOCGIFNETMASK = 0x891b;
export const SIOCSIFNETMASK = 0x891c;
export const SIOCGIFMETRIC = 0x891d;
export const SIOCGIFMTU = 0x8921;
export const SIOCSIFMTU = 0x8922;
export const SIOCSIFNAME = 0x8923;
export const SIOCSIFHWADDR = 0x8924;
export const SIOCGIFHWADDR = 0x8927;
export const SIOCGIFINDEX = 0x8933;
export const SIOCGIFTXQLEN = 0x8942;
export const SIOCSIFTXQLEN = 0x8943;
export const SIOCETHTOOL = 0x8946;
export const SIOCGIFMAP = 0x8970;

export const ETHTOOL_GLINK = 0x0a;

/** struct ifreq: a name, then a union; struct ifconf: a length, then an address. */
export const IFREQ_BYTES = 40;
export const IFREQ_DATA = 16;
export const IFCONF_BYTES = 16;
export const IFCONF_BUFFER = 8;

/** struct rtentry. */
export const RTENTRY_BYTES = 120;
export const RT_DST = 8;
export const RT_GATEWAY = 24;
export const RT_GENMASK = 40;
export const RT_FLAGS = 56;
export const RT_METRIC = 80;
export const RT_DEV = 88;
export const RT_MTU = 96;
export const RTF_UP = 0x1;
export const RTF_GATEWAY = 0x2;
export const RTF_HOST = 0x4;
export const RTF_MTU = 0x40;
export const RTF_REJECT = 0x200;
