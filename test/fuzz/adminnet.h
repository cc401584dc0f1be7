/* What may be asked of a network: netlink messages, ioctls, options and control messages, most of them nearly right. */
#include "admin.h"
#include <arpa/inet.h>
#include <linux/genetlink.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/veth.h>

struct message {
	unsigned char *at;
	unsigned length, room;
};

static void put(struct message *m, const void *p, unsigned n)
{
	m->length = NLMSG_ALIGN(m->length);
	if (m->length + n > m->room) return;
	memcpy(m->at + m->length, p, n);
	m->length += n;
}

static void attribute(struct message *m, int type, const void *p, unsigned n)
{
	struct rtattr a = {RTA_LENGTH(n), type};
	if (rnd(64) == 0) a.rta_len = value();
	put(m, &a, sizeof a);
	put(m, p, n);
}

static unsigned begin(struct message *m, int type)
{
	struct rtattr a = {0, type | (rnd(2) ? NLA_F_NESTED : 0)};
	put(m, &a, sizeof a);
	return m->length - sizeof a;
}

static void end(struct message *m, unsigned at)
{
	unsigned short n = m->length - at;
	memcpy(m->at + at, &n, 2);
}

static void number(struct message *m, int type, unsigned long v)
{
	attribute(m, type, &v, rnd(16) ? 4 : rnd(9));
}

static void text(struct message *m, int type, const char *s)
{
	attribute(m, type, s, strlen(s) + rnd(2));
}

static void address(struct message *m, int type, int family)
{
	unsigned char a[16] = {10, 0, rnd(2), rnd(4)};
	if (family == AF_INET6) memset(a, 0, sizeof a), a[0] = 0xfd, a[15] = rnd(4);
	if (rnd(16) == 0) a[0] = PICK(((unsigned char[]){0, 127, 224, 240, 255, 0xfe}));
	attribute(m, type, a, rnd(32) ? (family == AF_INET6 ? 16 : 4) : rnd(17));
}

static void link_info(struct message *m)
{
	static const char *const kinds[] = {"dummy", "veth", "bridge", "veth", "dummy", "tun", "vlan", ""};
	const char *kind = PICK(kinds);
	unsigned info = begin(m, IFLA_LINKINFO);
	text(m, IFLA_INFO_KIND, kind);
	if (rnd(2)) {
		unsigned data = begin(m, rnd(8) ? IFLA_INFO_DATA : IFLA_INFO_SLAVE_DATA);
		if (strcmp(kind, "veth") == 0) {
			struct ifinfomsg i = {.ifi_index = rnd(8) ? 0 : value()};
			unsigned peer = begin(m, VETH_INFO_PEER);
			put(m, &i, sizeof i);
			text(m, IFLA_IFNAME, PICK(names));
			if (rnd(4) == 0) number(m, IFLA_NET_NS_FD, rnd(FILES));
			end(m, peer);
		} else for (int i = rnd(4); i >= 0; i--) number(m, rnd(48), value());
		end(m, data);
	}
	end(m, info);
}

static void link_message(struct message *m)
{
	struct ifinfomsg i = {.ifi_family = rnd(8) ? 0 : value(), .ifi_index = rnd(2) ? 0 : rnd(8) ? rnd(12) : value(),
			      .ifi_flags = rnd(2) ? IFF_UP : value(), .ifi_change = rnd(2) ? IFF_UP : value()};
	put(m, &i, sizeof i);
	if (rnd(4)) text(m, IFLA_IFNAME, PICK(names));
	if (rnd(2)) link_info(m);
	for (int n = rnd(4); n > 0; n--) {
		static const int types[] = {IFLA_MTU, IFLA_MASTER, IFLA_GROUP, IFLA_TXQLEN, IFLA_CARRIER, IFLA_NET_NS_FD, IFLA_NET_NS_PID,
					    IFLA_NEW_IFINDEX, IFLA_ADDRESS, IFLA_BROADCAST, IFLA_IFALIAS, IFLA_EXT_MASK, IFLA_LINK};
		int type = PICK(types);
		if (type == IFLA_ADDRESS || type == IFLA_BROADCAST) attribute(m, type, blob(8), rnd(4) ? 6 : rnd(8));
		else if (type == IFLA_NET_NS_PID) number(m, type, rnd(2) ? getpid() : 2 + rnd(60));
		else number(m, type, rnd(3) ? rnd(16) : value());
	}
}

static void other_message(struct message *m, int type)
{
	int family = rnd(3) ? AF_INET : rnd(3) ? AF_INET6 : rnd(32);
	int bits = family == AF_INET ? rnd(33) : rnd(129);
	if (type >= RTM_NEWADDR && type <= RTM_GETADDR) {
		struct ifaddrmsg a = {family, bits, value(), rnd(4) ? 0 : value(), rnd(12)};
		put(m, &a, sizeof a);
		for (int t = rnd(2) + 1; t > 0; t--) address(m, t == 1 ? IFA_LOCAL : IFA_ADDRESS, family);
		if (rnd(4) == 0) text(m, IFA_LABEL, PICK(names));
	} else if (type >= RTM_NEWNEIGH && type <= RTM_GETNEIGH) {
		struct ndmsg n = {.ndm_family = family, .ndm_ifindex = rnd(12), .ndm_state = rnd(2) ? NUD_PERMANENT : value()};
		put(m, &n, sizeof n);
		address(m, NDA_DST, family);
		if (rnd(2)) attribute(m, NDA_LLADDR, blob(8), rnd(8) ? 6 : rnd(8));
	} else {
		struct rtmsg r = {family, bits, rnd(4) ? 0 : bits, rnd(4) ? 0 : value(), rnd(4) ? RT_TABLE_MAIN : value(), rnd(4) ? RTPROT_BOOT : value(),
				  rnd(4) ? 0 : value(), rnd(4) ? rnd(12) : value(), rnd(4) ? 0 : value()};
		put(m, &r, sizeof r);
		if (rnd(4)) address(m, RTA_DST, family);
		if (rnd(2)) number(m, RTA_OIF, rnd(12));
		for (int n = rnd(4); n > 0; n--) {
			if (rnd(3) == 0) address(m, rnd(10), family);
			else if (rnd(4) == 0) text(m, rnd(24), PICK(names));
			else number(m, rnd(32), value());
		}
	}
}

static void netlink_request(struct message *m)
{
	static const int types[] = {RTM_NEWLINK, RTM_NEWLINK, RTM_DELLINK, RTM_SETLINK, RTM_GETLINK, RTM_NEWADDR, RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR,
				    RTM_NEWROUTE, RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE, RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH, RTM_NEWRULE, RTM_DELRULE,
				    RTM_GETRULE, RTM_GETNETCONF, RTM_GETNSID, RTM_GETSTATS, RTM_GETQDISC, RTM_GETNEIGHTBL, SOCK_DIAG_BY_FAMILY, GENL_ID_CTRL};
	int type = rnd(16) ? PICK(types) : (int)rnd(150);
	struct nlmsghdr h = {0, type, NLM_F_REQUEST | (rnd(2) ? NLM_F_CREATE : 0) | (rnd(4) ? 0 : NLM_F_DUMP) | (rnd(2) ? NLM_F_ACK : 0), word(), 0};
	if (rnd(16) == 0) h.nlmsg_flags = value();
	unsigned at = m->length = NLMSG_ALIGN(m->length);
	put(m, &h, sizeof h);
	if (rnd(16) == 0) put(m, blob(128), rnd(128));
	else if (type >= RTM_NEWLINK && type <= RTM_SETLINK) link_message(m);
	else other_message(m, type);
	unsigned n = rnd(64) ? m->length - at : value();
	if (at + 4 <= m->room) memcpy(m->at + at, &n, 4);
}

/* One to many requests in one message. */
static void ask(int fd)
{
	struct message m = {place(8192), 0, 0};
	m.room = pool + POOL - m.at < 8192 ? pool + POOL - m.at : 8192;
	for (int n = rnd(8) ? rnd(3) : rnd(40); n >= 0; n--) netlink_request(&m);
	send(fd, m.at, m.length < m.room ? m.length : m.room, MSG_DONTWAIT);
	for (int n = rnd(4); n > 0; n--) recv(fd, place(8192), 1 + rnd(8192), MSG_DONTWAIT | (rnd(4) ? 0 : MSG_PEEK | MSG_TRUNC));
}

static void interface_ioctl(int fd)
{
	struct ifreq *r = (void *)blob(sizeof *r);
	if (rnd(4)) strcpy(r->ifr_name, PICK(names));
	if (rnd(4) == 0) {
		struct ifconf c = {rnd(3000), {(char *)blob(3000)}};
		memcpy(r, &c, sizeof c);
	} else if (rnd(2)) {
		struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000000 + rnd(512))};
		memcpy(&r->ifr_addr, &a, sizeof a);
	}
	ioctl(fd, rnd(4) ? 0x8910 + rnd(0x50) : 0x8900 + rnd(256), r);
}

static const int levels[] = {SOL_SOCKET, 0, 6, 17, 41, 58, 136, 255, 263, 270};

/* One that means something to it, mostly. */
static int level_of(int fd)
{
	static const int inet[] = {0, 0, 6, 17, 41, 41, 58, 136, 255};
	if (rnd(32) == 0) return value();
	if (rnd(8) == 0) return PICK(levels);
	if (rnd(3) == 0) return SOL_SOCKET;
	return fd >= PACKET ? 263 : fd >= NETLINK ? 270 : PICK(inet);
}

static int family_of(int fd)
{
	int family = AF_INET;
	socklen_t n = sizeof family;
	if (rnd(8) == 0) return PICK(((int[]){AF_INET, AF_INET6, AF_UNIX, AF_PACKET, AF_NETLINK, 0, 255}));
	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &n);
	return family;
}

static void socket_option(int fd)
{
	int level = level_of(fd), name = rnd(16) ? (int)rnd(rnd(4) ? 80 : 140) : (int)value();
	unsigned size = rnd(2) ? 4 : rnd(4) ? rnd(300) : value();
	unsigned char *at = blob(320);
	unsigned *room = (void *)place(4);
	if (rnd(2) && at + 8 <= pool + POOL) memset(at, 0, 8), at[0] = rnd(3);
	if (rnd(2)) setsockopt(fd, level, name, rnd(32) ? at : (void *)word(), size);
	else {
		if ((unsigned char *)(room + 1) <= pool + POOL) *room = size;
		getsockopt(fd, level, name, at, room);
	}
}

/* Few ports, so that they meet. */
static unsigned fill_address(struct sockaddr_storage *a, int family)
{
	struct sockaddr_in *in = (void *)a;
	struct sockaddr_in6 *in6 = (void *)a;
	memset(a, 0, sizeof *a);
	a->ss_family = family;
	in->sin_port = htons(7000 + rnd(4));
	if (family == AF_INET) in->sin_addr.s_addr = htonl(rnd(8) ? INADDR_LOOPBACK : rnd(2) ? 0x0a000000 + rnd(512) : 0xe0000001);
	else if (family == AF_INET6) in6->sin6_addr.s6_addr[15] = 1, in6->sin6_scope_id = rnd(4) ? 0 : value();
	else if (family == AF_UNIX) return memcpy(((char *)a) + 2, rnd(2) ? "\0a" : "\0b", 2), 4;
	else for (int i = rnd(12); i > 0; i--) ((unsigned char *)a)[2 + rnd(18)] = value();
	if (rnd(16) == 0) ((unsigned char *)a)[rnd(28)] = value();
	return rnd(16) ? (family == AF_INET6 ? 28 : family == AF_NETLINK ? 12 : family == AF_PACKET ? 20 : 16) : value();
}

static void converse(int fd)
{
	struct sockaddr_storage *a = (void *)place(sizeof *a);
	if ((unsigned char *)(a + 1) > pool + POOL) return;
	unsigned size = fill_address(a, family_of(fd));
	switch (rnd(10)) {
	case 0: bind(fd, (void *)a, size); break;
	case 1: connect(fd, (void *)a, size); break;
	case 2: listen(fd, value()), close(accept4(fd, NULL, NULL, SOCK_NONBLOCK)); break;
	case 3: shutdown(fd, rnd(4)); break;
	default: {
		struct cmsghdr *c = (void *)blob(256);
		struct iovec *v = (void *)place(sizeof *v);
		struct msghdr *m = (void *)place(sizeof *m);
		if ((unsigned char *)(c + 1) > pool + POOL || (unsigned char *)(v + 1) > pool + POOL || (unsigned char *)(m + 1) > pool + POOL) return;
		*c = (struct cmsghdr){rnd(4) ? CMSG_LEN(4 * rnd(6)) : value(), PICK(levels), rnd(80)};
		*v = (struct iovec){place(4096), rnd(4096)};
		*m = (struct msghdr){rnd(2) ? a : NULL, size < sizeof *a ? size : sizeof *a, v, 1, rnd(3) ? NULL : c, rnd(4) ? CMSG_SPACE(24) : rnd(256), 0};
		unsigned how = MSG_DONTWAIT | (rnd(4) ? 0 : value());
		if (rnd(2)) sendmsg(fd, m, how | MSG_NOSIGNAL);
		else recvmsg(fd, m, how);
	}
	}
}
