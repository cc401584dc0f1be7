/* ioctl(2) about interfaces, their addresses and routes; and sock_diag. See netdevice(7), sock_diag(7). */
#include "netns.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static struct ifreq r;
static int fd;

static int ask(int request)
{
	memset(&r, 0, sizeof r);
	strcpy(r.ifr_name, "lo");
	return ioctl(fd, request, &r);
}

static unsigned addr(void)
{
	return ntohl(((struct sockaddr_in *)&r.ifr_addr)->sin_addr.s_addr);
}

static int set(int request, const char *name, const char *a)
{
	memset(&r, 0, sizeof r);
	strcpy(r.ifr_name, name);
	struct sockaddr_in *in = (void *)&r.ifr_addr;
	in->sin_family = AF_INET;
	inet_pton(AF_INET, a, &in->sin_addr);
	return ioctl(fd, request, &r);
}

static int route(int request, const char *to, const char *mask, const char *via, int flags)
{
	struct rtentry e = {.rt_flags = RTF_UP | flags, .rt_metric = 3};
	struct sockaddr_in *in[] = {(void *)&e.rt_dst, (void *)&e.rt_genmask, (void *)&e.rt_gateway};
	const char *text[] = {to, mask, via};
	for (int i = 0; i < 3; i++) {
		in[i]->sin_family = AF_INET;
		inet_pton(AF_INET, text[i], &in[i]->sin_addr);
	}
	e.rt_dev = flags & RTF_GATEWAY ? NULL : "lo";
	return ioctl(fd, request, &e);
}

static void interfaces(void)
{
	CHECK("flags", ask(SIOCGIFFLAGS) == 0 && r.ifr_flags == IFF_LOOPBACK);
	CHECK_ERRNO("has no address", ask(SIOCGIFADDR), EADDRNOTAVAIL);
	ask(SIOCGIFFLAGS);
	r.ifr_flags |= IFF_UP;
	CHECK("up", ioctl(fd, SIOCSIFFLAGS, &r) == 0);
	CHECK("is up", ask(SIOCGIFFLAGS) == 0 && r.ifr_flags == (IFF_UP | IFF_LOOPBACK | IFF_RUNNING));
	CHECK("address", ask(SIOCGIFADDR) == 0 && addr() == INADDR_LOOPBACK);
	CHECK("mask", ask(SIOCGIFNETMASK) == 0 && addr() == 0xff000000);
	CHECK("broadcast", ask(SIOCGIFBRDADDR) == 0 && addr() == 0);
	CHECK("the other end", ask(SIOCGIFDSTADDR) == 0 && addr() == INADDR_LOOPBACK);
	CHECK("mtu", ask(SIOCGIFMTU) == 0 && r.ifr_mtu == 65536);
	CHECK("index", ask(SIOCGIFINDEX) == 0 && r.ifr_ifindex == 1);
	CHECK("metric", ask(SIOCGIFMETRIC) == 0 && r.ifr_metric == 0);
	CHECK("queue", ask(SIOCGIFTXQLEN) == 0 && r.ifr_qlen == 1000);
	CHECK("link address", ask(SIOCGIFHWADDR) == 0 && r.ifr_hwaddr.sa_family == 772);
	memset(&r, 0, sizeof r);
	r.ifr_ifindex = 1;
	CHECK("name", ioctl(fd, SIOCGIFNAME, &r) == 0 && strcmp(r.ifr_name, "lo") == 0);
	r.ifr_ifindex = 9;
	CHECK_ERRNO("no such index", ioctl(fd, SIOCGIFNAME, &r), ENODEV);
	strcpy(r.ifr_name, "nosuch");
	CHECK_ERRNO("no such name", ioctl(fd, SIOCGIFMTU, &r), ENODEV);
	struct ethtool_value v = {.cmd = ETHTOOL_GLINK};
	memset(&r, 0, sizeof r);
	strcpy(r.ifr_name, "lo");
	r.ifr_data = (void *)&v;
	CHECK("link", ioctl(fd, SIOCETHTOOL, &r) == 0 && v.data == 1);
	v.cmd = 9999;
	CHECK_ERRNO("what lo has not", ioctl(fd, SIOCETHTOOL, &r), EOPNOTSUPP);
	char many[400];
	struct ifconf c = {.ifc_len = sizeof many, .ifc_buf = many};
	CHECK("all", ioctl(fd, SIOCGIFCONF, &c) == 0 && c.ifc_len == sizeof(struct ifreq) && strcmp(c.ifc_req->ifr_name, "lo") == 0);
	c.ifc_buf = NULL;
	CHECK("how much room", ioctl(fd, SIOCGIFCONF, &c) == 0 && c.ifc_len == sizeof(struct ifreq));
	int u = socket(AF_UNIX, SOCK_STREAM, 0);
	memset(&r, 0, sizeof r);
	strcpy(r.ifr_name, "lo");
	CHECK("at any socket", ioctl(u, SIOCGIFINDEX, &r) == 0 && r.ifr_ifindex == 1);
	CHECK_ERRNO("addresses not", ioctl(u, SIOCGIFADDR, &r), ENOTTY);
	close(u);
	CHECK("mtu", (ask(SIOCGIFMTU), r.ifr_mtu = 1400, ioctl(fd, SIOCSIFMTU, &r)) == 0 && ask(SIOCGIFMTU) == 0 && r.ifr_mtu == 1400);
	CHECK("if_nametoindex", if_nametoindex("lo") == 1 && if_nametoindex("nosuch") == 0);
	struct ifaddrs *all, *i;
	int kinds = 0;
	CHECK("getifaddrs", getifaddrs(&all) == 0);
	for (i = all; i; i = i->ifa_next)
		if (i->ifa_addr) kinds |= i->ifa_addr->sa_family == AF_INET ? 1 : i->ifa_addr->sa_family == AF_PACKET ? 2 : 0;
	CHECK("tells of both", kinds == 3);
}

static void addresses(void)
{
	CHECK("another", set(SIOCSIFADDR, "lo:1", "10.1.2.3") == 0);
	CHECK("mask", set(SIOCSIFNETMASK, "lo:1", "255.255.0.0") == 0);
	set(SIOCGIFNETMASK, "lo:1", "0.0.0.0");
	CHECK("mask it has", addr() == 0xffff0000);
	CHECK_ERRNO("what is no mask", set(SIOCSIFNETMASK, "lo:1", "255.0.255.0"), EINVAL);
	CHECK("a route", route(SIOCADDRT, "10.9.0.0", "255.255.0.0", "0.0.0.0", 0) == 0);
	CHECK_ERRNO("is there", route(SIOCADDRT, "10.9.0.0", "255.255.0.0", "0.0.0.0", 0), EEXIST);
	CHECK_ERRNO("bits beyond the mask", route(SIOCADDRT, "10.9.0.1", "255.255.0.0", "0.0.0.0", 0), EINVAL);
	CHECK_ERRNO("over nobody", route(SIOCADDRT, "10.8.0.0", "255.255.0.0", "99.0.0.1", RTF_GATEWAY), ENETUNREACH);
	CHECK("gone", route(SIOCDELRT, "10.9.0.0", "255.255.0.0", "0.0.0.0", 0) == 0);
	CHECK_ERRNO("not there", route(SIOCDELRT, "10.9.0.0", "255.255.0.0", "0.0.0.0", 0), ESRCH);
	CHECK("no more", set(SIOCSIFADDR, "lo:1", "0.0.0.0") == 0);
	CHECK_ERRNO("has none", set(SIOCGIFADDR, "lo:1", "0.0.0.0"), EADDRNOTAVAIL);
}

static int diag(int s, int protocol, int states, int port)
{
	static char buf[32768];
	struct { struct nlmsghdr h; struct inet_diag_req_v2 r; struct nlattr a; struct inet_diag_bc_op op[2]; } q = {
		.h = {sizeof q, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1, 0},
		.r = {.sdiag_family = AF_INET, .sdiag_protocol = protocol, .idiag_states = states},
		.a = {4 + 8, INET_DIAG_REQ_BYTECODE}, .op = {{INET_DIAG_BC_S_EQ, 8, 12}, {0, 0, port}}};
	int count = 0;
	if (send(s, &q, sizeof q, 0) != sizeof q) return -1;
	for (;;) {
		int n = recv(s, buf, sizeof buf, MSG_DONTWAIT);
		if (n < 0) return -1;
		for (struct nlmsghdr *h = (void *)buf; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_type == NLMSG_ERROR) return ((struct nlmsgerr *)NLMSG_DATA(h))->error;
			if (h->nlmsg_type == NLMSG_DONE) return *(int *)NLMSG_DATA(h) < 0 ? *(int *)NLMSG_DATA(h) : count;
			struct inet_diag_msg *m = NLMSG_DATA(h);
			if (ntohs(m->id.idiag_sport) != port) return -2;
			count++;
		}
	}
}

static void sockets(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(4000), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0), u = socket(AF_INET, SOCK_DGRAM, 0);
	int s = socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
	CHECK(bind(l, (void *)&a, sizeof a) == 0 && listen(l, 5) == 0 && connect(c, (void *)&a, sizeof a) == 0 && bind(u, (void *)&a, sizeof a) == 0);
	int d = accept(l, NULL, NULL);
	CHECK("who listens", diag(s, IPPROTO_TCP, 1 << 10, 4000) == 1);
	CHECK("who is connected", diag(s, IPPROTO_TCP, 1 << 1, 4000) == 1);
	CHECK("all", diag(s, IPPROTO_TCP, -1, 4000) == 2);
	CHECK("of another port", diag(s, IPPROTO_TCP, -1, 4001) == 0);
	CHECK("UDP", diag(s, IPPROTO_UDP, -1, 4000) == 1);
	CHECK("no such protocol", diag(s, 200, -1, 4000) == -ENOENT);
	close(l), close(c), close(d), close(u), close(s);
}

int main(void)
{
	own_network();
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	interfaces();
	addresses();
	sockets();
	return t_end();
}
